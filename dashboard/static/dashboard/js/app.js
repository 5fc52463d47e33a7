/* What every page shares: the theme switch, dialogs, the drop zone, and buttons that must not be pressed twice. */
(() => {
  "use strict";

  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);

  const announceTheme = () => document.dispatchEvent(new CustomEvent("theme:change"));

  function switchTheme() {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      /* The choice then lasts for this page only. */
    }
    announceTheme();
  }

  function openDialog(button) {
    const dialog = document.getElementById(button.dataset.opens);
    if (dialog) dialog.showModal();
  }

  /* Selected as well, because the clipboard is closed to pages without TLS. */
  function copy(button) {
    document.getElementById(button.dataset.copies).select();
    navigator.clipboard?.writeText(document.getElementById(button.dataset.copies).value).then(() => (button.lastChild.textContent = "Copied"));
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches("[data-theme-switch]")) switchTheme();
    if (button.dataset.opens) openDialog(button);
    if (button.dataset.copies) copy(button);
    if (button.matches("[data-closes]")) button.closest("dialog").close();
  });

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", announceTheme);

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || form.matches("[hx-post]")) return;
    /* After the event, so that the pressed button's name still goes with the form. */
    setTimeout(() => form.querySelectorAll("button[type=submit]").forEach((button) => (button.disabled = true)));
  });

  /* A page that the browser shows again from its cache must not keep its buttons disabled. */
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("button[type=submit]:disabled").forEach((button) => (button.disabled = false));
  });

  /* Filters that are not in use make way on a narrow screen. */
  if (matchMedia("(max-width: 47.99rem)").matches) document.querySelectorAll("details[data-folds]").forEach((details) => (details.open = false));

  const sized = (bytes) => (bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MB` : `${(bytes / 2 ** 30).toFixed(1)} GB`);

  /* What the server would refuse is said before it is sent. */
  function tooMuch(zone, files) {
    const [limit, most] = [Number(zone.dataset.limit), Number(zone.dataset.mostFiles)];
    const size = files.reduce((sum, file) => sum + file.size, 0);
    if (files.length > most) return `These are ${files.length} files; at most ${most} are taken at a time. Send them in several goes.`;
    if (size <= limit) return "";
    const way = files.length > 1 ? "Send them one by one, or compress them (FLAC, Opus)." : "Compress it (FLAC, Opus).";
    return `That is ${sized(size)}; at most ${sized(limit)} are taken at a time. ${way}`;
  }

  function listFiles(zone) {
    const input = zone.querySelector("input[type=file]");
    const files = [...input.files];
    zone.querySelector("ul").replaceChildren(
      ...files.map((file) => {
        const item = document.createElement("li");
        item.textContent = `${file.name} (${sized(file.size)})`;
        return item;
      }),
    );
    const trouble = tooMuch(zone, files);
    const told = zone.querySelector(".errors");
    told.textContent = trouble;
    told.hidden = !trouble;
    input.setCustomValidity(trouble && "Choose fewer or smaller files.");
  }

  document.querySelectorAll(".drop").forEach((zone) => {
    const input = zone.querySelector("input[type=file]");
    input.addEventListener("change", () => listFiles(zone));
    zone.addEventListener("dragover", (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      input.files = event.dataTransfer.files;
      listFiles(zone);
    });
  });
})();

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

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches("[data-theme-switch]")) switchTheme();
    if (button.dataset.opens) openDialog(button);
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

  function listFiles(zone) {
    const list = zone.querySelector("ul");
    const files = [...zone.querySelector("input[type=file]").files];
    list.replaceChildren(
      ...files.map((file) => {
        const item = document.createElement("li");
        item.textContent = `${file.name} (${(file.size / 1048576).toFixed(1)} MB)`;
        return item;
      }),
    );
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

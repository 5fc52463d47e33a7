/* The call page's player: audio, waveform, transcript that follows, clips, and the keyboard. */
(() => {
  "use strict";

  const player = document.querySelector("[data-player]");
  if (!player) return;
  const call = JSON.parse(document.getElementById("call-data").textContent);
  const audio = player.querySelector("audio");
  const canvas = player.querySelector("canvas");
  const clock = player.querySelector("[data-clock]");
  const speed = player.querySelector("[data-speed]");
  /* It stands over the transcript, outside the player. */
  const follow = document.querySelector("[data-follow]");
  const status = player.querySelector("[data-audio-status]");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const waveform = window.Waveform(canvas, call);
  let clipEnd = null;
  /* The transcript of a long call comes in parts; each that is still to come knows its stretch. */
  let utterances = [];
  let coming = [];
  const asked = new WeakSet();
  let current = null;
  /* How far to go for the next line that is highlighted: "box", within the transcript; "page", wherever that is. */
  let reach = "";

  const startOf = (element) => Number(element.dataset.start);
  const isAt = (element, seconds) => startOf(element) <= seconds && seconds < Number(element.dataset.end);

  function readTranscript() {
    utterances = [...document.querySelectorAll("[data-utterance]")];
    coming = [...document.querySelectorAll("[data-coming]")];
  }

  function timecode(seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    const two = (value) => String(value).padStart(2, "0");
    return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  }

  function say(text) {
    status.textContent = text;
    status.hidden = !text;
  }

  function play() {
    audio.play().catch((error) => error.name !== "AbortError" && say("The audio cannot be played. Reload the page; if that does not help, the recording is missing."));
  }

  function seek(seconds) {
    clipEnd = null;
    audio.currentTime = Math.min(Math.max(seconds, 0), call.seconds);
    show();
  }

  function playClip(start, end) {
    seek(start);
    clipEnd = end;
    play();
  }

  const toggle = () => (audio.paused ? play() : audio.pause());

  /* The last utterance that has begun, while it lasts or until the next begins. */
  function utteranceAt(seconds) {
    let [low, high] = [0, utterances.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (startOf(utterances[middle]) <= seconds + 0.05) low = middle + 1;
      else high = middle;
    }
    return utterances[low - 1] ?? null;
  }

  /* Below the player, which stays on top. */
  function isSeen(element) {
    const box = element.getBoundingClientRect();
    return box.top >= Math.max(0, player.getBoundingClientRect().bottom) && box.bottom <= innerHeight;
  }

  function scroll(scroller, top) {
    const far = Math.abs(top) > 2 * innerHeight;
    scroller.scrollBy({ top, behavior: reach || far || calm.matches ? "auto" : "smooth" });
  }

  const scrollPage = (element) => scroll(window, element.getBoundingClientRect().top - innerHeight / 2);

  /* Where the transcript has no box of its own, as on a phone, the page follows only who is reading there. */
  function bringIntoView(element, before) {
    const box = element.closest(".transcript");
    /* Drawn first: what is measured in a part that is not would be moved by its drawing. */
    element.parentElement.classList.add("drawn");
    if (box.scrollHeight > box.clientHeight) {
      scroll(box, element.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3);
      if (reach === "page" && !isSeen(element)) scrollPage(element);
    } else if (reach === "page" || (before && isSeen(before))) scrollPage(element);
  }

  function highlight(element) {
    if (element === current && !reach) return;
    const before = current;
    before?.classList.remove("current");
    before?.removeAttribute("aria-current");
    current = element;
    if (!element) return;
    element.classList.add("current");
    element.setAttribute("aria-current", "true");
    if (reach || (!audio.paused && follow?.checked)) bringIntoView(element, before);
    reach = "";
  }

  /* Asks for the part of a moment that is not there yet; true where it has to be waited for. */
  function isAwaited(seconds) {
    const part = coming.find((one) => isAt(one, seconds));
    if (part && !asked.has(part)) {
      asked.add(part);
      window.htmx.trigger(part, "wanted");
    }
    return Boolean(part);
  }

  /* One that did not come may be asked for again. */
  ["htmx:responseError", "htmx:sendError"].forEach((name) => document.addEventListener(name, (event) => asked.delete(event.detail.elt)));

  function show() {
    const now = audio.currentTime;
    waveform.draw(now);
    clock.textContent = timecode(now);
    canvas.setAttribute("aria-valuenow", Math.round(now));
    canvas.setAttribute("aria-valuetext", `${timecode(now)} of ${timecode(call.seconds)}`);
    highlight(isAwaited(now) ? null : utteranceAt(now));
    document.dispatchEvent(new CustomEvent("player:time", { detail: now }));
  }

  function tick() {
    if (clipEnd !== null && audio.currentTime >= clipEnd) {
      clipEnd = null;
      audio.pause();
    }
    show();
    if (!audio.paused) requestAnimationFrame(tick);
  }

  audio.addEventListener("play", () => {
    player.classList.add("playing");
    player.querySelector("[data-toggle]").setAttribute("aria-label", "Pause");
    requestAnimationFrame(tick);
  });
  audio.addEventListener("pause", () => {
    player.classList.remove("playing");
    player.querySelector("[data-toggle]").setAttribute("aria-label", "Play");
  });
  audio.addEventListener("seeked", show);
  audio.addEventListener("timeupdate", () => document.hidden && tick());
  audio.addEventListener("error", () => say("The audio could not be loaded."));

  player.querySelector("[data-toggle]").addEventListener("click", toggle);
  player.querySelectorAll("[data-skip]").forEach((button) => button.addEventListener("click", () => seek(audio.currentTime + Number(button.dataset.skip))));
  player.querySelector("[data-here]")?.addEventListener("click", () => {
    reach = "page";
    show();
    current?.querySelector(".said").focus({ preventScroll: true });
  });
  speed.addEventListener("change", () => (audio.playbackRate = Number(speed.value)));
  document.addEventListener("player:seek", (event) => seek(event.detail));

  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width) * call.seconds);
  });
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -5, ArrowRight: 5, PageDown: -30, PageUp: 30 };
    if (event.key === "Home") seek(0);
    else if (event.key === "End") seek(call.seconds);
    else if (steps[event.key]) seek(audio.currentTime + steps[event.key]);
    else return;
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const clip = event.target.closest("[data-clip]");
    const point = event.target.closest("[data-seek]");
    /* After a mouse click the space key is the player's again; who came by keyboard keeps the button. */
    if (event.detail > 0) (clip ?? point)?.blur();
    if (clip) playClip(...clip.dataset.clip.split(",").map(Number));
    else if (point && !String(getSelection())) seek(Number(point.dataset.seek));
  });

  /* Flags: one is selected; j and k walk, c, r and u judge. Cards are looked up afresh because htmx replaces them. */
  const cards = () => [...document.querySelectorAll("[data-flag]")];
  let selected = null;

  function mark(card) {
    cards().forEach((other) => other.classList.toggle("selected", other === card));
    selected = card.id;
  }

  function select(card) {
    mark(card);
    seek(Number(card.dataset.start));
    card.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
    card.focus({ preventScroll: true });
  }

  function walk(step) {
    const all = cards();
    if (!all.length) return;
    const at = all.findIndex((card) => card.id === selected);
    select(all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)]);
  }

  function judge(answer) {
    const card = document.getElementById(selected) ?? (cards().length === 1 ? cards()[0] : null);
    card?.querySelector(`button[value="${answer}"]`)?.click();
  }

  /* Whoever clicks or moves into a card means that flag, for the keys as well. */
  ["click", "focusin"].forEach((name) =>
    document.addEventListener(name, (event) => {
      const card = event.target.closest("[data-flag]");
      if (card) mark(card);
    })
  );

  document.addEventListener("htmx:load", (event) => {
    if (event.detail.elt.matches(".transcript-part")) {
      readTranscript();
      show();
    }
    const card = selected && document.getElementById(selected);
    if (card) card.classList.add("selected");
  });

  const typing = (element) => element.closest("input:not([type=checkbox]), textarea, select, dialog");
  const keys = { j: () => walk(1), k: () => walk(-1), c: () => judge("confirm"), r: () => judge("reject"), u: () => judge("unsure") };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const action = event.key === " " && !event.target.closest("button, a, summary") ? toggle : keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  new ResizeObserver(() => {
    waveform.repaint();
    waveform.draw(audio.currentTime);
  }).observe(canvas);
  document.addEventListener("theme:change", () => {
    waveform.repaint();
    waveform.draw(audio.currentTime);
  });

  waveform.load(player.dataset.peaks).then((found) => {
    if (!found) say("There is no waveform for this call; the audio below still plays.");
    show();
  });

  readTranscript();
  const wanted = Number(new URLSearchParams(location.search).get("t"));
  function open() {
    reach = "box";
    seek(wanted);
  }
  /* The metadata may be there before this script runs; its event is then past. */
  if (wanted > 0 && audio.readyState >= HTMLMediaElement.HAVE_METADATA) open();
  else if (wanted > 0) audio.addEventListener("loadedmetadata", open, { once: true });
})();

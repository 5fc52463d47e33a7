/* The call page's switch between the original and the cleaner copy: the same moment goes on in the other one. */
(() => {
  "use strict";

  const audio = document.querySelector("[data-player] audio");
  if (!audio) return;
  /* Kept until the other copy has begun to load: a second click before that knows no moment of its own. */
  let moment = null;

  const sources = () => [...document.querySelectorAll("[data-source]")];

  function load(chosen) {
    sources().forEach((button) => button.setAttribute("aria-pressed", String(button === chosen)));
    audio.src = chosen.dataset.source;
  }

  document.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-source]");
    if (!chosen) return;
    /* After a mouse click the space key is the player's again; who came by keyboard keeps the button. */
    if (event.detail > 0) chosen.blur();
    if (chosen.getAttribute("aria-pressed") === "true") return;
    moment ??= { at: audio.currentTime, speed: audio.playbackRate, plays: !audio.paused };
    load(chosen);
  });

  audio.addEventListener("loadedmetadata", () => {
    if (!moment) return;
    audio.currentTime = moment.at;
    audio.playbackRate = moment.speed;
    if (moment.plays) audio.play();
    moment = null;
  });

  /* A cleaner copy that does not load gives way to the original. */
  audio.addEventListener("error", () => {
    const [original] = sources();
    if (moment && original?.getAttribute("aria-pressed") === "false") load(original);
  });
})();

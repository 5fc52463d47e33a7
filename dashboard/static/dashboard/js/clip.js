/* Keeps a plain audio element within the stretch that is to be judged. */
(() => {
  "use strict";
  document.querySelectorAll("audio[data-bounds]").forEach((audio) => {
    const [start, end] = audio.dataset.bounds.split(",").map(Number);
    const first = () => audio.currentTime < start - 0.3 && (audio.currentTime = start);
    audio.addEventListener("loadedmetadata", first);
    audio.addEventListener("play", () => (audio.currentTime < start - 0.3 || audio.currentTime >= end - 0.05) && (audio.currentTime = start));
    audio.addEventListener("timeupdate", () => audio.currentTime >= end && !audio.paused && audio.pause());
  });
})();

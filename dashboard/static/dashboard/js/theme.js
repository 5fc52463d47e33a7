/* Sets the chosen theme before the first paint; without a choice the system's applies. */
(() => {
  "use strict";
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    /* Storage may be forbidden; then the system's theme applies. */
  }
})();

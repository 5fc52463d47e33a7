/* Draws the figures that the server made, in the colours of the theme. A trace or shape names its colour by role in `meta` or `name`. */
(() => {
  "use strict";

  const library = document.currentScript.dataset.plotly;
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);

  /* A custom property may hold light-dark(); only a used colour is resolved. */
  function color(role) {
    probe.style.color = `var(--${role})`;
    return getComputedStyle(probe).color;
  }

  function themedTrace(trace) {
    const role = trace.meta;
    const line = { ...trace.line, color: color(role) };
    const themed = { ...trace, line, marker: { ...trace.marker, color: color(role) } };
    if (trace.fill) themed.fillcolor = color(`${role}-fill`);
    return themed;
  }

  function themedAxis(axis) {
    return { ...axis, gridcolor: color("grid"), linecolor: color("line"), zerolinecolor: color("line-strong"), tickfont: { size: 12, color: color("text-soft") } };
  }

  function themedShape(shape) {
    const themed = { ...shape, line: { ...shape.line, color: color(shape.name) } };
    if (shape.type === "rect") themed.fillcolor = color(shape.name);
    return themed;
  }

  function themedLayout(layout) {
    const font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: color("text-soft") };
    const themed = { ...layout, font, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
    for (const name of Object.keys(layout)) if (/^[xy]axis\d*$/.test(name)) themed[name] = themedAxis(layout[name]);
    themed.shapes = (layout.shapes ?? []).map(themedShape);
    themed.hoverlabel = { bgcolor: color("surface-raised"), bordercolor: color("line-strong"), font: { ...font, color: color("text") } };
    return themed;
  }

  function draw(element) {
    const figure = JSON.parse(document.getElementById(element.dataset.chart).textContent);
    const config = { displayModeBar: false, responsive: true, showTips: false, doubleClick: false };
    return Plotly.react(element, figure.data.map(themedTrace), themedLayout(figure.layout), config);
  }

  /* Where the pointer stands on the time axis, in seconds. */
  function timeAt(element, event) {
    const { _size: size, xaxis } = element._fullLayout;
    const x = event.clientX - element.getBoundingClientRect().left - size.l;
    return x < 0 || x > size.w ? null : xaxis.p2d(x);
  }

  function followPlayer(element) {
    const head = document.createElement("div");
    head.className = "chart-head";
    element.append(head);
    const place = (seconds) => {
      const { _size: size, xaxis } = element._fullLayout;
      head.style.transform = `translateX(${size.l + Math.min(Math.max(xaxis.d2p(seconds), 0), size.w)}px)`;
      head.style.top = `${size.t}px`;
      head.style.height = `${size.h}px`;
    };
    place(now);
    document.addEventListener("player:time", () => place(now));
    element.on("plotly_afterplot", () => place(now));
    element.addEventListener("click", (event) => {
      const seconds = timeAt(element, event);
      if (seconds !== null) document.dispatchEvent(new CustomEvent("player:seek", { detail: seconds }));
    });
  }

  let now = 0;
  document.addEventListener("player:time", (event) => (now = event.detail));

  /* The library takes a second to read, and a phone many: only once a chart is about to be seen. */
  let reading = null;
  const ready = () =>
    (reading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      [script.src, script.onload, script.onerror] = [library, resolve, reject];
      document.head.append(script);
    }));

  const drawn = new Set();
  async function begin(element) {
    try {
      await ready();
    } catch {
      element.textContent = "The chart could not be loaded. Reload the page to try again.";
      return;
    }
    await draw(element);
    drawn.add(element);
    if (element.matches("[data-seeks]")) followPlayer(element);
  }

  const coming = new IntersectionObserver(
    (entries) =>
      entries.forEach(({ isIntersecting, target }) => {
        if (!isIntersecting) return;
        coming.unobserve(target);
        begin(target);
      }),
    { rootMargin: "300px" },
  );
  document.querySelectorAll("[data-chart]").forEach((element) => coming.observe(element));
  document.addEventListener("theme:change", () => drawn.forEach(draw));
})();

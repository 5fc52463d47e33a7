/* Draws the figures that the server made, in the colours of the theme. A trace or shape names its colour by role in `meta` or `name`. */
(() => {
  "use strict";

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
    let last = 0;
    place(last);
    document.addEventListener("player:time", (event) => place((last = event.detail)));
    element.on("plotly_afterplot", () => place(last));
    element.addEventListener("click", (event) => {
      const seconds = timeAt(element, event);
      if (seconds !== null) document.dispatchEvent(new CustomEvent("player:seek", { detail: seconds }));
    });
  }

  const charts = [...document.querySelectorAll("[data-chart]")];
  charts.forEach((element) => draw(element).then(() => element.matches("[data-seeks]") && followPlayer(element)));
  document.addEventListener("theme:change", () => charts.forEach(draw));
})();

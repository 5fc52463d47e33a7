/* Draws the waveform on a canvas: one lane per party, flagged stretches shaded, the playhead on top.
   window.Waveform(canvas, call) gives { draw(seconds), load(url) }. */
(() => {
  "use strict";

  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);

  function color(role) {
    probe.style.color = `var(--${role})`;
    return getComputedStyle(probe).color;
  }

  /* Stereo: the party's own channel. One channel: only where that party speaks. */
  function lanePeaks(lane, peaks) {
    const channel = peaks.channels[Math.min(lane.channel, peaks.channels.length - 1)] ?? [];
    if (!lane.spans) return channel;
    const rate = peaks.per_second;
    const kept = new Array(channel.length).fill(0);
    for (const [start, end] of lane.spans)
      for (let i = Math.floor(start * rate); i < Math.min(Math.ceil(end * rate), channel.length); i += 1) kept[i] = channel[i];
    return kept;
  }

  /* The loudest peak within each column of the canvas. */
  function columns(values, count) {
    const step = values.length / count;
    return Array.from({ length: count }, (_, x) => {
      let top = 0;
      const last = Math.max(Math.floor(x * step) + 1, Math.floor((x + 1) * step));
      for (let i = Math.floor(x * step); i < last && i < values.length; i += 1) top = Math.max(top, values[i]);
      return top;
    });
  }

  window.Waveform = function Waveform(canvas, call) {
    const context = canvas.getContext("2d");
    let peaks = null;
    let colors = {};
    let lanes = [];
    let loudest = 1;
    const x = (seconds) => (seconds / call.seconds) * canvas.width;

    function measure() {
      const ratio = window.devicePixelRatio || 1;
      canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
      canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
      for (const role of ["agent", "customer", "unknown", "frustration-fill", "frustration", "text", "surface-sunk", "line"]) colors[role] = color(role);
      if (!peaks) return;
      const all = call.lanes.map((lane) => lanePeaks(lane, peaks));
      loudest = Math.max(0.02, ...all.map((values) => values.reduce((top, value) => Math.max(top, value), 0)));
      lanes = all.map((values) => columns(values, canvas.width));
    }

    function drawLane(values, index) {
      const height = canvas.height / call.lanes.length;
      const middle = height * (index + 0.5);
      context.fillStyle = colors[call.lanes[index].party] ?? colors.unknown;
      const bar = Math.max(1, Math.round(window.devicePixelRatio || 1));
      for (let column = 0; column < values.length; column += bar * 2) {
        const top = Math.max(...values.slice(column, column + bar * 2)) / loudest;
        const half = Math.max(0.5, Math.sqrt(top) * height * 0.44);
        context.fillRect(column, middle - half, bar, half * 2);
      }
    }

    let picture = null;
    function paint() {
      measure();
      context.fillStyle = colors["surface-sunk"];
      context.fillRect(0, 0, canvas.width, canvas.height);
      for (const [start, end] of call.flagged) {
        context.fillStyle = colors["frustration-fill"];
        context.fillRect(x(start), 0, Math.max(2, x(end) - x(start)), canvas.height);
        context.fillStyle = colors.frustration;
        context.fillRect(x(start), canvas.height - 3, Math.max(2, x(end) - x(start)), 3);
      }
      lanes.forEach(drawLane);
      picture = document.createElement("canvas");
      [picture.width, picture.height] = [canvas.width, canvas.height];
      picture.getContext("2d").drawImage(canvas, 0, 0);
    }

    function draw(seconds) {
      if (!picture || picture.width !== Math.round(canvas.clientWidth * (window.devicePixelRatio || 1))) paint();
      context.drawImage(picture, 0, 0);
      context.fillStyle = colors.text;
      context.fillRect(x(seconds) - 1, 0, Math.max(2, window.devicePixelRatio || 1), canvas.height);
    }

    return {
      draw,
      repaint() {
        picture = null;
      },
      async load(url) {
        const response = await fetch(url, { headers: { Accept: "application/json" } });
        if (!response.ok) return false;
        peaks = await response.json();
        picture = null;
        return true;
      },
    };
  };
})();

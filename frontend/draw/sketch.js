// Curves and areas on a canvas, from the attributes that Plotly takes and with its look. It costs a fraction of what
// Plotly does for it.

import { axisName, downwards, rightwards } from "./places.js";

/** @import { Canvas } from "./canvas.js" */
/** @import { Attributes } from "./chart.js" */
/** @import { Axes, Scale } from "./places.js" */

/** @typedef {number[]} Run points without a gap, x, y, x, y, …, in CSS pixels from the corner of the plot */

/** Plotly's, in widths of the line. @type {Record<string, number[]>} */
const DASHES = { solid: [], dot: [1, 1], dash: [3, 3], longdash: [5, 5], dashdot: [3, 1, 1, 1] };

/**
 * @param {Canvas} canvas as large as the chart; is cleared
 * @param {Attributes[]} traces with their data
 * @param {Axes} axes
 */
export function sketch(canvas, traces, axes) {
  const { pen, ratio } = canvas;
  canvas.clear();
  /** @type {Run[]} */
  let below = [];
  for (const trace of traces) {
    if (!trace.x.length) {
      below = [];
      continue;
    }
    const across = axes[axisName(trace.xaxis ?? "x")];
    const up = axes[axisName(trace.yaxis ?? "y")];
    const down = downwards(up);
    const runs = points(trace, rightwards(across), down);
    pen.save();
    pen.scale(ratio, ratio);
    pen.translate(across.offset, up.offset);
    pen.beginPath();
    pen.rect(0, 0, across.length, up.length);
    pen.clip();
    if (trace.fill) area(canvas, trace, outlines[trace.fill](runs, down(0), below));
    if (trace.line.width) line(pen, trace.line, runs);
    pen.restore();
    if (trace.marker) triangles(canvas, trace, runs, across.offset, up.offset);
    below = runs;
  }
}

/** @param {Attributes} trace @param {Scale} across @param {Scale} down */
function points({ x, y, line: { shape } }, across, down) {
  const stairs = shape === "hvh";
  /** @type {Run[]} */
  const runs = [];
  /** @type {Run | null} */
  let run = null;
  let [before, above] = [NaN, NaN];
  for (let index = 0; index < x.length; index++) {
    const left = across(x[index]);
    const top = down(y[index]);
    if (Number.isNaN(left) || Number.isNaN(top)) {
      run = null;
      continue;
    }
    if (!run) runs.push((run = []));
    else if (stairs) run.push((before + left) / 2, above, (before + left) / 2, top);
    run.push(left, top);
    before = left;
    above = top;
  }
  return runs;
}

/**
 * What is filled, by Plotly's names for it.
 *
 * @type {{ [fill: string]: (runs: Run[], zero: number, below: Run[]) => Run[] }}
 */
const outlines = {
  toself: (runs) => runs,
  tozeroy: (runs, zero) => runs.map((run) => [...run, run[run.length - 2], zero, run[0], zero]),
  tonexty: (runs, _, below) => runs.map((run, index) => [...run, ...backwards(below[index] ?? [])]),
};

/** @param {Run} run */
const backwards = (run) => Array.from(run, (_, at) => run[run.length - (at % 2 ? at : at + 2)]);

/** @param {Canvas} canvas @param {Attributes} trace @param {Run[]} outline */
function area(canvas, { fillcolor, fillpattern }, outline) {
  const { pen, ratio } = canvas;
  follow(pen, outline);
  pen.fillStyle = fillpattern?.bgcolor ?? fillcolor;
  pen.fill();
  if (!fillpattern) return;
  const { shape, fgcolor, size, solidity } = fillpattern;
  pen.scale(1 / ratio, 1 / ratio); // patterns are in device pixels
  const thickness = shape === "x" ? size * (1 - Math.sqrt(1 - solidity)) : size * solidity;
  for (const slope of /** @type {("/" | "\\")[]} */ (shape === "x" ? ["/", "\\"] : [shape])) {
    pen.fillStyle = canvas.hatching(fgcolor, slope, Math.round(size * Math.SQRT2 * ratio), thickness * ratio);
    pen.fill();
  }
  pen.scale(ratio, ratio);
}

/** @param {CanvasRenderingContext2D} pen @param {Attributes} look @param {Run[]} runs */
function line(pen, { color, width, dash = "solid" }, runs) {
  follow(pen, runs);
  pen.setLineDash(DASHES[dash].map((length) => length * Math.max(width, 3)));
  pen.strokeStyle = color;
  pen.lineWidth = width;
  pen.miterLimit = 2;
  pen.stroke();
}

/** @param {CanvasRenderingContext2D} pen @param {Run[]} runs */
function follow(pen, runs) {
  pen.beginPath();
  for (const run of runs) {
    pen.moveTo(run[0], run[1]);
    for (let at = 2; at < run.length; at += 2) pen.lineTo(run[at], run[at + 1]);
  }
}

/** Marks at points, which may reach out of their plot. @param {Canvas} canvas @param {Attributes} trace @param {Run[]} runs @param {number} left @param {number} top */
function triangles({ pen, ratio }, { marker: { symbol, size, color } }, runs, left, top) {
  pen.save();
  pen.scale(ratio, ratio);
  pen.translate(left, top);
  pen.fillStyle = color;
  const [half, low, high] = [size / Math.sqrt(3), size / 4, size / 2]; // Plotly's
  const all = runs.flat();
  for (let at = 0; at < all.length; at += 2) {
    const [x, y] = [all[at], all[at + 1]];
    const down = symbol[(at / 2) % symbol.length] === "triangle-down" ? -1 : 1;
    pen.beginPath();
    pen.moveTo(x - half, y + down * low);
    pen.lineTo(x + half, y + down * low);
    pen.lineTo(x, y - down * high);
    pen.closePath();
    pen.fill();
  }
  pen.restore();
}

// Curves and areas on a canvas, from the attributes that Plotly takes and with its look: what a chart shows while the
// run goes on. It costs a fraction of what Plotly does for it.

/** @import { Canvas } from "./canvas.js" */
/** @import { Attributes } from "./chart.js" */

/**
 * @typedef {object} Axis as Plotly has laid it out, in CSS pixels
 * @property {number} _offset
 * @property {number} _length
 * @property {[number, number]} range
 * @property {string} type
 *
 * @typedef {(value: number) => number} Scale from a value to CSS pixels from the corner of the plot
 * @typedef {[number, number][]} Run points without a gap
 */

const DASHES = { solid: 0, dot: 1, dash: 3, longdash: 5 }; // Plotly's, in widths of the line

/**
 * @param {Canvas} canvas as large as the chart; is cleared
 * @param {Attributes[]} traces with their data
 * @param {{ [name: string]: Axis }} axes "xaxis", "yaxis2", …
 */
export function sketch(canvas, traces, axes) {
  const { pen, ratio } = canvas;
  canvas.clear();
  /** @type {Run[]} */
  let below = [];
  for (const trace of traces) {
    const across = axes[(trace.xaxis ?? "x").replace("x", "xaxis")];
    const up = axes[(trace.yaxis ?? "y").replace("y", "yaxis")];
    const down = downwards(up);
    const runs = points(trace, scale(across), down);
    pen.save();
    pen.scale(ratio, ratio);
    pen.translate(across._offset, up._offset);
    pen.beginPath();
    pen.rect(0, 0, across._length, up._length);
    pen.clip();
    if (trace.fill) area(canvas, trace, outlines[trace.fill](runs, down(0), below));
    if (trace.line.width) line(pen, trace.line, runs);
    pen.restore();
    below = runs;
  }
}

/** @param {Axis} axis @returns {Scale} */
function scale({ range: [from, to], _length, type }) {
  const unit = _length / (to - from);
  return type === "log" ? (value) => (Math.log10(value) - from) * unit : (value) => (value - from) * unit;
}

/** The same for an axis that points up. @param {Axis} axis @returns {Scale} */
function downwards(axis) {
  const up = scale(axis);
  return (value) => axis._length - up(value);
}

/** @param {Attributes} trace @param {Scale} across @param {Scale} down */
function points({ x, y, line: { shape } }, across, down) {
  /** @type {Run[]} */
  const runs = [];
  /** @type {Run | null} */
  let run = null;
  for (let index = 0; index < x.length; index++) {
    const [left, top] = [across(x[index]), down(y[index])];
    if (Number.isNaN(left) || Number.isNaN(top)) {
      run = null;
      continue;
    }
    if (!run) runs.push((run = []));
    const last = run.at(-1);
    if (last && shape === "hvh") run.push([(last[0] + left) / 2, last[1]], [(last[0] + left) / 2, top]);
    run.push([left, top]);
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
  tozeroy: (runs, zero) => runs.map((run) => [...run, [run[run.length - 1][0], zero], [run[0][0], zero]]),
  tonexty: (runs, _, below) => runs.map((run, index) => [...run, ...(below[index] ?? []).toReversed()]),
};

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
  const length = DASHES[/** @type {keyof typeof DASHES} */ (dash)] * Math.max(width, 3);
  follow(pen, runs);
  pen.setLineDash(length ? [length, length] : []);
  pen.strokeStyle = color;
  pen.lineWidth = width;
  pen.miterLimit = 2;
  pen.stroke();
}

/** @param {CanvasRenderingContext2D} pen @param {Run[]} runs */
function follow(pen, runs) {
  pen.beginPath();
  for (const run of runs) run.forEach(([x, y], index) => (index ? pen.lineTo(x, y) : pen.moveTo(x, y)));
}

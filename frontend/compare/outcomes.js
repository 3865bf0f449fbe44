// The ratios of two outcomes of one update, painted side by side on the same axes.

import { fade } from "../draw/colours.js";
import { rangeOf, rise } from "../ppo/clip-range.js";
import { alike, centred } from "../ppo/ratio-bins.js";
import { STACKED, colourOf } from "../ppo/regions.js";
import { count, percent, settingText } from "../state/format.js";
import { afterIn } from "../state/scope.js";

/** @import { ClipRange } from "../ppo/clip-range.js" */
/** @import { Canvas } from "../draw/canvas.js" */
/** @import { Frame, SettingValues, Theme } from "../types.js" */

/** @typedef {"old" | "new"} Which */

/** @type {Record<Which, string>} */
export const TITLES = { old: "as it was", new: "with the change" };

/**
 * @typedef {object} Outcome
 * @property {Which} which
 * @property {SettingValues} settings the update was made with
 * @property {number} limit bins cover log r from −limit to limit
 * @property {number[][]} bins counts, one list per region of STACKED
 * @property {number[][]} outside below and above the bins, per region
 * @property {number[]} totals per region, those outside of the bins included
 * @property {number} total
 * @property {ClipRange | null} clipRange null where the objective has no clip
 * @property {(number | null)[]} extremes smallest and largest r
 * @property {string} after which samples are counted
 *
 * @typedef {{ left: number, right: number, top: number, bottom: number }} Box in device pixels
 * @typedef {{ range: [number, number], highest: number }} Axes range in log r; the highest share of a bin
 */

/** In the same bins. @param {Frame} comparison @returns {Outcome[]} */
export const outcomesOf = (comparison) => alike([read(comparison, "old"), read(comparison, "new")]);

/** Where neither has moved r from 1, each is one bar. @param {Outcome[]} outcomes */
function drawn(outcomes) {
  const spikes = outcomes.map((outcome) => centred(outcome, outcome.extremes, null));
  return spikes.every(({ limit }, index) => limit !== outcomes[index].limit) ? spikes : outcomes;
}

/** @param {Frame} comparison @param {Which} which @returns {Outcome} */
function read({ header, arrays }, which) {
  const settings = /** @type {any} */ (header).settings[which];
  const counts = arrays[`${which}_ratio_counts`] ?? new Uint32Array(STACKED.length);
  const beyond = arrays[`${which}_ratio_outside`] ?? new Uint32Array(2 * STACKED.length);
  const size = counts.length / STACKED.length;
  const bins = STACKED.map((_, region) => [...counts.slice(region * size, (region + 1) * size)]);
  const outside = STACKED.map((_, region) => [...beyond.slice(2 * region, 2 * region + 2)]);
  const totals = bins.map((row, region) => sum([...row, ...outside[region]]));
  const clipRange = settings.objective === "clip" ? rangeOf(settings) : null;
  const extremes = ["min", "max"].map(
    (end) => header.scalars[`${which}_ratio_counted_${end}`] ?? header.scalars[`${which}_final_ratio_${end}`] ?? null,
  );
  return {
    after: afterIn(header.scalars),
    which,
    settings,
    extremes,
    limit: header.scalars[`${which}_ratio_limit`] ?? 1,
    bins,
    outside,
    totals,
    total: sum(totals),
    clipRange,
  };
}

/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((all, n) => all + n, 0);

/** From which to which log r a bin goes. @param {Outcome} outcome @param {number} bin @returns {[number, number]} */
export function binOf({ limit, bins }, bin) {
  const edge = (/** @type {number} */ at) => (at / bins[0].length) * 2 * limit - limit;
  return [edge(bin), edge(bin + 1)];
}

/** Shares of the regions that there are. @param {Outcome} outcome */
const shares = ({ totals, total }) =>
  STACKED.flatMap(({ key, word }, region) => (totals[region] ? [{ key, text: `${percent(totals[region] / total)} ${word}` }] : []));

/** What stands over the picture of an outcome. @param {Outcome} outcome */
const title = ({ which, clipRange }) => `r ${TITLES[which]}, ${clipRange === null ? "no clip" : inSymbols(clipRange)}`;

/** @param {ClipRange} range */
function inSymbols({ clip_range, clip_range_high, ratio_cap }) {
  const named = { ε: clip_range, "ε⁺": clip_range_high, c: ratio_cap };
  return Object.entries(named)
    .filter(([, value]) => value !== null)
    .map(([symbol, value]) => `${symbol} = ${settingText(value)}`)
    .join(", ");
}

/** Both for those who cannot see them. @param {Outcome[]} outcomes */
export const inWords = (outcomes) =>
  outcomes
    .map(
      (outcome) =>
        `${title(outcome)}: ${shares(outcome)
          .map(({ text }) => text)
          .join(", ")}, of ${count(outcome.total)} samples, ${outcome.after}.`,
    )
    .join(" ");

const LINE = 17;
const AXIS = { left: 56, bottom: 36 };
const GAP = 18; // between the two

/** @param {Canvas} canvas @param {Outcome[]} measured @param {Theme} theme @param {number} scale of the type */
export function paintOutcomes(canvas, measured, theme, scale) {
  const outcomes = drawn(measured);
  canvas.fit(scale);
  const { pen, width, height, ratio } = canvas;
  if (!width || !height) return;
  pen.fillStyle = theme.panel; // also of the picture that is saved
  pen.fillRect(0, 0, width, height);
  const axes = { range: common(outcomes.map(reach)), highest: 1.1 * Math.max(...outcomes.map(highestShare)) };
  const room = (width - GAP * ratio) / 2;
  pen.font = `600 ${12 * ratio}px ${theme.font}`;
  const headings = outcomes.map((outcome) => broken(pen, title(outcome), room));
  const above = Math.max(...headings.map(({ length }) => length));
  pen.font = `${12 * ratio}px ${theme.font}`;
  const legends = outcomes.map((outcome) => flow(canvas, shares(outcome), room));
  const lines = Math.max(...legends.map((legend) => legend.at(-1)?.line ?? 0)) + above + 1;
  outcomes.forEach((outcome, index) => {
    const left = index * (room + GAP * ratio);
    const box = { left: left + AXIS.left * ratio, right: left + room, top: (lines * LINE + 6) * ratio, bottom: height - AXIS.bottom * ratio };
    paintLegend(canvas, headings[index], above, legends[index], left, theme);
    paintAxes(canvas, axes, box, theme, outcome.after);
    paintBand(canvas, outcome, axes, box, theme);
    canvas.element.dataset[outcome.which] = paintBars(canvas, outcome, axes, box, theme).join(" ");
    paintOutside(canvas, outcome, box, theme);
  });
}

/** How far the ratios reach, and the band with them, in log r. @param {Outcome} outcome @returns {[number, number]} */
function reach(outcome) {
  let [low, high] = [-0.3, Math.max(0.3, Math.log1p(outcome.clipRange ? rise(outcome.clipRange) : 0))];
  outcome.bins.forEach((row) =>
    row.forEach((n, bin) => {
      if (!n) return;
      const [from, to] = binOf(outcome, bin);
      low = Math.min(low, from);
      high = Math.max(high, to);
    }),
  );
  return [low, high];
}

/** @param {[number, number][]} ranges @returns {[number, number]} */
const common = (ranges) => [Math.min(...ranges.map(([low]) => low)) - 0.05, Math.max(...ranges.map(([, high]) => high)) + 0.05];

/** @param {Outcome} outcome */
const highestShare = ({ bins, total }) => Math.max(0.05, ...bins[0].map((_, bin) => sum(bins.map((row) => row[bin])) / (total || 1)));

/** In lines that fit, broken behind commas. @param {CanvasRenderingContext2D} pen @param {string} text @param {number} room */
function broken(pen, text, room) {
  /** @type {string[]} */
  const lines = [];
  for (const part of text.split(/(?<=,) /)) {
    const longer = `${lines.at(-1)} ${part}`;
    if (lines.length && pen.measureText(longer).width <= room) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines;
}

/** As a line of text breaks. @param {Canvas} canvas @param {ReturnType<typeof shares>} items @param {number} room */
function flow({ pen, ratio }, items, room) {
  let [x, line] = [0, 0];
  return items.map((item) => {
    const width = pen.measureText(item.text).width + 30 * ratio;
    if (x > 0 && x + width - 14 * ratio > room) [x, line] = [0, line + 1];
    const placed = { ...item, x, line };
    x += width;
    return placed;
  });
}

/** @param {Canvas} canvas @param {string[]} heading @param {number} above lines that the headings take @param {ReturnType<typeof flow>} legend @param {number} left @param {Theme} theme */
function paintLegend(canvas, heading, above, legend, left, theme) {
  const { pen, ratio } = canvas;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  pen.fillStyle = theme.ink;
  pen.font = `600 ${12 * ratio}px ${theme.font}`;
  heading.forEach((words, line) => pen.fillText(words, left, (line + 0.5) * LINE * ratio));
  pen.font = `${12 * ratio}px ${theme.font}`;
  for (const { key, text, x, line } of legend) {
    const middle = (line + above + 0.5) * LINE * ratio;
    fill(canvas, theme, key, left + x, middle - 5 * ratio, 11 * ratio, 10 * ratio);
    pen.fillStyle = theme.ink;
    pen.fillText(text, left + x + 15 * ratio, middle);
  }
}

/** A bar in the colour and the hatching of its region. @param {Canvas} canvas @param {Theme} theme @param {typeof STACKED[number]["key"]} key @param {number} x @param {number} y @param {number} width @param {number} height */
function fill(canvas, theme, key, x, y, width, height) {
  const { pen, ratio } = canvas;
  pen.fillStyle = colourOf(theme, key);
  pen.fillRect(x, y, width, height);
  const slope = key === "held" ? "/" : key === "pulledBack" ? "\\" : null;
  if (!slope) return;
  pen.fillStyle = canvas.hatching(theme.panel, slope, Math.round(5 * ratio), 1.25 * ratio);
  pen.fillRect(x, y, width, height);
}

/** @param {Axes} axes @param {Box} box */
const across =
  ({ range: [from, to] }, { left, right }) =>
  (/** @type {number} */ logratio) =>
    left + ((logratio - from) / (to - from)) * (right - left);

/** Square roots, as in the panel Ratio histogram: few samples beside many stay visible. @param {Axes} axes @param {Box} box */
const upwards =
  ({ highest }, { top, bottom }) =>
  (/** @type {number} */ share) =>
    bottom - Math.sqrt(share / highest) * (bottom - top);

const TICKS = [1, 0.5, 2, 0.2, 5, 0.8, 1.25, 0.1, 10, 0.05, 20, 0.01, 100, 0.001, 1000]; // the most useful first
const SHARES = [0.01, 0.05, 0.2, 0.5, 1];

/** @param {Canvas} canvas @param {Axes} axes @param {Box} box @param {Theme} theme @param {string} after */
function paintAxes({ pen, ratio }, axes, box, theme, after) {
  const [x, y] = [across(axes, box), upwards(axes, box)];
  pen.lineWidth = ratio;
  pen.strokeStyle = theme.grid;
  pen.fillStyle = theme.inkSoft;
  pen.textAlign = "right";
  for (const share of SHARES.filter((share) => share <= axes.highest)) {
    line(pen, box.left, y(share), box.right, y(share));
    pen.fillText(`${100 * share}%`, box.left - 4 * ratio, y(share));
  }
  pen.textAlign = "center";
  /** @type {[number, number][]} */
  const taken = [];
  for (const r of TICKS) {
    const at = x(Math.log(r));
    const half = pen.measureText(String(r)).width / 2;
    const [from, to] = [at - half - 4 * ratio, at + half + 4 * ratio];
    if (at - half < box.left - 10 * ratio || at + half > box.right || taken.some(([low, high]) => from < high && to > low)) continue;
    taken.push([from, to]);
    line(pen, at, box.top, at, box.bottom);
    pen.fillText(String(r), at, box.bottom + 10 * ratio);
  }
  const whole = `r, ${after}`;
  const fits = pen.measureText(whole).width <= box.right - box.left;
  pen.fillText(fits ? whole : "r", (box.left + box.right) / 2, box.bottom + 27 * ratio);
  pen.save();
  pen.translate(box.left - 46 * ratio, (box.top + box.bottom) / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText("share, √ scale", 0, 0);
  pen.restore();
  pen.strokeStyle = theme.line;
  line(pen, box.left, box.bottom, box.right, box.bottom);
}

/** @param {CanvasRenderingContext2D} pen @param {...number} ends */
function line(pen, ...[x0, y0, x1, y1]) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

/** The clip range, where there is one. @param {Canvas} canvas @param {Outcome} outcome @param {Axes} axes @param {Box} box @param {Theme} theme */
function paintBand({ pen, ratio }, { clipRange }, axes, box, theme) {
  if (clipRange === null) return;
  const x = across(axes, box);
  const [low, high] = [1 - clipRange.clip_range, 1 + rise(clipRange)].map((edge) => Math.max(box.left, edge > 0 ? x(Math.log(edge)) : box.left));
  pen.fillStyle = fade(theme.clip, 0.08);
  pen.fillRect(low, box.top, high - low, box.bottom - box.top);
  pen.strokeStyle = theme.clip;
  pen.lineWidth = 1.5 * ratio;
  for (const edge of [low, high]) line(pen, edge, box.top, edge, box.bottom);
}

/**
 * @param {Canvas} canvas
 * @param {Outcome} outcome
 * @param {Axes} axes
 * @param {Box} box
 * @param {Theme} theme
 * @returns {number[]} the samples in the bars that were painted, per region
 */
function paintBars(canvas, outcome, axes, box, theme) {
  const [x, y] = [across(axes, box), upwards(axes, box)];
  const { bins, total } = outcome;
  const painted = bins.map(() => 0);
  for (let bin = 0; bin < bins[0].length; bin++) {
    const [left, right] = binOf(outcome, bin).map(x);
    let below = 0;
    STACKED.forEach(({ key }, region) => {
      const n = bins[region][bin];
      if (!n) return;
      const [bottom, top] = [y(below / total), y((below + n) / total)];
      fill(canvas, theme, key, left, top, Math.max(1, right - left - canvas.ratio / 2), bottom - top);
      painted[region] += n;
      below += n;
    });
  }
  return painted;
}

/** What lies outside of the widest bins is counted at its side. @param {Canvas} canvas @param {Outcome} outcome @param {Box} box @param {Theme} theme */
function paintOutside({ pen, ratio, element }, { which, outside }, box, theme) {
  const [below, above] = [0, 1].map((side) => sum(outside.map((region) => region[side])));
  const middle = (box.top + box.bottom) / 2;
  pen.fillStyle = theme.ink;
  pen.textAlign = "left";
  if (below) pen.fillText(`◂ ${count(below)} below`, box.left + 3 * ratio, middle);
  pen.textAlign = "right";
  if (above) pen.fillText(`${count(above)} above ▸`, box.right - 3 * ratio, middle);
  element.dataset[`${which}Outside`] = `${below} ${above}`;
}

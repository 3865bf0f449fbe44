// What a chart's size leaves room for: every axis gets its ticks, and the chart the margins that their labels need.

import { ticksIn } from "./axis.js";

/** @import { Measure, Ticks } from "./axis.js" */
/** @import { Range } from "./ranges.js" */

/**
 * @typedef {(range: Range, space: { length: number, measure: Measure }) => Ticks} Choose `length` of the axis and what a
 *   label takes along it, in CSS pixels
 *
 * @typedef {{ [name: string]: any }} Layout Plotly's, of sizes as they are without magnification. An axis may also say:
 *   kind (what its numbers are), choose (its ticks, by a function), first (those of its ticks that come first)
 *
 * @typedef {object} Fitted
 * @property {{ [axis: string]: Ticks }} ticks by the axis's name
 * @property {{ l: number, r: number, t: number, b: number }} margin
 * @property {{ [axis: string]: Range }} domains of those that give way to labels between two drawings
 */

const LINE = 16; // CSS pixels that a line of labels takes
const BETWEEN = 8; // two labels beside each other
const BESIDE = 5; // between labels and their axis
const TITLE = 22; // a title beside them
const CORNER = 12; // a label at the left end may reach so far under those of the y axis
const STEP = 4; // margins grow by so much: they shall not follow every digit
const AXIS = /^([xy])axis\d*$/;

/**
 * @param {Layout} layout
 * @param {number} width of the chart
 * @param {number} height
 * @param {Measure} measure
 * @returns {Fitted}
 */
export function fit(layout, width, height, measure) {
  const axes = Object.entries(layout).flatMap(([name, axis]) =>
    AXIS.test(name) && isLabelled(axis) ? [{ name, axis, domain: domainOf(axis) }] : [],
  );
  const upright = axes.filter(({ name }) => name.startsWith("y"));
  const level = axes.filter(({ name }) => name.startsWith("x"));
  const { margin } = layout;
  const high = Math.max(1, height - margin.t - margin.b);
  /** @type {Fitted["ticks"]} */
  const ticks = {};
  for (const { name, axis, domain } of upright) {
    const gap = gapAround(
      domain,
      upright.filter(({ axis: other }) => placeOf(layout, other) === placeOf(layout, axis)).map((other) => other.domain),
      high,
    );
    // Of what lies between two drawings above each other the upper one's lowest label, mostly its 0, has its part first.
    const room = { length: (domain[1] - domain[0]) * high, each: () => LINE, before: gap.before, after: Math.max(0, gap.after - LINE / 2) };
    ticks[name] =
      axis.choose?.(axis.range, { length: room.length, measure: () => LINE }) ??
      given(axis, room.length, () => LINE, 0) ??
      ticksIn(axis.range, room, axis.nticks, axis.kind);
  }
  const needed = (/** @type {{ name: string, axis: any }} */ { name, axis }) =>
    widest(ticks[name].ticktext, measure) + BESIDE + (axis.title?.text ? TITLE : 0);
  const beside = (/** @type {"left" | "right"} */ side) => Math.max(0, ...upright.filter(({ axis }) => placeOf(layout, axis) === side).map(needed));
  const fitted = { ...margin, l: Math.max(margin.l, rounded(beside("left"))), r: Math.max(margin.r, rounded(beside("right"))) };
  const wide = Math.max(1, width - fitted.l - fitted.r);
  const domains = apart(
    layout,
    upright.filter(({ axis }) => typeof placeOf(layout, axis) === "number"),
    (one) => needed(one) / wide,
  );
  for (const { name, axis } of level) {
    const domain = domains[name] ?? domainOf(axis);
    const gap = gapAround(
      domain,
      level.filter(({ axis: other }) => bottomOf(layout, other) === bottomOf(layout, axis)).map((other) => domains[other.name] ?? other.domain),
      wide,
      BETWEEN,
    );
    const room = {
      length: (domain[1] - domain[0]) * wide,
      each: measure,
      between: BETWEEN,
      before: Math.min(gap.before, CORNER),
      after: Math.min(gap.after, fitted.r),
    };
    ticks[name] =
      axis.choose?.(axis.range, { length: room.length, measure }) ??
      given(axis, room.length, measure, BETWEEN) ??
      ticksIn(axis.range, room, axis.nticks, axis.kind);
  }
  return { ticks, margin: fitted, domains };
}

/** @param {any} axis */
const isLabelled = (axis) => axis.range && axis.visible !== false && axis.showticklabels !== false;

/** @param {any} axis @returns {Range} */
const domainOf = (axis) => axis.domain ?? [0, 1];

/** @param {number} pixels */
const rounded = (pixels) => Math.ceil(pixels / STEP) * STEP;

/** The axis that another one is anchored to. @param {Layout} layout @param {any} axis @param {string} otherwise */
const anchorOf = (layout, axis, otherwise) => layout[(axis.anchor ?? otherwise).replace(/^([xy])/, "$1axis")] ?? {};

/** On which side of the chart the labels of a y axis stand; its own left where it stands between two drawings. @param {Layout} layout @param {any} axis */
function placeOf(layout, axis) {
  const [from, to] = domainOf(anchorOf(layout, axis, "x"));
  if (axis.side === "right") return to === 1 ? "right" : to;
  return from === 0 ? "left" : from;
}

/** How high above the bottom the labels of an x axis stand. @param {Layout} layout @param {any} axis */
const bottomOf = (layout, axis) => domainOf(anchorOf(layout, axis, "y"))[0];

/**
 * How much lies between an axis and its neighbours, or is its own where they share it.
 *
 * @param {Range} domain
 * @param {Range[]} others of the same row or column
 * @param {number} pixels of the whole
 * @param {number} between pixels that stay free where both sides share it; 0: each may have all of it
 */
function gapAround([from, to], others, pixels, between = 0) {
  const before = Math.max(-Infinity, ...others.map(([, end]) => end).filter((end) => end <= from));
  const after = Math.min(Infinity, ...others.map(([start]) => start).filter((start) => start >= to));
  const half = (/** @type {number} */ gap) => (between ? (gap * pixels - between) / 2 : gap * pixels);
  return { before: half(from - before), after: half(after - to) };
}

/**
 * Domains of x axes that make room for the labels of the y axes between them, half on either side.
 *
 * @param {Layout} layout
 * @param {{ name: string, axis: any }[]} inner y axes between two drawings
 * @param {(one: { name: string, axis: any }) => number} needed as a share of the width
 */
function apart(layout, inner, needed) {
  const level = Object.entries(layout).filter(([name]) => /^xaxis\d*$/.test(name));
  /** @type {{ [axis: string]: Range }} */
  const domains = {};
  for (const one of inner) {
    const from = domainOf(anchorOf(layout, one.axis, "x"))[0];
    const end = Math.max(0, ...level.map(([, axis]) => domainOf(axis)[1]).filter((to) => to <= from));
    const lack = needed(one) - (from - end);
    if (lack <= 0) continue;
    for (const [name, axis] of level) {
      const [own, to] = domainOf(axis);
      if (own === from) domains[name] = [own + lack / 2, to];
      if (to === end) domains[name] = [own, to - lack / 2];
    }
  }
  return domains;
}

/** @param {string[]} texts @param {Measure} measure */
const widest = (texts, measure) => Math.max(0, ...texts.map((text) => Math.max(...text.split("<br>").map(measure))));

/**
 * The ticks that an axis brings with it, without those that would lie on others.
 *
 * @param {any} axis
 * @param {number} length
 * @param {Measure} measure what a label takes along the axis
 * @param {number} between
 * @returns {Ticks | null} null: it brings none
 */
function given({ tickvals, ticktext, range, type, first = [] }, length, measure, between) {
  if (!tickvals || !ticktext) return null;
  const at = (/** @type {number} */ value) => (((type === "log" ? Math.log10(value) : value) - range[0]) / (range[1] - range[0])) * length;
  const labels = [...tickvals.keys()].map((index) => {
    const half = widest([String(ticktext[index])], measure) / 2;
    const middle = at(tickvals[index]);
    return { index, from: middle - half, to: middle + half, comesFirst: first.includes(tickvals[index]) };
  });
  /** @type {typeof labels} */
  const kept = [];
  for (const label of [...labels.filter(({ comesFirst }) => comesFirst), ...labels.filter(({ comesFirst }) => !comesFirst)]) {
    if (kept.every(({ from, to }) => label.to + between <= from || label.from - between >= to)) kept.push(label);
  }
  kept.sort((one, other) => one.index - other.index);
  return { tickvals: kept.map(({ index }) => tickvals[index]), ticktext: kept.map(({ index }) => ticktext[index]) };
}

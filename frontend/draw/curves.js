// From columns of numbers to the points of a curve.

import { count } from "../state/format.js";
import { powersIn, ticksIn } from "./axis.js";

/** @import { Note, SeriesView, Span, State } from "../types.js" */

const BUCKETS = 256;
/** Milliseconds between two drawings of curves over the whole run, while it goes on: an update more is less than a pixel of them. */
export const WHOLE_RUN_CALM = 100;

/** How many values one bucket holds. @param {number} length @param {number} buckets at most */
const bucketSize = (length, buckets) => 2 ** Math.max(0, Math.ceil(Math.log2(length / buckets)));

/**
 * What a long curve leaves out.
 *
 * @param {number} length of the whole curve
 * @param {string} unit of which there is a value each
 * @param {number} buckets as for `thin`
 * @returns {Note[]}
 */
export function thinning(length, unit, buckets = BUCKETS) {
  const size = bucketSize(length, buckets);
  if (size <= 2) return []; // of two, those are both
  return [{ short: "thinned", long: `Thinned: the curves pass through the lowest and the highest of every ${count(size)} ${unit}.` }];
}

/**
 * What curves over the updates leave out.
 *
 * @param {Pick<State, "series" | "zoom">} state
 * @param {number} buckets as for `thin`
 * @returns {Note[]}
 */
export function leftOut({ series, zoom }, buckets = BUCKETS) {
  const { forgone } = series;
  const gone = {
    short: "in part",
    long: `${count(forgone)} ${forgone === 1 ? "update is" : "updates are"} missing: the server does not keep them any more.`,
  };
  const { start, end } = series.rows(zoom);
  const zoomed = zoom && { short: "zoomed", long: `Only updates ${count(zoom.from)} to ${count(zoom.to)} are shown; Escape shows all.` };
  return [...(zoomed ? [zoomed] : []), ...thinning(end - start, "updates", buckets), ...(forgone ? [gone] : [])];
}

/** Changes of settings that are not marked. @param {Pick<State, "run">} state @returns {Note[]} */
export function unmarked({ run }) {
  const dropped = run?.changes_dropped ?? 0;
  return dropped ? [{ short: "not all changes", long: `The oldest ${count(dropped)} changes of settings are not marked.` }] : [];
}

/**
 * A long curve with fewer points that looks the same: the smallest and the largest value of each bucket, in the
 * order in which they came. Buckets hold a power of two, so that a curve does not shimmer as it grows. Where nothing
 * is known there is a gap.
 *
 * @param {ArrayLike<number>} x
 * @param {ArrayLike<number>} y
 * @param {number} buckets at most
 * @returns {{ x: number[], y: number[] }}
 */
export function thin(x, y, buckets = BUCKETS) {
  const size = bucketSize(y.length, buckets);
  const kept = { x: /** @type {number[]} */ ([]), y: /** @type {number[]} */ ([]) };
  /** @param {number} index */
  const keep = (index) => {
    kept.x.push(x[index]);
    kept.y.push(y[index]);
  };
  for (let start = 0; start < y.length; start += size) {
    const [first, second] = turns(y, start, Math.min(start + size, y.length));
    keep(first);
    if (second !== first) keep(second);
  }
  return kept;
}

/**
 * A column over updates, thinned as `thin` does; of a span, which may have one more point on either side, so that the
 * curve goes on to its edges. Buckets begin at multiples of their size: a curve does not shimmer as the span moves.
 *
 * @param {SeriesView} series
 * @param {string} name
 * @param {Span | null} span null: the whole run
 * @param {number} buckets at most, and one more where the span begins inside of one
 * @returns {{ x: number[], y: number[] }} x: updates
 */
export function overUpdates(series, name, span, buckets = BUCKETS) {
  const values = series.column(name);
  const x = values.length ? turnsOf(series, name, span, buckets) : [];
  return { x: x.map((row) => series.first + row), y: x.map((row) => values[row]) };
}

/** The rows that a thinned curve passes through. @param {SeriesView} series @param {string} name @param {Span | null} span @param {number} buckets */
function turnsOf(series, name, span, buckets) {
  const { start, end } = series.rows(span && { from: span.from - 1, to: span.to + 1 });
  const size = bucketSize(end - start, buckets);
  /** @type {number[]} */
  const rows = [];
  for (let at = start - (start % size); at < end; at += size) {
    const { low, high } = series.turns(name, at, Math.min(at + size, series.length));
    rows.push(Math.min(low, high));
    if (low !== high) rows.push(Math.max(low, high));
  }
  return rows;
}

/**
 * Where the smallest and the largest value of a stretch are, earlier one first; its start where all are NaN.
 *
 * @param {ArrayLike<number>} y
 * @param {number} start
 * @param {number} end
 */
function turns(y, start, end) {
  let low = start;
  let high = start;
  for (let index = start; index < end; index += 1) {
    if (!(y[index] >= y[low])) low = Number.isNaN(y[index]) ? low : index;
    if (!(y[index] <= y[high])) high = Number.isNaN(y[index]) ? high : index;
  }
  return low < high ? [low, high] : [high, low];
}

/**
 * A curve of steps, one around each value, for Plotly's line shape "hvh": a single value is visible, and nothing is
 * invented between two values.
 *
 * @param {{ x: number[], y: number[] }} curve
 */
export function stairs({ x, y }) {
  const last = x.length - 1;
  return last < 0 ? { x, y } : { x: [x[0] - 0.5, ...x, x[last] + 0.5], y: [y[0], ...y, y[last]] };
}

/**
 * The outline of a histogram, for the same line shape: its steps lie half-way between two centres.
 *
 * @param {ArrayLike<number>} heights
 * @param {number} low
 * @param {number} high
 */
export function outline(heights, low, high) {
  const width = (high - low) / heights.length;
  const x = [low - width / 2];
  const y = [0];
  for (let bin = 0; bin < heights.length; bin += 1) {
    x.push(low + (bin + 0.5) * width);
    y.push(heights[bin]);
  }
  x.push(high + width / 2);
  y.push(0);
  return { x, y };
}

/**
 * How far from 0 the values of a histogram over [−limit, limit] reach.
 *
 * @param {ArrayLike<number>} heights
 * @param {number} limit
 */
export function reach(heights, limit) {
  const width = (2 * limit) / heights.length;
  let farthest = 0;
  for (let bin = 0; bin < heights.length; bin += 1) {
    const left = bin * width - limit;
    if (heights[bin] > 0) farthest = Math.max(farthest, Math.abs(left), Math.abs(left + width));
  }
  return farthest;
}

const POWER = 20; // CSS pixels between two powers of ten
const BEND = 0.01; // around 0 the scale is linear; from about here on it is logarithmic

/** A scale for quantities with a sign that differ by orders of magnitude. */
export const signedLog = {
  /** @param {number} value */
  to: (value) => Math.sign(value) * Math.log10(1 + Math.abs(value) / BEND),

  /** @param {number} at on the scale */
  from: (at) => Math.sign(at) * BEND * (10 ** Math.abs(at) - 1),

  /**
   * Powers of ten inside a range of the scale, from 0 outwards, far enough apart to be read; round values where all of
   * it lies in the linear part.
   *
   * @param {readonly [number, number]} range
   * @param {{ length: number }} space CSS pixels
   */
  ticks([low, high], { length }) {
    const most = Math.max(2, length / POWER);
    const powers = powersIn([low, high], signedLog.to, most, -2);
    if (powers.tickvals.length > 1) return powers;
    const { tickvals, ticktext } = ticksIn([signedLog.from(low), signedLog.from(high)], { length: most, each: () => 1 }, most);
    return { tickvals: tickvals.map(signedLog.to), ticktext };
  },
};

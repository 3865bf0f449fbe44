// From columns of numbers to the points of a curve.

const BUCKETS = 256;

/**
 * A long curve with fewer points that looks the same: the smallest and the largest value of each bucket, in the
 * order in which they came. Buckets hold a power of two, so that a curve does not shimmer as it grows. Where nothing
 * is known there is a gap.
 *
 * @param {ArrayLike<number>} x
 * @param {ArrayLike<number>} y
 * @returns {{ x: number[], y: number[] }}
 */
export function thin(x, y) {
  const size = 2 ** Math.max(0, Math.ceil(Math.log2(y.length / BUCKETS)));
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
 * A curve of `width` wide steps, one centred on each x: a single value is visible, and nothing is invented between
 * two values.
 *
 * @param {{ x: number[], y: number[] }} curve
 * @param {number} width
 */
export function stairs({ x, y }, width = 1) {
  const points = { x: /** @type {number[]} */ ([]), y: /** @type {number[]} */ ([]) };
  for (let index = 0; index < x.length; index += 1) {
    points.x.push(x[index] - width / 2, x[index] + width / 2);
    points.y.push(y[index], y[index]);
  }
  return points;
}

/**
 * The outline of a histogram: for use with Plotly's line shape "hvh", whose steps lie half-way between two centres.
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

const BEND = 0.01; // around 0 the scale is linear; from about here on it is logarithmic

/** A scale for quantities with a sign that differ by orders of magnitude. */
export const signedLog = {
  /** @param {number} value */
  to: (value) => Math.sign(value) * Math.log10(1 + Math.abs(value) / BEND),

  /**
   * Round values inside a range of the scale, at most about `most`.
   *
   * @param {readonly [number, number]} range
   * @param {number} most
   */
  ticks([low, high], most = 7) {
    const powers = Array.from({ length: 12 }, (_, index) => BEND * 10 ** index);
    const all = [...powers.map((value) => -value).reverse(), 0, ...powers];
    const inside = all.filter((value) => signedLog.to(value) >= low && signedLog.to(value) <= high);
    const every = Math.ceil(inside.length / most);
    const zero = inside.indexOf(0);
    return inside.filter((_, index) => (index - Math.max(zero, 0)) % every === 0);
  },
};

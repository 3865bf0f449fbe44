// The bins of a histogram of r: made alike where two lie side by side, and one bar where every r is 1.

import { FIRST_RATIO_LIMIT } from "./constants.js";

/**
 * @typedef {object} Bins equal in log r
 * @property {number} limit they cover log r from −limit to limit
 * @property {number[][]} bins counts, a list per region
 */

/** @param {number} n @param {() => number} make */
const list = (n, make) => Array.from({ length: n }, make);

/**
 * The same samples in as many bins that reach farther; neighbours are merged. Limits are a power of two apart, so that no
 * sample changes sides.
 *
 * @template {Bins} T
 * @param {T} histogram
 * @param {number} limit at least as large
 * @returns {T}
 */
export function widened(histogram, limit) {
  if (limit === histogram.limit) return histogram;
  const bins = histogram.bins.map((row) => {
    const wide = list(row.length, () => 0);
    row.forEach((n, bin) => {
      const middle = (((bin + 0.5) / row.length) * 2 - 1) * histogram.limit;
      wide[Math.floor(((middle / limit + 1) / 2) * row.length)] += n;
    });
    return wide;
  });
  return { ...histogram, limit, bins };
}

/** The same bins for all. @template {Bins} T @param {T[]} histograms @returns {T[]} */
export function alike(histograms) {
  const widest = Math.max(...histograms.map(({ limit }) => limit));
  return histograms.map((one) => widened(one, widest));
}

/**
 * Where every r is 1, bins with an edge at 1 would show two bars, by the last bit of each sample: there, bins that have
 * their middle at 1.
 *
 * @template {Bins} T
 * @param {T} histogram with an even number of bins
 * @param {readonly (number | null)[]} extremes smallest and largest r; null where no minibatch has computed any: r is 1
 * @param {number | null} tolerance how far from 1 rounding may take r
 * @returns {T}
 */
export function centred(histogram, extremes, tolerance) {
  const limit = tolerance ?? FIRST_RATIO_LIMIT; // the trainer says more where actions have many components
  if (extremes.some((r) => r !== null && Math.abs(r - 1) > limit)) return histogram;
  const size = histogram.bins[0].length;
  const middle = size / 2;
  const rest = histogram.bins.some((row) => row.some((n, bin) => n > 0 && bin !== middle && bin !== middle - 1));
  if (rest) return histogram;
  const bins = histogram.bins.map((row) => list(size + 1, () => 0).map((_, bin) => (bin === middle ? row[middle - 1] + row[middle] : 0)));
  return { ...histogram, limit: histogram.limit * (1 + 1 / size), bins };
}

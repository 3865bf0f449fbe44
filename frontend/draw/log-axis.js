// A logarithmic axis of a chart beside linear ones: values are drawn by their power of ten.

import { number } from "../state/format.js";

/** @import { Range } from "./ranges.js" */

const APART = 18; // CSS pixels between two labels

/** @param {number} value greater than 0; otherwise there is a gap */
export const powerOf = (value) => (value > 0 ? Math.log10(value) : NaN);

/** Round values inside a range of powers: 1, 2, 5, 10, …, or only powers of ten where there is no room. @param {Range} range @param {{ length: number }} space */
export function logTicks([low, high], { length }) {
  const most = Math.max(2, length / APART);
  for (const digits of [[1, 2, 5], [1]]) {
    for (let every = 1; every <= 16; every *= 2) {
      const powers = Array.from({ length: Math.floor(high) - Math.floor(low) + 1 }, (_, at) => Math.floor(low) + at).filter(
        (power) => power % every === 0,
      );
      const values = powers
        .flatMap((power) => digits.map((digit) => digit * 10 ** power))
        .filter((value) => powerOf(value) >= low && powerOf(value) <= high);
      if (values.length <= most && values.length > 0) return { tickvals: values.map(powerOf), ticktext: values.map((value) => number(value)) };
      if (digits.length > 1) break; // rather fewer digits than missing decades
    }
  }
  return { tickvals: [], ticktext: [] };
}

// Words above a plot, each at a place of the axis across: none lies on the curves, on another one, on the numbers of
// the axis up, or beyond the chart.

import { sizeOf } from "./markup.js";
import { rightwards } from "./places.js";

/** @import { Attributes } from "./chart.js" */
/** @import { Axis } from "./places.js" */

/**
 * @typedef {object} Flag
 * @property {number} x
 * @property {string[]} texts the first that has room is taken
 * @property {string} [color]
 * @property {"left" | "right"} [side] of its place; default: the right one, if there is room
 * @property {boolean} [stands] something else writes it there: it only takes its room
 */

const GAP = 3; // between a place and its words
const BETWEEN = 2 * GAP; // two flags
/** @type {("right" | "left")[]} */
const SIDES = ["right", "left"];

/**
 * Those that have room, as annotations by Plotly's names.
 *
 * @param {Flag[]} flags the weightiest first
 * @param {Axis} axis
 * @param {number} width of the chart, in CSS pixels
 * @param {{ family: string, size: number }} font
 * @returns {Attributes[]}
 */
export function flagged(flags, axis, width, font) {
  const across = rightwards(axis);
  /** @type {{ from: number, to: number }[]} */
  const taken = [];
  return flags.flatMap(({ x, texts, color, side, stands = false }) => {
    const at = axis.offset + across(x);
    for (const text of at < axis.offset - 0.5 || at > axis.offset + axis.length + 0.5 ? [] : texts) {
      const wide = GAP + sizeOf(text, font).width;
      for (const way of side ? [side] : SIDES) {
        const [from, to] = way === "right" ? [at + GAP, at + wide] : [at - wide, at - GAP];
        const fits = from >= axis.offset && to <= width && taken.every((other) => to + BETWEEN <= other.from || from - BETWEEN >= other.to);
        if (!fits && !stands) continue;
        taken.push({ from, to });
        if (stands) return [];
        const place = way === "right" ? { xanchor: "left", xshift: GAP - 1 } : { xanchor: "right", xshift: 1 - GAP };
        return [{ showarrow: false, x, ...place, yref: "paper", y: 1, yanchor: "bottom", borderpad: 0, text, font: { size: font.size, color } }];
      }
    }
    return [];
  });
}

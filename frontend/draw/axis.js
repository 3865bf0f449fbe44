// The ticks of an axis: round values, as many as have room, each a whole number with its sign and its power of ten,
// whatever the size of what is drawn.

import { grouped, powerOfTen, withMinus } from "../state/format.js";
import { roundUp } from "./ranges.js";

/** @import { Range } from "./ranges.js" */

/** @typedef {"number" | "count" | "share"} Kind count: whole numbers, written out; share: in per cent */
/** @typedef {(text: string) => number} Measure CSS pixels that a text takes */

/**
 * @typedef {object} Room in CSS pixels
 * @property {number} length of the axis
 * @property {(text: string) => number} each what a label takes along the axis
 * @property {number} [between] two labels
 * @property {number} [before] room for the half of a label that reaches beyond the axis's beginning
 * @property {number} [after] and beyond its end
 *
 * @typedef {{ tickvals: number[], ticktext: string[] }} Ticks by Plotly's names
 */

const PLAIN = /** @type {const} */ ([1e-3, 1e5]); // sizes between these read well without a power of ten
const COUNTED = 1e9; // up to here counts are written out
const DIGITS = 12; // of a double, that no sum of steps spoils

/**
 * Round values inside a range, the finest that have room.
 *
 * @param {Range} range
 * @param {Room} room
 * @param {number} most
 * @param {Kind} kind
 * @returns {Ticks} one tick, or none, where there is no room for two
 */
export function ticksIn([low, high], { length, each, between = 0, before = Infinity, after = Infinity }, most = 6, kind = "number") {
  const width = high - low;
  if (!(width > 0) || !Number.isFinite(width)) return { tickvals: [], ticktext: [] };
  const pixels = length / width;
  /** @param {number} step */
  const at = (step) => {
    const values = multiples(low, high, step);
    const texts = tickTexts(values, step, kind);
    const sizes = texts.map(each);
    const room = Math.max(0, ...sizes) + between;
    const fits = values.map((value, at) => (value - low) * pixels >= sizes[at] / 2 - before && (high - value) * pixels >= sizes[at] / 2 - after);
    return {
      crowded: values.length > 1 && step * pixels < room,
      room,
      tickvals: values.filter((_, at) => fits[at]),
      ticktext: texts.filter((_, at) => fits[at]),
    };
  };
  let step = roundUp(width / Math.max(1, most));
  if (kind === "count") step = Math.max(1, step);
  let found = at(step);
  while (found.crowded) found = at((step = roundUp(step * 1.5)));
  if (found.tickvals.length > 1) return pick(found, found.tickvals.keys());
  // The labels at the ends had no room: two that stand farther inside say more than one.
  for (const finer of [roundUp(step / 2.6), roundUp(step / 5.1)]) {
    const inside = at(kind === "count" ? Math.max(1, Math.round(finer)) : finer);
    const last = inside.tickvals.length - 1;
    if (last > 0 && (inside.tickvals[last] - inside.tickvals[0]) * pixels >= inside.room) return pick(inside, [0, last]);
  }
  return pick(found, found.tickvals.keys());
}

/** @param {Ticks} ticks @param {Iterable<number>} places @returns {Ticks} */
function pick({ tickvals, ticktext }, places) {
  const chosen = [...places];
  return { tickvals: chosen.map((at) => tickvals[at]), ticktext: chosen.map((at) => ticktext[at]) };
}

/** @param {number} low @param {number} high @param {number} step */
function multiples(low, high, step) {
  const slack = 1e-9 * (high - low);
  const first = Math.ceil((low - slack) / step);
  const last = Math.floor((high + slack) / step);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => rounded((first + at) * step));
}

/** @param {number} value */
const rounded = (value) => Number(value.toPrecision(DIGITS)) || 0; // no −0 either

/**
 * Labels in one style: all plain, or all with the same power of ten, whichever is shorter where both read well.
 *
 * @param {number[]} values multiples of the step
 * @param {number} step
 * @param {Kind} kind
 * @returns {string[]}
 */
export function tickTexts(values, step, kind = "number") {
  if (kind === "share")
    return tickTexts(
      values.map((value) => rounded(100 * value)),
      100 * step,
    ).map((text) => `${text}%`);
  const largest = Math.max(...values.map(Math.abs), step);
  const plain = values.map((value) => (value === 0 ? "0" : grouped(value, decimals(step))));
  if (kind === "count" && largest < COUNTED) return plain;
  if (largest >= PLAIN[0] && largest < PLAIN[1] && step >= 1e-5) return plain;
  const exponent = Math.floor(Math.log10(largest) + 1e-9);
  const places = decimals(step / 10 ** exponent);
  const powers = values.map((value) => (value === 0 ? "0" : `${withMinus((value / 10 ** exponent).toFixed(places))}×${powerOfTen(exponent)}`));
  return longest(powers) < longest(plain) ? powers : plain;
}

/** @param {string[]} texts */
const longest = (texts) => Math.max(...texts.map(({ length }) => length));

/** How many decimals a multiple of the step needs. @param {number} step */
function decimals(step) {
  return (
    Array.from({ length: 15 }, (_, places) => places).find(
      (places) => Math.abs(step * 10 ** places - Math.round(step * 10 ** places)) < 1e-6 * step * 10 ** places,
    ) ?? 15
  );
}

/**
 * Labels of a logarithmic axis: 0 and the powers of ten that have room, outwards, on one side of 0 or both.
 *
 * @param {Range} range on the scale
 * @param {(value: number) => number} to from a value to the scale
 * @param {number} most
 * @param {number} smallest power of ten that the scale can tell from 0
 * @returns {Ticks} tickvals on the scale
 */
export function powersIn([low, high], to, most, smallest) {
  const distance = (high - low) / Math.max(1, most);
  /** @type {{ at: number, text: string }[]} */
  const found = low <= 0 && high >= 0 ? [{ at: 0, text: "0" }] : [];
  for (const sign of [1, -1]) {
    let last = 0;
    for (let power = smallest; power < 300; power++) {
      const at = to(sign * 10 ** power);
      if (Math.abs(at) > Math.max(Math.abs(low), Math.abs(high))) break;
      if (at < low || at > high || Math.abs(at - last) < distance) continue;
      found.push({ at, text: (sign < 0 ? "−" : "") + (power >= -3 && power <= 4 ? grouped(10 ** power, Math.max(0, -power)) : powerOfTen(power)) });
      last = at;
    }
  }
  return { tickvals: found.map(({ at }) => at), ticktext: found.map(({ text }) => text) };
}

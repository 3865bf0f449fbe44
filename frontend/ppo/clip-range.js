// Where the clip holds r: between which two numbers it may move freely, and beyond which it counts no further.

import { SMALLEST_CLIP_RANGE } from "./constants.js";

/** @import { SettingValue, SettingValues } from "../types.js" */

/**
 * By the names of the settings: ε, ε⁺, which is ε where it is off, and c.
 *
 * @typedef {{ clip_range: number, clip_range_high: number | null, ratio_cap: number | null }} ClipRange
 */
/** @typedef {readonly [number, number, number]} Edges 1 − ε, 1 + ε⁺, and c, which holds where Â < 0 */

/** The settings of which it is made. */
export const CLIP = /** @type {const} */ (["clip_range", "clip_range_high", "ratio_cap"]);

/** @param {SettingValues} settings @returns {ClipRange | null} null where they say none */
export function rangeOf({ clip_range, clip_range_high, ratio_cap }) {
  const orNone = (/** @type {SettingValue | undefined} */ value) => (typeof value === "number" ? value : null);
  return typeof clip_range === "number" ? { clip_range, clip_range_high: orNone(clip_range_high), ratio_cap: orNone(ratio_cap) } : null;
}

/** How far r may rise. @param {ClipRange} range */
export const rise = ({ clip_range, clip_range_high }) => clip_range_high ?? clip_range;

/** As they are in single precision, which the trainer computes in. @param {ClipRange} range @returns {Edges} */
export function edgesOf(range) {
  const [below, above] = [range.clip_range, rise(range)].map((one) => Math.max(one, SMALLEST_CLIP_RANGE));
  return [Math.fround(1 - below), Math.fround(1 + above), Math.fround(range.ratio_cap ?? Infinity)];
}

/** What is added to 1 at the upper edge. @param {ClipRange} range */
export const upperSymbol = ({ clip_range_high }) => (clip_range_high === null ? "ε" : "ε⁺");

/** @param {ClipRange} one @param {ClipRange} other */
export const isSameRange = (one, other) => CLIP.every((name) => one[name] === other[name]);

/** "1 ± ε" in numbers, or where the two differ "1 − ε to 1 + ε⁺". @param {ClipRange | null} range @param {(value: number) => string} text */
export function rangeInWords(range, text) {
  if (range === null) return "the clip range";
  return range.clip_range_high === null ? `1 ± ${text(range.clip_range)}` : `${text(1 - range.clip_range)} to ${text(1 + range.clip_range_high)}`;
}

// The regions of a sample: one table for every panel that colours by them.

import { REGION } from "../wire.js";

/** @import { Theme } from "../types.js" */

/**
 * @typedef {object} Region
 * @property {number} code as in the array `region`
 * @property {"notTrained" | "inside" | "held" | "pulledBack" | "unheld" | "unknown"} key
 * @property {string} word
 * @property {string} meaning what becomes of the sample's policy gradient
 */

/** @type {readonly Region[]} */
export const REGIONS = [
  { code: REGION.NOT_TRAINED, key: "notTrained", word: "not trained", meaning: "no transition: the environment was being reset, or it is padding" },
  { code: REGION.INSIDE, key: "inside", word: "inside", meaning: "its policy gradient flows" },
  { code: REGION.HELD, key: "held", word: "held", meaning: "the clip has set its policy gradient to zero" },
  { code: REGION.PULLED_BACK, key: "pulledBack", word: "pulled back", meaning: "outside of the clip range, but its gradient flows at full size" },
  { code: REGION.UNHELD, key: "unheld", word: "not held", meaning: "a clip would hold it, but this objective has none: its gradient flows" },
  {
    code: REGION.UNKNOWN,
    key: "unknown",
    word: "unused",
    meaning: "outside of the clip range, and no minibatch of this update has used its advantage",
  },
];

const byCode = new Map(REGIONS.map((region) => [region.code, region]));

/** The regions that a histogram of r stacks, from the bottom. */
export const STACKED = REGIONS.slice(1);

/** @param {number} code @throws {RangeError} no region has that code */
export function regionOf(code) {
  const region = byCode.get(code);
  if (!region) throw new RangeError(`no region has the code ${code}`);
  return region;
}

/** @param {Theme} theme @param {Region["key"]} key */
export const colourOf = (theme, key) =>
  // What is not held has the colour of what would be, and lacks its hatching.
  key === "unknown" ? theme.line : key === "unheld" ? theme.held : theme[key];

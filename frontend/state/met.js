// What a step was to go on until: in a sentence, once it has come.

import { number, percent, returned } from "./format.js";
import { MEAN } from "./scope.js";

/** @import { Met, Quantity, State } from "../types.js" */

/** Name, sign and scope of each quantity, as the choice of the condition has them. @type {Record<Quantity, [name: string, sign: string, scope: string]>} */
const WORDS = {
  episodic_return_mean: ["return", "≥", "mean of the last 100 episodes"],
  kl_k3: ["KL (k3)", ">", MEAN],
  clip_fraction: ["clip fraction", ">", MEAN],
  not_finite: ["something", "is", "not finite"],
};

/** How a value of each is written elsewhere. @type {Record<Quantity, (value: number) => string>} */
const WRITTEN = { episodic_return_mean: returned, kl_k3: number, clip_fraction: percent, not_finite: number };

const IN_PERCENT = "clip_fraction";
const MOST_DIGITS = 15;

/** In so many digits. @param {Quantity} quantity @param {number} value @param {number} digits */
const precisely = (quantity, value, digits) => (quantity === IN_PERCENT ? `${number(100 * value, digits)}\u00a0%` : number(value, digits));

/** The number that a reader takes it for; NaN: with a power of ten in it. @param {string} text */
const readAs = (text) => Number(text.replace("−", "-").replaceAll(",", "").replace("\u00a0%", ""));

/** What was typed in, whole. @param {Quantity} quantity @param {number} value */
function typed(quantity, value) {
  const usual = quantity === IN_PERCENT ? percent(value) : number(value);
  const exact = precisely(quantity, value, MOST_DIGITS - 3);
  return readAs(usual) === readAs(exact) ? usual : exact;
}

/** What was found, in as many digits as it takes to stand on its side of the condition. @param {Met} met */
function found({ quantity, above, value }) {
  const limit = readAs(typed(quantity, above));
  const contradicts = (/** @type {string} */ text) => (WORDS[quantity][1] === "≥" ? readAs(text) < limit : readAs(text) <= limit);
  let text = WRITTEN[quantity](value);
  for (let digits = 4; digits <= MOST_DIGITS && contradicts(text); digits += 1) text = precisely(quantity, value, digits);
  return text;
}

/** @param {Met} met */
export function metInWords(met) {
  if (met.quantity === "not_finite") return `something was not finite at update ${met.update}.`;
  const [name, sign, scope] = WORDS[met.quantity];
  return `${name} ${sign} ${typed(met.quantity, met.above)} was met at update ${met.update}: ${found(met)}, ${scope}.`;
}

/** Of the moment at hand; null where nothing was waited for. @param {Pick<State, "status" | "past">} state */
export const metNow = ({ status, past }) => (status?.state === "paused" && status.met && past === null ? metInWords(status.met) : null);

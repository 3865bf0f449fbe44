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

/** What was typed in. @param {Quantity} quantity @param {number} value */
const typed = (quantity, value) => (quantity === "clip_fraction" ? percent(value) : number(value));

/** @param {Met} met */
export function metInWords({ quantity, above, value, update }) {
  const [name, sign, scope] = WORDS[quantity];
  return `${name} ${sign} ${typed(quantity, above)} was met at update ${update}: ${WRITTEN[quantity](value)}, ${scope}.`;
}

/** Of the moment at hand; null where nothing was waited for. @param {Pick<State, "status" | "past">} state */
export const metNow = ({ status, past }) => (status?.state === "paused" && status.met && past === null ? metInWords(status.met) : null);

// Whether β·KL is a term of the loss beside L_PG: a loop that keeps near a reference policy, or near π_old, has it.

/** @import { SnapshotHeader } from "../types.js" */

/**
 * @typedef {object} Price
 * @property {string} name "reference", or what kl_estimate calls it
 * @property {string} symbol "β·KL", or "β·k3" where it is known by which estimate
 * @property {string} what the KL is, in words
 * @property {string} to whom the policy is kept near
 * @property {((r: number) => number) | null} of what a sample pays, without β, by its r; null: r does not tell it
 */

const REFERENCE = { name: "reference", symbol: "β·KL", what: "KL to the reference policy", to: "the reference policy", of: null };
const OLD = "π_old";

/** Of KL(π_old‖π_θ): see docs/metrics.md. @type {Record<string, [words: string, of: (r: number) => number]>} */
const ESTIMATES = {
  k1: ["−log r", (r) => -Math.log(r)],
  k2: ["(log r)² ⁄ 2", (r) => Math.log(r) ** 2 / 2],
  k3: ["r − 1 − log r", (r) => r - 1 - Math.log(r)],
};

/** Of the distributions, and not of a sample's r; the first where both directions come to the same. @type {Record<string, string>} */
const EXACT = { kl: "KL to π_old", kl_forward: "KL(π_old‖π_θ)", kl_reverse: "KL(π_θ‖π_old)" };

/** Under kl_penalty, β·KL is the KL to π_old and a part of L_PG. @param {SnapshotHeader} header */
export function isPriced({ settings, scalars }) {
  return settings.objective !== "kl_penalty" && typeof scalars.penalty === "number";
}

/** What the term is. @param {Pick<SnapshotHeader, "settings">} header @returns {Price} */
export function priceOf({ settings }) {
  const name = String(settings.kl_estimate ?? "");
  if (name in EXACT) return { name, symbol: "β·KL", what: `the exact ${EXACT[name]}, of all probabilities in each state`, to: OLD, of: null };
  if (!(name in ESTIMATES)) return REFERENCE;
  const [words, of] = ESTIMATES[name];
  return { name, symbol: `β·${name}`, what: `${name}, the mean of ${words}, which estimates KL(π_old‖π_θ)`, to: OLD, of };
}

/** Whether it is to a reference policy, and not to π_old. @param {Price} price */
export const isToReference = ({ name }) => name === REFERENCE.name;

// Whether β·KL is a term of the loss beside L_PG: a loop that keeps near a reference policy, or near π_old, has it.

/** @import { SnapshotHeader } from "../types.js" */

/**
 * @typedef {object} Price
 * @property {string} symbol "β·KL", or "β·k3" where it is known by which estimate
 * @property {string} what the KL is, in words
 * @property {string} to whom the policy is kept near
 * @property {((r: number) => number) | null} of what a sample pays, without β, by its r; null: r does not tell it
 */

const REFERENCE = { symbol: "β·KL", what: "KL to the reference policy", to: "the reference policy", of: null };

/** Of KL(π_old‖π_θ): see docs/metrics.md. @type {Record<string, [words: string, of: (r: number) => number]>} */
const ESTIMATES = {
  k1: ["−log r", (r) => -Math.log(r)],
  k2: ["(log r)² ⁄ 2", (r) => Math.log(r) ** 2 / 2],
  k3: ["r − 1 − log r", (r) => r - 1 - Math.log(r)],
};

/** Under kl_penalty, β·KL is the KL to π_old and a part of L_PG. @param {SnapshotHeader} header */
export function isPriced({ settings, scalars }) {
  return settings.objective !== "kl_penalty" && typeof scalars.penalty === "number";
}

/** What the term is. @param {Pick<SnapshotHeader, "settings">} header @returns {Price} */
export function priceOf({ settings }) {
  const name = String(settings.kl_estimate ?? "");
  if (!(name in ESTIMATES)) return REFERENCE;
  const [words, of] = ESTIMATES[name];
  return { symbol: `β·${name}`, what: `${name}, the mean of ${words}, which estimates KL(π_old‖π_θ)`, to: "π_old", of };
}

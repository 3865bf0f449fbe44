// How β and α follow the KL: the rules of backend/ppo_scope/ppo/leashes.py.

import { KL_COEF_BOUNDS, KL_COEF_FACTOR, KL_COEF_MARGIN, KL_MARGIN, RATE_MARGIN } from "./constants.js";

/** @import { State } from "../types.js" */

/** @param {number} target of β @returns {[number, number]} the KLs of an update between which β stays */
export const bandOf = (target) => [target / KL_COEF_MARGIN, KL_COEF_MARGIN * target];

/** @param {number} desired of α @returns {[number, number]} the KLs of a minibatch between which α stays */
export const rateBandOf = (desired) => [desired / RATE_MARGIN, RATE_MARGIN * desired];

/**
 * What is to become of β after an update.
 *
 * @param {number} kl of the update: exact, over its rollout, after the last step
 * @param {number} target
 * @returns {"doubled" | "halved" | "kept"}
 */
export function fateOf(kl, target) {
  const [low, high] = bandOf(target);
  return kl > high ? "doubled" : kl < low ? "halved" : "kept";
}

/** β of the next update; beyond its bounds it goes no further. @param {number} beta @param {number} kl @param {number} target */
export function nextBeta(beta, kl, target) {
  const [low, high] = KL_COEF_BOUNDS;
  const fate = fateOf(kl, target);
  if (fate === "doubled") return Math.min(Math.max(beta, low / KL_COEF_FACTOR) * KL_COEF_FACTOR, Math.max(high, beta));
  return fate === "halved" ? Math.max(beta / KL_COEF_FACTOR, Math.min(low, beta)) : beta;
}

/**
 * Why the learning rate is what it is, by how many steps of an update a KL has moved it before.
 *
 * @param {{ raised: number, lowered: number, pinned: number }} steps
 */
export function whyRate({ raised, lowered, pinned }) {
  const parts = [raised ? `raised ${raised}×` : "", lowered ? `lowered ${lowered}×` : "", pinned ? `held by its bound ${pinned}×` : ""];
  return parts.filter(Boolean).join(", ") || "kept";
}

/** How many times its target the KL of a minibatch may be before the epochs of an update end; null: nobody knows. @param {State["run"]} run */
export const klMarginOf = (run) => (run?.attached ? (run.attached.kl_margin ?? null) : KL_MARGIN);

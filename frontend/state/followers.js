// Coefficients that follow the KL, in the update on show: β of the KL penalty, and a learning rate that has a desired KL.

import { bandOf, fateOf, nextBeta, rateBandOf, whyRate } from "../ppo/adaptation.js";
import { number, settingText } from "./format.js";
import { isPenalised, scalar, setting } from "./snapshot.js";

/** @import { Snapshot } from "../types.js" */

/**
 * @typedef {object} Follower
 * @property {"kl_coef" | "learning_rate"} column of the series
 * @property {[number, number]} band of the KL within which it stays
 * @property {string} told what it is, and why it changes
 */

/** @param {Snapshot} snapshot @returns {Follower | null} */
export function betaOf(snapshot) {
  const [beta, target] = [setting(snapshot, "kl_coef"), setting(snapshot, "kl_coef_target")];
  if (!isPenalised(snapshot) || beta === null || target === null) return null;
  return { column: "kl_coef", band: bandOf(target), told: ofBeta(beta, target, scalar(snapshot, "final_kl_exact")) };
}

/** @param {number} beta @param {number} target @param {number | null} kl of the update, once it is over */
function ofBeta(beta, target, kl) {
  const now = settingText(beta);
  if (kl === null) return now;
  const [low, high] = bandOf(target).map((edge) => number(edge));
  const fate = fateOf(kl, target);
  if (fate === "kept") return `${now}, kept: KL ${number(kl)} is within ${low}…${high}`;
  const next = nextBeta(beta, kl, target);
  const why = fate === "doubled" ? `above ${high}` : `below ${low}`;
  return next === beta ? `${now}, at its bound: KL ${number(kl)} is ${why}` : `${now} → ${settingText(next)}: KL ${number(kl)} is ${why}`;
}

/** @param {Snapshot} snapshot @returns {Follower | null} */
export function rateOf(snapshot) {
  const desired = setting(snapshot, "desired_kl");
  if (desired === null) return null;
  const rate = scalar(snapshot, "learning_rate");
  const times = (/** @type {string} */ what) => scalar(snapshot, `learning_rate_${what}`) ?? 0;
  const why = whyRate({ raised: times("raised"), lowered: times("lowered"), pinned: times("pinned") });
  return { column: "learning_rate", band: rateBandOf(desired), told: rate === null ? "" : `${number(rate)}, ${why}` };
}

// Which settings act at all under those that are chosen: one that does not says why.

/** @import { SettingValue } from "../types.js" */

/** @typedef {(name: string) => SettingValue | undefined} Chosen what the next update is made with */

const NO_CLIP = "Nothing is clipped under the objective “kl penalty”.";
const BETA = "β acts only under the objective “kl penalty”.";
const RATE = "Acts only where “desired KL” is on.";

/** @type {Record<string, (chosen: Chosen, apart: boolean) => string | null>} */
const REASONS = {
  clip_range_high: (chosen) => (chosen("objective") === "kl_penalty" ? NO_CLIP : null),
  ratio_cap: (chosen) => (chosen("objective") === "clip" ? null : "c acts only under the objective “clip”."),
  kl_coef: (chosen, apart) => (apart || chosen("objective") === "kl_penalty" ? null : BETA),
  kl_coef_target: (chosen) => (chosen("objective") === "kl_penalty" ? null : BETA),
  learning_rate_min: (chosen) => (chosen("desired_kl") ? null : RATE),
  learning_rate_max: (chosen) => (chosen("desired_kl") ? null : RATE),
  anneal_learning_rate: (chosen) => (chosen("desired_kl") ? "α follows the KL where “desired KL” is on." : null),
};

/**
 * Why a setting changes nothing; null where it does something.
 *
 * @param {string} name
 * @param {Chosen} chosen
 * @param {boolean} apart whether β weighs the KL to a reference policy, beside the clip
 */
export const whyIdle = (name, chosen, apart) => REASONS[name]?.(chosen, apart) ?? null;

/** β and ε are one leash or the other: they have one place, and which of the two is not in it. @param {Chosen} chosen @param {boolean} apart see above */
export const outOfPlace = (chosen, apart) => (apart ? null : chosen("objective") === "kl_penalty" ? "clip_range" : "kl_coef");

/** What can be previewed, in a sentence. @param {SettingValue | undefined} objective of the batch on show */
export const previewable = (objective) => `${objective === "kl_penalty" ? "β" : "ε"}, c₁ and c₂`;

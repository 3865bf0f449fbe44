// The preview: the batch on show with the values of ε, ε⁺, c, β, c₁ and c₂ that were chosen and are not in use.

import { settingText } from "./format.js";
import { isPriced, priceOf } from "./priced.js";
import { CLIP, isSameRange, rangeOf } from "../ppo/clip-range.js";
import { allBounded, whatIf } from "../ppo/what-if.js";

/** @import { Preview, Snapshot, SnapshotHeader, State } from "../types.js" */
/** @import { Batch, Outcome } from "../ppo/what-if.js" */

/** The settings that can be previewed. */
export const PREVIEWED = /** @type {const} */ ([...CLIP, "value_coef", "entropy_coef", "kl_coef"]);

/**
 * @typedef {object} Previewed
 * @property {Preview} used the values that the batch was made with
 * @property {Preview} values
 * @property {Outcome} now the batch as it is, computed in the same way as the preview
 * @property {Outcome} then
 * @property {boolean} clip whether the clip range differs
 * @property {boolean} penalty whether β differs
 * @property {boolean} partial not all samples of the batch are at hand
 * @property {boolean} limited V is clipped by the ε that was moved: what L_VF, and so L, would be is not known
 */

/** What is the same for every panel that draws the same moment. @type {WeakMap<Snapshot, { key: string, found: Previewed }>} */
const found = new WeakMap();

/**
 * @param {Pick<State, "snapshot" | "preview" | "run" | "comparison">} state
 * @returns {Previewed | null} null where there is none: nothing was moved, no sample has been collected, or the update
 *   was made twice and the outcome itself is on show
 */
export function previewOf({ snapshot, preview, run, comparison }) {
  if (comparison) return null;
  const used = snapshot && valuesInUse(snapshot);
  if (!snapshot || !preview || !used || PREVIEWED.every((name) => preview[name] === used[name])) return null;
  const batch = batchOf(snapshot);
  if (!batch) return null;
  const key = PREVIEWED.map((name) => preview[name]).join(" ");
  const known = found.get(snapshot);
  if (known?.key === key) return known.found;
  const all = Number(run?.settings.num_envs) * Number(run?.settings.rollout_steps);
  const limited = limitsValues(snapshot, run) && preview.clip_range !== used.clip_range;
  const previewed = {
    used,
    values: preview,
    now: whatIf(batch, used),
    then: whatIf(limited ? { ...batch, valueLoss: null } : batch, preview),
    limited,
    clip: !isSameRange(preview, used),
    penalty: preview.kl_coef !== used.kl_coef,
    partial: batch.ratio.length < all,
  };
  found.set(snapshot, { key, found: previewed });
  return previewed;
}

/** Whether ε clips V as well: some loops have one setting for both. @param {Snapshot} snapshot @param {State["run"]} run */
const limitsValues = ({ header }, run) => Boolean(run?.attached?.limits_values) && typeof header.settings.value_clip_range === "number";

/** @param {Snapshot} snapshot @returns {Preview | null} */
export function valuesInUse({ header }) {
  const range = rangeOf(header.settings);
  const { value_coef, entropy_coef, kl_coef: beta } = header.settings;
  if (range === null || typeof value_coef !== "number" || typeof entropy_coef !== "number") return null;
  const kl_coef = header.settings.objective === "kl_penalty" && typeof beta === "number" ? beta : null;
  return { ...range, value_coef, entropy_coef, kl_coef };
}

/** Which scalars say L_PG, L_VF and S of the very samples that a snapshot shows; at an epoch's end none do. */
const LOSSES = {
  update: ["final_policy_loss", "final_value_loss", "final_entropy"],
  epoch: [],
  minibatch: ["policy_loss", "value_loss", "entropy"],
};

/**
 * The samples that a snapshot shows. At an update's end they are judged by the final weights, and so are the losses; before
 * that, by the weights that a minibatch met.
 *
 * @param {Snapshot} snapshot
 * @returns {Batch | null} without the probe `samples`, null
 */
export function batchOf({ header, arrays }) {
  const { ratio, region, advantage_used, in_minibatch, exact_kl } = arrays;
  if (!ratio || !region || !advantage_used) return null;
  const { scalars, settings, phase } = header;
  const [policy, value, entropy] = phase === "update" || phase === "epoch" ? LOSSES[phase] : LOSSES.minibatch;
  return {
    objective: String(settings.objective ?? "clip"),
    ratio: allBounded(ratio),
    advantages: advantage_used,
    regions: region,
    members: in_minibatch ?? null,
    kl: exact_kl ?? null,
    price: pricedAt(header),
    policyLoss: scalars[policy] ?? null,
    valueLoss: scalars[value] ?? null,
    entropy: scalars[entropy] ?? null,
  };
}

/**
 * What β·KL is of a sample, by its r; where that does not tell it, the mean of the minibatch, which no setting that is
 * previewed moves, and at the end of epoch or update null. Nothing where L has no such term.
 *
 * @param {SnapshotHeader} header
 */
function pricedAt(header) {
  if (!isPriced(header)) return undefined;
  const { of } = priceOf(header);
  const beta = header.settings.kl_coef;
  const { penalty } = header.scalars;
  if (of && typeof beta === "number") return (/** @type {number} */ r) => beta * of(r);
  return header.phase in LOSSES || typeof penalty !== "number" ? null : () => penalty;
}

/**
 * The values that differ, as "ε = 0.3": in the digits that stand beside the slider.
 *
 * @param {Previewed} previewed
 * @param {readonly (keyof Preview)[]} names those that matter
 */
export function moved({ used, values }, names = PREVIEWED) {
  return names
    .filter((name) => values[name] !== used[name])
    .map((name) => `${SYMBOLS[name]} = ${values[name] === null ? OFF[name] : settingText(values[name])}`);
}

/** @type {Record<keyof Preview, string>} */
const SYMBOLS = { clip_range: "ε", clip_range_high: "ε⁺", ratio_cap: "c", kl_coef: "β", value_coef: "c₁", entropy_coef: "c₂" };

/** What they are where they are off. @type {Partial<Record<keyof Preview, string>>} */
const OFF = { clip_range_high: "ε", ratio_cap: "off" };

// Whose number it is, in words: where a quantity stands in several places at one moment, each says what it is of.

import { count } from "./format.js";

/** @import { Note, SnapshotHeader, State } from "../types.js" */

/**
 * What a number may be of.
 * means: scalars such as losses, KL and clip fraction, which are taken before the step of a minibatch.
 * samples: what is counted sample by sample, in a histogram.
 * cells: the same where the samples outside of a minibatch are drawn and counted too; how many there are stands before it.
 *
 * @typedef {"means" | "samples" | "cells"} Kind
 */

const LATEST = "each as it was last in a loss";
/** In the first epoch, of which some minibatches are still to come. */
const LATEST_IF_ANY = "as last in a loss, or collected";

/** @type {Record<Kind, string>} */
const AT_AN_END = { means: "mean of the update", samples: "whole rollout, after the last step", cells: "after the last step" };

/** @type {Record<Kind, string>} */
const OF_A_MINIBATCH = { means: "of this minibatch", samples: "of this minibatch", cells: LATEST };

/** @type {Record<Kind, string>} */
const OF_AN_EPOCH = { means: "mean of the epoch", samples: `whole rollout, ${LATEST}`, cells: LATEST };

/** @type {Record<Kind, string>} */
const AT_THE_START = { means: "whole rollout", samples: "whole rollout, before the first step", cells: "before the first step" };

/**
 * Where a training loop cannot be asked what its policy has become, what its losses saw last stands for it.
 *
 * @type {Record<Kind, string>}
 */
const AT_AN_END_NOT_JUDGED = { ...AT_AN_END, samples: `whole rollout, ${LATEST}`, cells: LATEST };

/** What both outcomes of an update are compared by. */
export const MEAN = AT_AN_END.means;

/** @param {SnapshotHeader["scalars"]} scalars @param {"" | "old_" | "new_"} [which] what stands before their names @returns {Record<Kind, string>} */
const atAnEnd = (scalars, which = "") => (`${which}final_ratio_max` in scalars ? AT_AN_END : AT_AN_END_NOT_JUDGED);

/** What samples both outcomes of an update are counted by. @param {SnapshotHeader["scalars"]} scalars of a comparison */
export const afterIn = (scalars) => atAnEnd(scalars, "old_").samples;

/**
 * @param {Pick<SnapshotHeader, "phase" | "scope" | "scalars" | "epoch" | "minibatch" | "minibatches">} header of the moment on show
 * @param {Kind} kind
 * @returns {string} a few words that may stand beside the number
 */
export function scopeOf({ phase, scope, scalars, epoch, minibatch, minibatches }, kind) {
  if (scope === "minibatch" && kind === "cells" && epoch === 1 && minibatch < (minibatches || Infinity)) return LATEST_IF_ANY;
  if (scope === "minibatch") return OF_A_MINIBATCH[kind];
  if (phase === "update") return atAnEnd(scalars)[kind];
  if (phase === "epoch") return OF_AN_EPOCH[kind];
  return AT_THE_START[kind];
}

/**
 * The same for a sentence that stands alone, where "this" would point at nothing.
 *
 * @param {Pick<SnapshotHeader, "phase" | "scope" | "scalars" | "epoch" | "minibatch" | "minibatches">} header
 * @param {Kind} kind
 */
export const scopeAlone = (header, kind) =>
  header.scope === "minibatch" && kind !== "cells" ? `minibatch ${header.minibatch} of epoch ${header.epoch}` : scopeOf(header, kind);

/** The samples of a rollout of the run at hand, autoreset rows included; NaN where it is not known. @param {Pick<State, "run">} state */
export const samplesOfRollout = ({ run }) => Number(run?.settings.num_envs ?? NaN) * Number(run?.settings.rollout_steps ?? NaN);

/**
 * How many of the samples are counted, in words: "all 1,024 samples" or "4,096 of 131,072 samples".
 *
 * @param {number} counted
 * @param {number} all
 */
export const coverage = (counted, all) => (counted < all ? `${count(counted)} of ${count(all)} samples` : `all ${count(counted)} samples`);

/** For a panel's heading, where not all samples came one by one. @param {State} state @returns {Note[]} */
export function partly(state) {
  const [environments = 0, steps = 0] = state.snapshot?.header.arrays.region?.shape ?? [];
  const all = samplesOfRollout(state);
  if (!environments || !(environments * steps < all)) return [];
  const long = `Of a rollout as large as this one only some environments are sent sample by sample: ${count(environments)} of ${count(Number(state.run?.settings.num_envs))}. Fractions, KL and losses are of all samples.`;
  return [{ short: coverage(environments * steps, all), long }];
}

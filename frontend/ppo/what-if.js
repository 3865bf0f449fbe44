// What would a batch look like with another ε, ε⁺, c, β, c₁ or c₂? From the ratios, advantages and KLs at hand, by the very
// comparisons of backend/ppo_scope/ppo/losses.py: the trainer computes in single precision, so the edges of the clip range are rounded to it as well.

import { edgesOf } from "./clip-range.js";
import { LARGEST_LOGRATIO } from "./constants.js";
import { REGION } from "../wire.js";

/** @import { Preview } from "../types.js" */
/** @import { Edges } from "./clip-range.js" */

/**
 * @typedef {object} Batch samples in any order; the arrays have one length
 * @property {string} objective as in the table of settings
 * @property {ArrayLike<number>} ratio r, single precision
 * @property {ArrayLike<number>} advantages Â as used in the loss; NaN where it has not been used yet
 * @property {ArrayLike<number>} regions as they are: only what is not trained (0) is taken from them
 * @property {ArrayLike<number> | null} members 1 where the sample belongs to the batch; null: all do
 * @property {ArrayLike<number> | null} [kl] exact KL(π_old‖π) in the state of every sample; only the objective `kl_penalty` has it
 * @property {number | null} policyLoss L_PG as it is: under objectives without a clip its range does not change it
 * @property {number | null} valueLoss L_VF
 * @property {number | null} entropy S
 * @property {((r: number) => number) | null} [price] a term of L of its own, β·KL, by a sample's r; null: r does not tell it
 *
 * @typedef {object} Outcome
 * @property {Uint8Array} codes region of every sample, of those outside of the batch too
 * @property {{ [code: number]: number }} counts of the samples of the batch, by their region's code
 * @property {number} samples of the batch that are trained
 * @property {{ clip: number, held: number, pulledBack: number }} fractions of them; NaN of no sample
 * @property {Terms} terms
 *
 * @typedef {object} Terms by the names of the metrics; null where not known
 * @property {number | null} policy_loss
 * @property {number | null} value_loss
 * @property {number | null} entropy
 * @property {number | null} value_term
 * @property {number | null} entropy_term
 * @property {number | null} loss
 */

const { NOT_TRAINED, INSIDE, HELD, PULLED_BACK, UNHELD, UNKNOWN } = REGION;
const LARGEST_RATIO = Math.fround(Math.exp(LARGEST_LOGRATIO));

/** As far as the trainer lets r go. @param {number} r */
export const bounded = (r) => Math.min(r, LARGEST_RATIO);

/** The same for many; the very array where nothing is beyond. @template {ArrayLike<number>} T @param {T} ratios @returns {T | number[]} */
export const allBounded = (ratios) => (Array.prototype.some.call(ratios, (r) => r > LARGEST_RATIO) ? Array.from(ratios, bounded) : ratios);

/** @param {number} r @param {Edges} edges @returns {number} clip(r, 1 − ε, 1 + ε⁺) */
export const clamped = (r, [low, high]) => Math.min(Math.max(r, low), high);

/** One term of the loss of one sample. @param {number} r clamped or not @param {number} advantage */
export const lossTerm = (r, advantage) => Math.fround(-advantage * r);

/** @param {number} r @param {Edges} edges @returns {number} min(r, c) */
export const capped = (r, [, , cap]) => Math.min(r, cap);

/** @param {number} r @param {number} advantage @param {Edges} edges of the objective `clip`, for one sample */
export const clippedPolicyLoss = (r, advantage, edges) => Math.max(lossTerm(capped(r, edges), advantage), lossTerm(clamped(r, edges), advantage));

/**
 * Region of every sample; that of one outside of the clip range whose advantage has not been used is not known.
 *
 * @param {Pick<Batch, "ratio" | "advantages" | "regions" | "objective">} batch
 * @param {Edges} edges
 */
export function regionsWith({ ratio, advantages, regions, objective }, [low, high, cap]) {
  const asAsked = objective === "clip" ? HELD : UNHELD;
  const codes = new Uint8Array(ratio.length);
  for (let at = 0; at < codes.length; at++) {
    const above = ratio[at] > high;
    const below = ratio[at] < low;
    const advantage = advantages[at];
    if (regions[at] === NOT_TRAINED) codes[at] = NOT_TRAINED;
    else if ((!above && !below) || advantage === 0) codes[at] = INSIDE;
    else if (Number.isNaN(advantage)) codes[at] = UNKNOWN;
    else if (objective === "clip" && advantage < 0 && ratio[at] > cap) codes[at] = HELD;
    else codes[at] = advantage > 0 === above ? asAsked : PULLED_BACK;
  }
  return codes;
}

/**
 * What the objective `kl_penalty` subtracts from the objective of one sample: it does not depend on the sample's r, but on
 * the whole distribution in its state.
 *
 * @param {number} kl of that state
 * @param {number} coefficient β
 */
export const penaltyTerm = (kl, coefficient) => Math.fround(coefficient * kl);

/** @param {ArrayLike<number>} of */
const isKnown = (of) => Array.prototype.some.call(of, (value) => !Number.isNaN(value));

/**
 * @param {Batch} batch
 * @param {Preview} values
 * @returns {Outcome}
 */
export function whatIf(batch, values) {
  const edges = edgesOf(values);
  const [low, high] = edges;
  const codes = regionsWith(batch, edges);
  const { ratio, members } = batch;
  /** @type {Outcome["counts"]} */
  const counts = { [NOT_TRAINED]: 0, [INSIDE]: 0, [HELD]: 0, [PULLED_BACK]: 0, [UNHELD]: 0, [UNKNOWN]: 0 };
  let clipped = 0;
  for (let at = 0; at < codes.length; at++) {
    if (members && !members[at]) continue;
    counts[codes[at]] += 1;
    if (codes[at] !== NOT_TRAINED && (ratio[at] > high || ratio[at] < low)) clipped += 1;
  }
  const samples = Object.values(counts).reduce((sum, n) => sum + n, 0) - counts[NOT_TRAINED];
  const fractions = { clip: clipped / samples, held: counts[HELD] / samples, pulledBack: counts[PULLED_BACK] / samples };
  return { codes, counts, samples, fractions, terms: termsWith(batch, values) };
}

/** @param {Batch} batch @param {Preview} values @returns {Terms} */
function termsWith(batch, values) {
  const { value_coef, entropy_coef } = values;
  const policy_loss = policyLossWith(batch, values);
  const value_term = batch.valueLoss === null ? null : value_coef * batch.valueLoss;
  const entropy_term = batch.entropy === null ? null : -entropy_coef * batch.entropy;
  const price = priceOf(batch);
  const known = policy_loss !== null && value_term !== null && entropy_term !== null && price !== null;
  const { valueLoss: value_loss, entropy } = batch;
  return { policy_loss, value_loss, entropy, value_term, entropy_term, loss: known ? policy_loss + value_term + entropy_term + price : null };
}

/** β·KL, which no clip range and no other coefficient moves. @param {Batch} batch */
function priceOf(batch) {
  const { price, ratio } = batch;
  return price ? meanOver(batch, (at) => price(bounded(ratio[at]))) : price === null ? null : 0;
}

/** @param {Batch} batch @param {Preview} values */
function policyLossWith(batch, values) {
  const { objective, ratio, advantages, kl } = batch;
  const { kl_coef } = values;
  const edges = edgesOf(values);
  if (objective === "clip") return meanOver(batch, (at) => clippedPolicyLoss(bounded(ratio[at]), advantages[at], edges));
  if (objective === "kl_penalty" && kl && isKnown(kl) && kl_coef !== null)
    return meanOver(batch, (at) => lossTerm(bounded(ratio[at]), advantages[at]) + penaltyTerm(kl[at], kl_coef));
  return batch.policyLoss;
}

/** Over the samples of the batch whose advantage has been used; null of none. @param {Batch} batch @param {(at: number) => number} term */
function meanOver({ ratio, advantages, regions, members }, term) {
  let sum = 0;
  let n = 0;
  for (let at = 0; at < ratio.length; at++) {
    const counts = regions[at] !== NOT_TRAINED && !Number.isNaN(advantages[at]) && !(members && !members[at]);
    if (!counts) continue;
    sum += term(at);
    n += 1;
  }
  return n ? sum / n : null;
}

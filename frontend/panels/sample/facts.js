// One sample, read from a snapshot: every number that the panel Sample shows. What was not measured is null.

import { LARGEST_LOGRATIO } from "../../ppo/constants.js";
import { edgesOf } from "../../ppo/clip-range.js";
import { bounded, regionsWith } from "../../ppo/what-if.js";
import { description, nameOf, numbersAt } from "../policy/bars.js";
import { textOf } from "../../state/rows.js";
import { clipRangeOf, matrix, setting } from "../../state/snapshot.js";

/** @import { ClipRange } from "../../ppo/clip-range.js" */
/** @import { Selection, Snapshot } from "../../types.js" */
/** @import { Description } from "../policy/bars.js" */

/**
 * @typedef {{ name: string, value: number }} Named
 * @typedef {{ name: string, short: string, before: number, now: number, taken: boolean, forbidden: boolean }} Choice a column of the distribution
 *
 * @typedef {object} Facts
 * @property {number} environment
 * @property {number} step
 * @property {boolean} isToken whether it is a token of a language model, which has no critic
 * @property {boolean} inFull whether the probe `transitions` was measured at this moment
 * @property {number} region code, under the same weights as the ratio
 * @property {number} lossRegion code as last computed for the loss
 * @property {number} lossRatio
 * @property {boolean} inMinibatch
 * @property {number} end 0 none, 1 terminated, 2 truncated
 * @property {number | null} ratio
 * @property {number | null} logratio
 * @property {number | null} logProbOld
 * @property {number | null} logProbNew
 * @property {number | null} raw advantage, or return to go
 * @property {number | null} used
 * @property {ClipRange | null} clipRange
 * @property {string} objective
 * @property {number | null} kl exact KL(π_old‖π) in this sample's state, under the same weights as the ratio
 * @property {number | null} klCoef β
 * @property {number | null} reward
 * @property {number | null} rewardUsed what the advantages took for it, where rewards are normalised
 * @property {number | null} valueOld
 * @property {number | null} valueTarget
 * @property {number | null} valueNow
 * @property {number | null} gradientPolicy norm of the gradient of this sample's term of L_PG
 * @property {number | null} gradientValue of c₁·L_VF
 * @property {number | null} gradientEntropy of −c₂·S
 * @property {number | null} gradientTotal
 * @property {Named[]} observation
 * @property {string} space of the observations, in words
 * @property {number} unsent numbers of the observation that were not sent
 * @property {Choice[]} policy
 * @property {boolean} isBox
 * @property {string | null} action
 */

/** @param {Snapshot} snapshot @param {Selection} selection @param {{ row: number, column: number }} cell @returns {Facts} */
export function factsOf(snapshot, { environment, step }, cell) {
  /** @param {string} name */
  const at = (name) => {
    const found = matrix(snapshot, name);
    const value = found ? found.values[cell.row * found.columns + cell.column] : NaN;
    return Number.isNaN(value) ? null : value;
  };
  const inFull = snapshot.arrays.log_prob_new !== undefined;
  const asSent = inFull ? at("ratio_new") : at("ratio");
  const ratio = asSent === null ? null : bounded(asSent);
  const [logProbOld, logProbNew] = [at("log_prob_old"), at("log_prob_new")];
  const notes = snapshot.header.notes?.transitions ?? {};
  const seen = numbersAt(snapshot, "observation", cell) ?? [];
  const about = description(notes.policy);
  return {
    environment,
    step,
    isToken: textOf(snapshot) !== null,
    inFull,
    region: (inFull ? at("region_new") : at("region")) ?? 0,
    lossRegion: at("region") ?? 0,
    lossRatio: bounded(at("ratio") ?? NaN),
    inMinibatch: at("in_minibatch") !== 0,
    end: at("episode_end") ?? 0,
    ratio,
    logratio:
      logProbOld !== null && logProbNew !== null ? logProbNew - logProbOld : ratio === null ? null : Math.min(Math.log(ratio), LARGEST_LOGRATIO),
    logProbOld,
    logProbNew,
    raw: at("advantage"),
    used: at("advantage_used"),
    clipRange: clipRangeOf(snapshot),
    objective: String(snapshot.header.settings.objective ?? "clip"),
    kl: at(inFull ? "exact_kl_new" : "exact_kl"),
    klCoef: setting(snapshot, "kl_coef"),
    reward: at("reward"),
    rewardUsed: at("reward_used"),
    valueOld: at("value"),
    valueTarget: at("value_target"),
    valueNow: at("value_now"),
    gradientPolicy: at("gradient_policy"),
    gradientValue: at("gradient_value"),
    gradientEntropy: at("gradient_entropy"),
    gradientTotal: at("gradient_total"),
    observation: Array.from(seen, (value, index) => ({ name: notes.observation?.[index] ?? `o[${index}]`, value })),
    space: notes.space ?? "",
    unsent: Math.max(0, (notes.observation_size ?? 0) - seen.length),
    isBox: about.isBox,
    ...choices(snapshot, about, cell),
  };
}

/**
 * The sample as it would stand with another clip range.
 *
 * @param {Facts} facts
 * @param {ClipRange} clipRange
 * @returns {Facts}
 */
export function withClipRange(facts, clipRange) {
  const { ratio, used, region, objective } = facts;
  const one = { ratio: [ratio ?? NaN], advantages: [used ?? NaN], regions: [region], objective };
  return { ...facts, clipRange, region: regionsWith(one, edgesOf(clipRange))[0] };
}

/**
 * The distribution before and now, and which of its columns belong to the action.
 *
 * @param {Snapshot} snapshot
 * @param {Description} about
 * @param {{ row: number, column: number }} cell
 * @returns {{ policy: Choice[], action: string | null }}
 */
function choices(snapshot, about, cell) {
  const action = numbersAt(snapshot, "action", cell);
  const before = numbersAt(snapshot, "policy_old", cell);
  const now = numbersAt(snapshot, "policy_new", cell);
  const allowed = numbersAt(snapshot, "allowed", cell);
  if (!action) return { policy: [], action: null };
  const kind = snapshot.header.notes?.transitions?.policy?.kind;
  const taken = new Set(takenColumns(kind, about.groups, action));
  const policy = about.columns.map((_, index) => ({
    name: nameOf(about, index),
    short: (!about.isBox && about.actions?.[index]) || nameOf(about, index),
    before: before?.[index] ?? NaN,
    now: now?.[index] ?? NaN,
    taken: taken.has(index),
    forbidden: allowed?.[index] === 0,
  }));
  return { policy: before && now ? policy : [], action: actionInWords(kind, about, taken, action) };
}

/** @param {string} kind @param {number[]} groups @param {ArrayLike<number>} action */
function takenColumns(kind, groups, action) {
  if (kind === "box") return [];
  if (kind === "multi_binary") return groups.flatMap((_, index) => (action[index] ? [index] : []));
  let start = 0;
  return groups.map((size, index) => {
    start += size;
    return start - size + action[index];
  });
}

/** @param {string} kind @param {Description} about @param {Set<number>} taken @param {ArrayLike<number>} action */
function actionInWords(kind, about, taken, action) {
  if (kind === "box") {
    const symbol = action.length > 1 ? `(${about.actions?.join(", ") ?? "a"}) = ` : about.actions ? `${about.actions[0]} = ` : "a = ";
    return (
      symbol +
      `${action.length > 1 ? "(" : ""}${Array.from(action, (value) => value.toFixed(3).replace("-", "−")).join(", ")}${action.length > 1 ? ")" : ""}`
    );
  }
  const names = [...taken].map((index) => nameOf(about, index));
  return names.length ? names.join("; ") : "all off";
}

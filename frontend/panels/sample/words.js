// What the loss makes of one sample, step by step, with its numbers put in.

import { number, ofSample } from "../../state/format.js";
import { LARGEST_LOGRATIO } from "../../ppo/constants.js";
import { edgesOf, rise, upperSymbol } from "../../ppo/clip-range.js";
import { capped, clamped, lossTerm, penaltyTerm } from "../../ppo/what-if.js";
import { regionOf } from "../../ppo/regions.js";

/** @import { Edges } from "../../ppo/clip-range.js" */
/** @import { SnapshotHeader } from "../../types.js" */
/** @import { Facts } from "./facts.js" */

/**
 * @typedef {object} Line of the calculation
 * @property {string} term what is computed, as a formula
 * @property {string} sum the same with the numbers put in
 * @property {number | null} value the result
 * @property {string} [text] of the result, where three decimals would say nothing
 * @property {"picked" | "same" | "left" | ""} [role] of the two terms of the max: what it picks
 */

/** @param {number | null} value */
export const n = (value) => ofSample(value);

/** As a factor or a subtrahend: negative numbers in brackets. @param {number | null} value */
const factor = (value) => (value !== null && value < 0 ? `(${n(value)})` : n(value));

/** @param {Facts} facts @returns {Line[]} */
export function calculation(facts) {
  const { logratio, logProbNew, logProbOld, ratio } = facts;
  const beyond = logratio !== null && logratio > LARGEST_LOGRATIO;
  const lines = [
    {
      term: "log r = log π/π_old",
      sum: logProbNew === null ? "" : `${n(logProbNew)} − ${factor(logProbOld)}`,
      value: logratio,
    },
    { term: "r", sum: beyond ? `exp(min(${n(logratio)}, ${LARGEST_LOGRATIO}))` : `exp(${n(logratio)})`, value: ratio },
  ];
  return [...lines, ...objectiveLines(facts)];
}

/** @param {Facts} facts @returns {Line[]} */
function objectiveLines(facts) {
  const { objective, ratio, used, clipRange, logProbNew, region } = facts;
  const credit = objective === "reinforce" ? "G" : "Â";
  if (used === null) return [];
  if (objective === "reinforce" || objective === "actor_critic") {
    const known = logProbNew !== null;
    return [
      {
        term: `−log π · ${credit}`,
        sum: known ? `−${factor(logProbNew)} · ${factor(used)}` : "",
        value: known ? -logProbNew * used : null,
        role: "picked",
      },
    ];
  }
  const unclipped = { term: "−r · Â", sum: `−${n(ratio)} · ${factor(used)}`, value: ratio === null ? null : lossTerm(ratio, used) };
  if (objective === "kl_penalty") return penaltyLines(unclipped, facts);
  if (objective !== "clip" || ratio === null || clipRange === null) return [{ ...unclipped, role: "picked" }];
  const edges = edgesOf(clipRange);
  const held = clamped(ratio, edges);
  const counted = clipRange.ratio_cap === null ? unclipped : cappedLine(facts, edges);
  const clipped = {
    term: `−clip(r, ${number(1 - clipRange.clip_range)}, ${number(1 + rise(clipRange))}) · Â`,
    sum: `−${n(held)} · ${factor(used)}`,
    value: lossTerm(held, used),
  };
  const [first, second] = isCapped(facts) ? PICKED.pulledBack : (PICKED[regionOf(region).key] ?? ["same", "same"]);
  return [
    { ...counted, role: first },
    { ...clipped, role: second },
  ];
}

/** Whether it is c that holds this sample. @param {Facts} facts */
const isCapped = ({ region, used, ratio }) => regionOf(region).key === "held" && Number(used) < 0 && Number(ratio) > 1;

/** The part of a ratio that counts no further than c. @param {Facts} facts @param {Edges} edges @returns {Line} */
function cappedLine({ ratio, used, clipRange }, edges) {
  const counted = capped(Number(ratio), edges);
  return {
    term: `−min(r, ${number(Number(clipRange?.ratio_cap))}) · Â`,
    sum: `−${n(counted)} · ${factor(Number(used))}`,
    value: lossTerm(counted, Number(used)),
  };
}

/** @param {Line} own the part of this sample's ratio @param {Facts} facts @returns {Line[]} */
function penaltyLines(own, { kl, klCoef }) {
  const penalty = kl === null || klCoef === null ? null : penaltyTerm(kl, klCoef);
  const sum = penalty === null || own.value === null ? null : own.value + penalty;
  return [
    own,
    { term: "β · KL in s", sum: penalty === null ? "" : `${number(klCoef)} · ${number(kl)}`, value: penalty, text: number(penalty) },
    { term: "−r · Â + β · KL", sum: sum === null ? "" : `${n(own.value)} + ${number(penalty)}`, value: sum, role: "picked" },
  ];
}

/** What the max picks of its two terms, by the trainer's own word: the region. @type {{ [region: string]: [Line["role"], Line["role"]] }} */
const PICKED = { held: ["left", "picked"], pulledBack: ["picked", "left"] };

/** Which of the two terms the loss takes, and what follows for the gradient. @param {Facts} facts */
export function verdict(facts) {
  const { used, objective, ratio, region, isToken, clipRange } = facts;
  if (regionOf(region).key === "notTrained")
    return isToken
      ? "Padding, or a token that is not trained on: it is left out of the loss."
      : "No transition: the environment was being reset, so this row is left out of the loss.";
  if (used === null)
    return "Its advantage as used is not known yet: no minibatch has held it in this update. Until then the loss does not know this sample.";
  if (objective === "reinforce" || objective === "actor_critic") {
    return `${pushes(facts)} There is no ratio in this objective, and nothing is clipped: the gradient flows wherever r has gone.`;
  }
  if (objective === "unclipped") return `${pushes(facts)} There is no clip, so no max: the gradient flows at full size, however far r has gone.`;
  if (objective === "kl_penalty")
    return `${pushes(facts)} There is no clip, so no max, and no part without a slope. What holds is the price β · KL: it is of all probabilities in this state, not of r alone, and the further they have moved, the harder it pulls them back.`;
  if (ratio === null) return "";
  const byMore = `by more than ${ratio > 1 && clipRange ? upperSymbol(clipRange) : "ε"}`;
  const { key } = regionOf(region);
  if (isCapped(facts))
    return `${pushes(facts)} Yet it has become likelier, and r = ${n(ratio)} is above c: min(r, c) is a constant, and the policy gradient of this sample is exactly 0. Without c it would weigh the more, the further r has gone.${isToken ? "" : " The critic's and the entropy's gradient still flow."}`;
  if (key === "held") {
    return `${pushes(facts)} It is, ${byMore}: r = ${n(ratio)}. max picks the clipped term, which is a constant: the policy gradient of this sample is exactly 0. It has been moved enough.${isToken ? "" : " The critic's and the entropy's gradient still flow."}`;
  }
  if (key === "pulledBack") {
    return `${pushes(facts)} Yet it has become ${ratio > 1 ? "likelier" : "less likely"}, ${byMore}: r = ${n(ratio)}. max picks −r·Â, the worse term, and the clip holds nothing back: its gradient flows at full size and pulls the policy back.`;
  }
  if (used === 0) return `Both terms are 0. ${pushes(facts)}`;
  return `The two terms are the same, for r is within the range: clip leaves it as it is. ${pushes(facts)} Its gradient flows.`;
}

/** @param {Facts} facts */
function pushes({ used, objective, isToken }) {
  const done = isToken ? "token" : "action";
  const credit = objective === "reinforce" ? "G" : "Â";
  if (!used) return `${credit} is 0: it pushes nowhere.`;
  return used > 0 ? `${credit} > 0: the ${done} is to become likelier.` : `${credit} < 0: the ${done} is to become less likely.`;
}

/**
 * Here stand the weights as they are, in the clip mask and in the histogram r as the last loss had it: said where that
 * differs, or null.
 *
 * @param {Pick<SnapshotHeader, "phase">} header
 * @param {Pick<Facts, "inFull" | "inMinibatch" | "ratio" | "used" | "region" | "lossRatio" | "lossRegion">} facts
 */
export function asTheMaskShowsIt({ phase }, { inFull, inMinibatch, ratio, used, region, lossRatio, lossRegion }) {
  const same = region === lossRegion && Math.abs((ratio ?? NaN) - lossRatio) < 0.0005;
  if (!inFull || same || Number.isNaN(lossRatio)) return null;
  const loss = `r was ${n(lossRatio)}: ${regionOf(lossRegion).word}.`;
  if (used === null)
    return `Under the weights as they are. It was in no loss of this update yet; as the Clip mask shows it, as it was collected, ${loss}`;
  if (phase === "step" && inMinibatch) return `After this step. In the loss before it, ${loss}`;
  return `Under the weights as they are. When it was last in a loss, as the Clip mask shows it, ${loss}`;
}

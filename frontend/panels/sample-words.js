// What the loss makes of one sample, step by step, with its numbers put in.

import { fixed, number } from "../state/format.js";
import { regionOf } from "./regions.js";

/** @import { Facts } from "./sample-facts.js" */

/**
 * @typedef {object} Line of the calculation
 * @property {string} term what is computed, as a formula
 * @property {string} sum the same with the numbers put in
 * @property {string} result
 * @property {"picked" | "same" | "left" | ""} [role] of the two terms of the max: what it picks
 *
 * @typedef {{ unclipped: number, clipped: number }} Terms of the max
 */

const DIGITS = 3;

/** @param {number | null} value */
const n = (value) => fixed(value, DIGITS);

/** As a factor or a subtrahend: negative numbers in brackets. @param {number | null} value */
const factor = (value) => (value !== null && value < 0 ? `(${n(value)})` : n(value));

/** The two terms, under the objective with a clip. @param {Facts} facts @returns {Terms | null} */
export function termsOf({ ratio, used, clipRange, objective }) {
  if (objective !== "clip" || ratio === null || used === null || clipRange === null) return null;
  const clipped = Math.min(Math.max(ratio, 1 - clipRange), 1 + clipRange);
  return { unclipped: -ratio * used, clipped: -clipped * used };
}

/** @param {Facts} facts @returns {Line[]} */
export function calculation(facts) {
  const { logratio, logProbNew, logProbOld, ratio } = facts;
  const lines = [
    {
      term: "log r = log π/π_old",
      sum: logProbNew === null ? "" : `${n(logProbNew)} − ${factor(logProbOld)}`,
      result: n(logratio),
    },
    { term: "r", sum: `exp(${n(logratio)})`, result: n(ratio) },
  ];
  return [...lines, ...objectiveLines(facts)];
}

/** @param {Facts} facts @returns {Line[]} */
function objectiveLines(facts) {
  const { objective, ratio, used, clipRange, logProbNew } = facts;
  const credit = objective === "reinforce" ? "G" : "Â";
  if (used === null) return [];
  if (objective === "reinforce" || objective === "actor_critic") {
    const known = logProbNew !== null;
    return [{ term: `−log π · ${credit}`, sum: known ? `−${factor(logProbNew)} · ${factor(used)}` : "", result: known ? n(-logProbNew * used) : n(null), role: "picked" }];
  }
  const unclipped = { term: "−r · Â", sum: `−${n(ratio)} · ${factor(used)}`, result: n(ratio === null ? null : -ratio * used) };
  const terms = termsOf(facts);
  if (!terms || clipRange === null) return [{ ...unclipped, role: "picked" }];
  const [low, high] = [number(1 - clipRange), number(1 + clipRange)];
  const clippedRatio = used === 0 ? ratio : -terms.clipped / used;
  const role = terms.unclipped === terms.clipped ? "same" : "picked";
  return [
    { ...unclipped, role: terms.unclipped >= terms.clipped ? role : "left" },
    {
      term: `−clip(r, ${low}, ${high}) · Â`,
      sum: `−${n(clippedRatio)} · ${factor(used)}`,
      result: n(terms.clipped),
      role: terms.clipped >= terms.unclipped ? role : "left",
    },
  ];
}

/** Which of the two terms the loss takes, and what follows for the gradient. @param {Facts} facts */
export function verdict(facts) {
  const { used, objective, ratio, region } = facts;
  if (regionOf(region).key === "notTrained") return "No transition: the environment was being reset, so this row is left out of the loss.";
  if (used === null) return "Its advantage as used is not known yet: no minibatch has held it in this update. Until then the loss does not know this sample.";
  if (objective === "reinforce" || objective === "actor_critic") {
    return `${pushes(facts)} There is no ratio in this objective, and nothing is clipped: the gradient flows wherever r has gone.`;
  }
  if (objective === "unclipped") return `${pushes(facts)} There is no clip, so no max: the gradient flows at full size, however far r has gone.`;
  const terms = termsOf(facts);
  if (!terms || ratio === null) return "";
  if (terms.unclipped === terms.clipped) return `The two terms are the same, for r is within the range: clip leaves it as it is. ${pushes(facts)} Its gradient flows.`;
  const beyond = ratio > 1 ? "above" : "below";
  if (terms.clipped > terms.unclipped) {
    return `max picks the clipped term: r is ${beyond} the range, where its advantage wanted it. That term is a constant, so the policy gradient of this sample is exactly 0: it has been moved enough.`;
  }
  return `max picks −r·Â: r is ${beyond} the range, but against its advantage, which makes this the worse term. Its gradient flows at full size and pulls the policy back.`;
}

/** @param {Facts} facts */
function pushes({ used, objective }) {
  const credit = objective === "reinforce" ? "G" : "Â";
  if (!used) return `${credit} is 0: it pushes nowhere.`;
  return used > 0 ? `${credit} > 0: the action is to become likelier.` : `${credit} < 0: the action is to become less likely.`;
}

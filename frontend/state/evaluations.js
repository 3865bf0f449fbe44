// What a policy achieves without chance, in environments of its own: one evaluation after the other.

import { count, returned } from "./format.js";

/** @import { Evaluation, State } from "../types.js" */

const SHOWN = 128;

export const WHY_ANOTHER =
  "It is not the training return: in training the policy draws its actions, and the mean is over episodes that older policies played. " +
  "An evaluation takes the likeliest action each time, plays whole episodes from the same starts, and teaches nothing. " +
  "Triangles are its means, bars reach from the lowest return to the highest, and the weights of the large one are kept.";

/**
 * The newest of an update counts: it may have been made anew.
 *
 * @param {Evaluation[]} known @param {Evaluation[]} more
 * @returns {Evaluation[]} in the order of their updates
 */
export function withMore(known, more) {
  const byUpdate = new Map([...known, ...more].map((one) => [one.update, one]));
  return [...byUpdate.values()].sort((a, b) => a.update - b.update);
}

/** The one whose weights are kept. @param {Evaluation[]} evaluations @returns {Evaluation | undefined} */
export const bestOf = (evaluations) => evaluations.findLast(({ best }) => best);

/** As many as can be told apart: every second, every fourth, …; with the best and the newest. @param {Evaluation[]} evaluations */
export function sparse(evaluations) {
  const every = 2 ** Math.max(0, Math.ceil(Math.log2(evaluations.length / SHOWN)));
  const best = bestOf(evaluations);
  return evaluations.filter((one, index) => index % every === 0 || one === best || index === evaluations.length - 1);
}

/** @param {Pick<State, "run">} state */
export const isEvaluated = ({ run }) => run?.settings.eval_every != null;

/** The newest one and the best. @param {Pick<State, "run" | "evaluations">} state of a run that is evaluated */
export function evaluatedInWords({ run, evaluations }) {
  const last = evaluations.at(-1);
  if (!last) return `Not evaluated yet: every ${count(Number(run?.settings.eval_every))} updates`;
  const best = bestOf(evaluations);
  const kept = best === last ? ", the best so far" : best ? `, best ${returned(best.mean)} at update ${count(best.update)}` : "";
  return `Evaluated: ${inWords(last)}${kept}`;
}

/** @param {Evaluation} evaluation */
function inWords({ mean, lowest, highest, unfinished, fault }) {
  if (mean === null) return `failed, ${fault}`;
  const cut = unfinished ? `, ${count(unfinished)} cut because they did not end` : "";
  return `${returned(mean)} (${returned(lowest)} to ${returned(highest)}${cut})`;
}

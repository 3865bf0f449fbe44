// What a policy achieves without chance, in environments of its own: one evaluation after the other.

import { count, number } from "./format.js";

/** @import { Evaluation } from "../types.js" */

const SHOWN = 128;

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

/** The newest one and the best. @param {Evaluation[]} evaluations @returns {string} nothing where there are none */
export function evaluatedInWords(evaluations) {
  const last = evaluations.at(-1);
  if (!last) return "";
  const best = bestOf(evaluations);
  const kept = best === last ? ", the best so far" : best ? `, best ${number(best.mean)} at update ${count(best.update)}` : "";
  return `Evaluated: ${inWords(last)}${kept}`;
}

/** @param {Evaluation} evaluation */
function inWords({ mean, lowest, highest, unfinished, fault }) {
  if (mean === null) return `failed, ${fault}`;
  const cut = unfinished ? `, ${count(unfinished)} cut because they did not end` : "";
  return `${number(mean)} (${number(lowest)} to ${number(highest)}${cut})`;
}

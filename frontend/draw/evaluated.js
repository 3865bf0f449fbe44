// Evaluations on a chart of returns: their mean as a triangle, their range as an upright line, the best one larger.

import { bestOf } from "../state/evaluations.js";

/** @import { Evaluation } from "../types.js" */
/** @import { Attributes } from "./chart.js" */

/**
 * The data of the traces of `evaluatedLooks`.
 *
 * @param {Evaluation[]} evaluations
 * @param {"update" | "steps"} unit of the axis
 * @returns {Attributes[]}
 */
export function evaluatedMarks(evaluations, unit) {
  const whole = evaluations.filter(({ mean }) => mean !== null);
  const best = whole.filter((one) => one === bestOf(evaluations));
  return [
    { x: whole.flatMap(({ [unit]: at }) => [at, at, at]), y: whole.flatMap(({ lowest, highest }) => [lowest, highest, NaN]) },
    { x: whole.map(({ [unit]: at }) => at), y: whole.map(({ mean }) => mean) },
    { x: best.map(({ [unit]: at }) => at), y: best.map(({ mean }) => mean) },
  ];
}

/** Ranges, means, the best. @param {string} colour @param {string} faint @returns {Attributes[]} */
export function evaluatedLooks(colour, faint) {
  const marker = (/** @type {number} */ size) => ({ symbol: ["triangle-up"], size, color: colour });
  return [
    { mode: "lines", line: { color: faint, width: 3 }, hoverinfo: "skip" },
    { mode: "lines+markers", line: { color: colour, width: 1 }, marker: marker(7), hovertemplate: "evaluated: %{y:.4~g}<extra></extra>" },
    { mode: "markers", line: { color: colour, width: 0 }, marker: marker(13), hovertemplate: "best evaluation: %{y:.4~g}<extra></extra>" },
  ];
}

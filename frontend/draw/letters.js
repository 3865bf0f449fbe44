// Where curves of runs that are compared lie in one chart: the letter of each, at its end.

import { LOOKS } from "../state/looks.js";

/** @import { Theme } from "../types.js" */
/** @import { Attributes } from "./chart.js" */

const LATE = 0.95; // of the axis: beyond it the letter stands before the end

/**
 * The data of the traces of `letterLooks`.
 *
 * @param {{ x: number[], y: number[] }[]} curves by place; of a run that is alone none is marked
 * @param {readonly [number, number]} across range of the axis
 * @returns {Attributes[]}
 */
export function lettersAt(curves, [from, to]) {
  const several = curves.filter(({ x }) => x.length).length > 1;
  return curves.map(({ x, y }, place) => {
    const last = several ? y.findLastIndex(Number.isFinite) : -1;
    if (last < 0) return { x: [], y: [], text: [], textposition: "middle right" };
    const late = x[last] > from + LATE * (to - from);
    return { x: [x[last]], y: [y[last]], text: [`\u00a0${LOOKS[place].letter}\u00a0`], textposition: late ? "middle left" : "middle right" };
  });
}

/** @param {Theme} theme @returns {Attributes[]} */
export const letterLooks = (theme) =>
  LOOKS.map(({ colour }) => ({
    mode: "text",
    line: { color: theme[colour], width: 0 },
    textfont: { size: 14, color: theme[colour], halo: theme.panel },
    hoverinfo: "skip",
  }));

// While somebody looks back, charts that go on past the update on show say where it lies: a thin line, and over it, above all
// curves, its number.

/** @import { State, Theme } from "../types.js" */
/** @import { Flag } from "./flags.js" */
/** @import { Range } from "./ranges.js" */

/** Of a chart with such a line: above the plot, its number has room. */
export const VIEWED_TOP = 16;

/** @typedef {{ x: number[], y: number[], text: string[], textposition: string }} ViewedMark the data of a trace */

/** @type {ViewedMark} */
const NONE = { x: [], y: [], text: [], textposition: "top right" };

/**
 * @param {State} state
 * @param {Range} across of the axis
 * @param {Range} up from where to where the line goes
 * @param {"update" | "steps"} [unit] of the axis
 * @returns {ViewedMark}
 */
export function viewedMark({ past, snapshot }, across, [low, high], unit = "update") {
  if (!past || !snapshot) return NONE;
  const { update, [unit]: x } = snapshot.header;
  if (x < across[0] || x > across[1]) return NONE;
  const late = x > (across[0] + across[1]) / 2;
  return { x: [x, x], y: [low, high], text: ["", `update ${update}`], textposition: late ? "top left" : "top right" };
}

/** What it takes of the room above the plot. @param {ViewedMark} mark @returns {Flag[]} */
export const asFlags = ({ x, text, textposition }) =>
  x.length ? [{ x: x[0], texts: text.filter(Boolean), side: textposition.endsWith("left") ? "left" : "right", stands: true }] : [];

/** @param {Theme} theme */
export const viewedLook = (theme) => ({
  mode: "lines+text",
  line: { color: theme.ink, width: 1 },
  textfont: { size: 12, color: theme.ink, halo: theme.panel },
  cliponaxis: false,
  hoverinfo: "skip",
});

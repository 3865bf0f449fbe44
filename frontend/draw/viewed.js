// While somebody looks back, charts that go on past the update on show say where it lies: a thin line, and over it, above all
// curves, its number.

/** @import { State, Theme } from "../types.js" */
/** @import { Range } from "./ranges.js" */

/** Of a chart with such a line: above the plot, its number has room. */
export const VIEWED_TOP = 16;

const NONE = { x: [], y: [], text: [], textposition: "top right" };

/**
 * @param {State} state
 * @param {Range} across of the axis
 * @param {Range} up from where to where the line goes
 * @param {"update" | "steps"} [unit] of the axis
 */
export function viewedMark({ past, snapshot }, across, [low, high], unit = "update") {
  if (!past || !snapshot) return NONE;
  const { update, [unit]: x } = snapshot.header;
  if (x < across[0] || x > across[1]) return NONE;
  const late = x > (across[0] + across[1]) / 2;
  return { x: [x, x], y: [low, high], text: ["", `update ${update}`], textposition: late ? "top left" : "top right" };
}

/** @param {Theme} theme */
export const viewedLook = (theme) => ({
  mode: "lines+text",
  line: { color: theme.ink, width: 1 },
  textfont: { size: 12, color: theme.ink, halo: theme.panel },
  cliponaxis: false,
  hoverinfo: "skip",
});

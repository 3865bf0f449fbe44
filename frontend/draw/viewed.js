// While somebody looks back, charts that go on past the update on show say where it lies: a thin line with its number.

/** @import { State, Theme } from "../types.js" */
/** @import { Range } from "./ranges.js" */

const LABEL = 0.64; // of the height: above and below it there are curves more often

/**
 * @param {State} state
 * @param {Range} across of the axis
 * @param {Range} up from where to where the line goes
 * @param {"update" | "steps"} [unit] of the axis
 */
export function viewedMark({ past, snapshot }, across, [low, high], unit = "update") {
  if (!past || !snapshot) return { x: [], y: [], text: [], textposition: "middle right" };
  const { update, [unit]: x } = snapshot.header;
  if (x < across[0] || x > across[1]) return { x: [], y: [], text: [], textposition: "middle right" };
  const late = x > (across[0] + across[1]) / 2;
  const text = ["", `\u00a0update ${update}\u00a0`, ""];
  return { x: [x, x, x], y: [low, low + LABEL * (high - low), high], text, textposition: late ? "middle left" : "middle right" };
}

/** @param {Theme} theme */
export const viewedLook = (theme) => ({
  mode: "lines+text",
  line: { color: theme.ink, width: 1 },
  textfont: { size: 12, color: theme.ink, halo: theme.panel },
  hoverinfo: "skip",
});

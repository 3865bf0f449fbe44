// What all charts have in common, by Plotly's names for it, and how it is magnified.

/** @import { Theme } from "../types.js" */

export const TYPE = 12; // CSS pixels, where it is not magnified

/** @param {Theme} theme */
export function look(theme) {
  return {
    font: { family: theme.font, size: TYPE, color: theme.inkSoft },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 52, r: 12, t: 10, b: 42 },
    showlegend: false,
    dragmode: "zoom",
    hovermode: "x unified",
    hoverdistance: 30,
    hoverlabel: { bgcolor: theme.panel, bordercolor: theme.line, font: { size: TYPE, color: theme.ink } },
    modebar: { bgcolor: theme.panel, color: theme.inkSoft, activecolor: theme.accent },
  };
}

/** @param {Theme} theme */
export function axisLook(theme) {
  return {
    gridcolor: theme.grid,
    linecolor: theme.line,
    zeroline: false,
    ticks: "",
    automargin: false,
    tickangle: 0,
  };
}

/** An axis title: quiet, and close to its axis. @param {string} text */
export const axisTitle = (text) => ({ text, standoff: 6, font: { size: TYPE } });

/** Which numbers are sizes, by the name of what they belong to. @type {Record<string, string[]>} */
const SIZES = {
  font: ["size"],
  tickfont: ["size"],
  textfont: ["size"],
  line: ["width"],
  margin: ["l", "r", "t", "b"],
  title: ["standoff"],
  marker: ["size"],
};

/**
 * Attributes with larger type, wider margins and thicker lines.
 *
 * @param {any} part
 * @param {number} scale
 * @param {string} name of the part
 * @returns {any}
 */
export function magnified(part, scale, name = "") {
  if (scale === 1 || part === null || typeof part !== "object" || ArrayBuffer.isView(part)) return part;
  if (Array.isArray(part)) return typeof part[0] === "object" ? part.map((item) => magnified(item, scale)) : part;
  const sizes = SIZES[name] ?? [];
  return Object.fromEntries(
    Object.entries(part).map(([key, value]) => [
      key,
      sizes.includes(key) && typeof value === "number" ? scale * value : magnified(value, scale, key),
    ]),
  );
}

// The theme: chosen or the system's, and its colours resolved for canvases and charts.

/** @import { Theme, ViewChoices } from "../types.js" */

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Theme's keys and the custom properties that hold their colours. */
const COLOURS = /** @type {const} */ ({
  ink: "--ink",
  inkSoft: "--ink-soft",
  paper: "--paper",
  panel: "--panel",
  line: "--line",
  grid: "--grid",
  accent: "--accent",
  danger: "--danger",
  policy: "--policy",
  value: "--value",
  entropy: "--entropy",
  loss: "--loss",
  advantage: "--advantage",
  clip: "--clip",
  inside: "--inside",
  held: "--held",
  pulledBack: "--pulled-back",
  notTrained: "--not-trained",
  other: "--other",
  third: "--third",
  fourth: "--fourth",
  evaluation: "--evaluation",
});

/** One after the other, as the button and the key go through them. */
export const THEMES = /** @type {const} */ (["light", "dark", "projector"]);
const SCALES = { light: 1, dark: 1, projector: 1.4 };

/** @param {Theme["name"]} name */
export const themeAfter = (name) => THEMES[(THEMES.indexOf(name) + 1) % THEMES.length];

/** @param {ViewChoices["theme"]} chosen */
export function themeName(chosen) {
  if (chosen !== "system") return chosen;
  return dark.matches ? "dark" : "light";
}

/** @param {(event: MediaQueryListEvent) => void} listener */
export const onSystemTheme = (listener) => dark.addEventListener("change", listener);

/**
 * Puts the theme on the document and resolves its colours.
 *
 * @param {ViewChoices["theme"]} chosen
 * @returns {Theme}
 */
export function applyTheme(chosen) {
  const name = themeName(chosen);
  document.documentElement.dataset.theme = name;
  // getPropertyValue() would give "light-dark(…)" back as written; only a used colour is resolved.
  const probe = document.createElement("span");
  document.body.append(probe);
  const style = getComputedStyle(probe);
  const colours = Object.entries(COLOURS).map(([key, property]) => {
    probe.style.color = `var(${property})`;
    return [key, style.color];
  });
  const font = style.fontFamily;
  probe.remove();
  return /** @type {Theme} */ ({ name, scale: SCALES[name], font, ...Object.fromEntries(colours) });
}

// Live numbers in the guide's texts.

import { fixed, number, percent, settingText, term } from "../state/format.js";

/** @import { State } from "../types.js" */

/** How a number reads best; the rest as a number with three digits. @type {Record<string, (value: number | null | undefined) => string>} */
const WRITTEN = {
  loss: term,
  policy_loss: term,
  value_loss: term,
  entropy: term,
  entropy_term: term,
  held_fraction: percent,
  clip_fraction: percent,
  gradient_clip_factor: (value) => fixed(value, 3),
  ratio_min: (value) => fixed(value, 2),
  ratio_max: (value) => fixed(value, 2),
  learning_rate: settingText,
};

/**
 * A text in parts: words, and the numbers that stand in their braces.
 *
 * @param {string} text
 * @param {State} state
 * @returns {{ text: string, live: boolean }[]}
 */
export function parts(text, { snapshot, run }) {
  return text
    .split(/\{([\w.]+)\}/)
    .map((part, index) => {
      if (index % 2 === 0) return { text: part, live: false };
      if (part.startsWith("set.")) return { text: settingText((snapshot?.header.settings ?? run?.settings)?.[part.slice(4)]), live: true };
      const value = snapshot?.header.scalars[part];
      return { text: (WRITTEN[part] ?? ((/** @type {number | null | undefined} */ n) => number(n)))(value), live: true };
    })
    .filter(({ text }) => text !== "");
}

// A line of numbers under a drawing, each with its name. Their places are reserved: they do not move as they change.

import { h, prose, setHidden, setProse, setText } from "../ui/dom.js";

/**
 * @typedef {object} Item
 * @property {string} label
 * @property {string} [swatch] class of a colour sample before the label
 * @property {number} [room] characters that the number may have
 * @property {string} [title] what the number is, in a sentence
 * @property {boolean} [wide] it has a line of its own where the numbers stand in columns
 */

/**
 * @param {HTMLElement} parent
 * @param {Item[]} items
 * @returns {(values: (string | null)[], labels?: (string | undefined)[]) => void} writes the numbers, in the order of the
 *   items; null: it has no place here. `labels`: the names of those that are not always called the same
 */
export function readout(parent, items) {
  const numbers = items.map(({ room = 6 }) => h("dd", { style: `min-width: ${room}ch` }));
  const names = items.map(({ label }) => h("span", {}, ...prose(label)));
  const pairs = items.map(({ swatch, title, wide }, index) => {
    const sample = swatch ? h("span", { class: `swatch ${swatch}`, "aria-hidden": "true" }) : null;
    return h("div", { title, class: wide ? "wide" : null }, h("dt", {}, sample, names[index]), numbers[index]);
  });
  parent.append(h("dl", { class: "readout" }, ...pairs));
  return (values, labels = []) =>
    pairs.forEach((pair, index) => {
      const label = labels[index];
      if (label) setProse(names[index], label);
      const value = values[index] ?? null;
      setHidden(pair, value === null);
      setText(numbers[index], value ?? "");
    });
}

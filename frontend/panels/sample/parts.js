// What the parts of Sample are made of.

import { h, prose } from "../../ui/dom.js";

/** A part under its title. @param {string} title @param {...(Node | string | null)} rest */
export const part = (title, ...rest) => [h("h3", {}, ...prose(title)), ...rest.filter((child) => child !== null)];

/** @param {[string, string, string?][]} rows name, value and class */
export const pairs = (rows) =>
  h("dl", { class: "pairs" }, ...rows.map(([name, value, style]) => h("div", { class: style }, h("dt", {}, ...prose(name)), h("dd", {}, value))));

/** @param {string} text */
export const note = (text) => h("p", { class: "sample-note" }, ...prose(text));

/**
 * Of a list those rows that are shown at once: beside the clip mask all of them would leave a hole below it.
 *
 * @template T
 * @param {readonly T[]} rows
 * @param {number} most
 * @param {(row: T) => number} weight the heaviest are shown; where it is the same for all, the first
 * @returns {[shown: T[], rest: T[]]} both in the order of the list
 */
export function foremost(rows, most, weight = () => 0) {
  if (rows.length <= most + 1) return [[...rows], []]; // one more takes as much room as saying so
  const heaviest = new Set([...rows].sort((one, other) => weight(other) - weight(one)).slice(0, most));
  return [rows.filter((row) => heaviest.has(row)), rows.filter((row) => !heaviest.has(row))];
}

/** The rest of a list, which stays unfolded for whichever sample comes next. */
export function createFold() {
  let open = false;
  return (/** @type {string} */ title, /** @type {Node} */ rest) => {
    const fold = h("details", { class: "sample-rest", open, ontoggle: () => (open = fold.open) }, h("summary", {}, title), rest);
    return fold;
  };
}

// A run that is compared, as it is marked wherever it stands: its letter, and the line that its curves are drawn with.

import { LOOKS } from "../state/looks.js";
import { h } from "./dom.js";

/** @param {number} place of the run among those that are compared */
export const runMark = (place) => h("b", { class: "run-mark", "data-place": String(place) }, LOOKS[place].letter, h("i", { "aria-hidden": "true" }));

/**
 * Puts what is said of each run into a row, in the order of their places. What stays is not moved: it may have the focus.
 *
 * @param {HTMLElement} row
 * @param {HTMLElement[]} entries by place
 * @param {number[]} places that there are runs in
 */
export function arrange(row, entries, places) {
  entries.forEach((entry, place) => {
    if (!places.includes(place)) entry.remove();
    else if (entry.parentElement !== row) row.insertBefore(entry, entries.slice(place).find(({ parentElement }) => parentElement === row) ?? null);
  });
}

// Links at the very start of the page, seen once they have the focus: past all controls to where one wants to be.

import { h } from "./dom.js";

/**
 * @param {HTMLElement} parent
 * @param {[string, () => HTMLElement | null][]} places what each is called, and what gets the focus
 */
export function createSkipLinks(parent, places) {
  const links = places.map(([name, find]) => h("a", { href: "#", onclick: (/** @type {MouseEvent} */ event) => go(event, find()) }, name));
  parent.prepend(h("nav", { class: "skip", "aria-label": "Skip" }, ...links));
}

/** Not by the address, which says other things. @param {MouseEvent} event @param {HTMLElement | null} place */
function go(event, place) {
  event.preventDefault();
  if (!place) return;
  if (place.tabIndex < 0) place.tabIndex = -1;
  place.focus();
  place.scrollIntoView({ block: "nearest" });
}

// The menu "Panels": all of them, which are shown, and the way back to the usual arrangement.

import { h, icon } from "../ui/dom.js";
import { createPopup } from "../ui/popup.js";

const GRID = "M2 2h5v5H2zm7 0h5v5H9zM2 9h5v5H2zm7 0h5v5H9z";

/**
 * @typedef {object} Arranger
 * @property {() => { name: string, shown: boolean, key: string | null }[]} list as they are arranged; on Stage, with the
 *   number key of each
 * @property {(name: string, hidden: boolean) => void} setHidden
 * @property {() => void} reset
 */

/** @param {Arranger} arranger */
export function createPanelsMenu({ list, setHidden, reset }) {
  const opener = h(
    "button",
    { type: "button", class: "quiet square", "aria-label": "Panels", title: "Which panels are shown", "aria-controls": "panels-menu" },
    icon(GRID),
  );
  const items = h("ul", {});
  const sheet = h(
    "div",
    { class: "panels-sheet", id: "panels-menu", role: "group", "aria-label": "Panels that are shown" },
    items,
    h("p", {}, "Drag a panel by its header to move it."),
    h("button", { type: "button", onclick: () => (reset(), fill()) }, "Reset the arrangement"),
  );
  const { root } = createPopup("panels-menu", opener, sheet, fill);

  function fill() {
    items.replaceChildren(
      ...list().map(({ name, shown, key }) => h("li", {}, h("label", {}, box(name, shown), ` ${name}`, key !== null && h("kbd", {}, key)))),
    );
  }

  /** On Stage, a panel that comes takes the place of another. */
  function show() {
    const shown = new Map(list().map((one) => [one.name, one.shown]));
    for (const [at, input] of [...items.querySelectorAll("input")].entries()) input.checked = [...shown.values()][at];
  }

  /** @param {string} name @param {boolean} shown */
  function box(name, shown) {
    const input = h("input", { type: "checkbox", checked: shown, onchange: () => (setHidden(name, !input.checked), show()) });
    return input;
  }

  return root;
}

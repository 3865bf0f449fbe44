// A small sheet under the button that opens it. It closes with Escape, and when the focus goes elsewhere.

import { h } from "./dom.js";

const EDGE = 8; // pixels between a sheet and the window's edge, at least

/**
 * @param {string} style class of the whole
 * @param {HTMLButtonElement} opener
 * @param {HTMLElement} sheet
 * @param {() => void} fill called before the sheet opens
 */
export function createPopup(style, opener, sheet, fill) {
  sheet.hidden = true;
  opener.setAttribute("aria-expanded", "false");
  const root = h("span", { class: style }, opener, sheet);

  /** @param {boolean} shown */
  function open(shown) {
    if (shown) fill();
    sheet.hidden = !shown;
    opener.setAttribute("aria-expanded", String(shown));
    if (!shown) return;
    fit();
    sheet.scrollIntoView({ block: "nearest" });
    /** @type {HTMLElement | null} */ (sheet.querySelector("input, button"))?.focus();
  }

  opener.addEventListener("click", () => open(sheet.hidden === true));
  root.addEventListener("focusout", ({ relatedTarget }) => {
    // Nothing gets the focus where a label or the page itself was pressed: that is decided by the pointer, below.
    if (relatedTarget instanceof Node && !root.contains(relatedTarget)) open(false);
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (!sheet.hidden && !(target instanceof Node && root.contains(target))) open(false);
  });
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || sheet.hidden) return;
    event.stopPropagation();
    close();
  });

  // Where what had the focus cannot have it any more, nothing has it.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !sheet.hidden && document.activeElement === document.body) close();
  });

  addEventListener("resize", fit); // as when a phone is turned

  /** The focus goes back to where it came from. */
  function close() {
    open(false);
    opener.focus();
  }

  /** What is in the sheet may have made it wider than the window has room for on that side of the button: then it moves to the other. */
  function fit() {
    if (sheet.hidden) return;
    sheet.style.translate = "";
    const { left, right } = sheet.getBoundingClientRect();
    const shift = Math.max(EDGE - left, Math.min(0, document.documentElement.clientWidth - EDGE - right));
    if (shift) sheet.style.translate = `${shift}px`;
  }

  return { root, close, fit };
}

// A question beside a button, for what cannot be undone. It does not block the page: whoever goes on elsewhere has
// answered no.

import { h } from "./dom.js";

/**
 * @param {HTMLButtonElement} opener gets the focus back
 * @param {{ question: string, yes: string, no: string, action: () => void }} words
 */
export function createConfirm(opener, { question, yes, no, action }) {
  const id = `${opener.className.replaceAll(" ", "-")}-question`;
  const keep = h("button", { type: "button", onclick: () => answer() }, no);
  const go = h("button", { type: "button", class: "danger", onclick: () => answer(action) }, yes);
  const element = h("dialog", { class: "confirm", "aria-labelledby": id }, h("p", { id }, question), h("div", {}, go, keep));
  opener.setAttribute("aria-haspopup", "dialog");

  /** @param {() => void} [then] */
  function answer(then) {
    opener.focus();
    element.close();
    then?.();
  }

  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    answer();
  });
  element.addEventListener("focusout", ({ relatedTarget }) => {
    // The opener closes it itself, when it is pressed.
    if (relatedTarget === opener || (relatedTarget instanceof Node && element.contains(relatedTarget))) return;
    element.close();
  });

  return {
    element,
    close: () => element.close(),
    toggle() {
      if (element.open) return element.close();
      element.show();
      keep.focus(); // Enter pressed once too often keeps the run
    },
  };
}

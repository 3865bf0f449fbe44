// A question beside a button, for what cannot be undone. It does not block the page: whoever goes on elsewhere has
// answered no.

import { h, setText } from "./dom.js";

let count = 0;

/**
 * @param {HTMLButtonElement} opener gets the focus back
 * @param {{ question: () => string, yes: string, no: string, action: () => void }} words
 */
export function createConfirm(opener, { question, yes, no, action }) {
  const id = `question-${++count}`;
  const keep = h("button", { type: "button", onclick: () => answer() }, no);
  const go = h("button", { type: "button", class: "danger", onclick: () => answer(action) }, yes);
  const asked = h("p", { id });
  const element = h("dialog", { class: "confirm", "aria-labelledby": id }, asked, h("div", {}, go, keep));
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
    event.stopPropagation();
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
      setText(asked, question());
      element.show();
      keep.focus(); // Enter pressed once too often keeps the run
    },
  };
}

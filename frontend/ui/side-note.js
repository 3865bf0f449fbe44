// A note beside a title: what a drawing leaves out, in a word or two, and in full for whoever points at it or comes to it by
// keyboard. Where the words have no room, a sign stands for them, and nothing is cut.

import { h, setAttribute, setText } from "./dom.js";

/** @import { Note } from "../types.js" */

/** @typedef {{ element: HTMLElement, show(notes: Note[]): void, inFull(): string }} SideNote */

/** @returns {SideNote} */
export function createSideNote() {
  const words = h("span", { class: "note-words" });
  const element = h("p", { class: "note" }, words);

  // Of sizes that are told nothing has to be laid out to be asked.
  const sizes = new ResizeObserver(() => {
    const { paddingLeft, paddingRight } = getComputedStyle(element);
    const room = element.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
    element.toggleAttribute("data-short", words.offsetWidth > Math.ceil(room));
  });
  sizes.observe(element);
  sizes.observe(words);

  return {
    element,
    show(notes) {
      const short = notes.map(({ short }) => short).join(", ");
      const long = notes.map(({ long }) => long).join(" ");
      setText(words, short);
      setAttribute(element, "title", long);
      if (!short) return ["role", "tabindex", "aria-label"].forEach((name) => element.removeAttribute(name));
      setAttribute(element, "role", "note");
      setAttribute(element, "tabindex", "0");
      setAttribute(element, "aria-label", `${short}: ${long}`);
    },
    inFull: () => element.title,
  };
}

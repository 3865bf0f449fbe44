// Lines to be taken along: as they are, with a button that copies them.

import { h, setHidden, setText } from "./dom.js";

const SELECTED = "Copying is not permitted here: they are selected, copy them with the keyboard.";

/** @param {string} label what they are */
export function createCopyable(label) {
  const text = h("pre", { tabindex: 0, "aria-label": label });
  const said = h("span", { role: "status" });
  const element = h(
    "div",
    { class: "copyable" },
    text,
    h("p", {}, h("button", { type: "button", onclick: () => void copy() }, "Copy these lines"), said),
  );

  async function copy() {
    getSelection()?.selectAllChildren(text);
    const copied = navigator.clipboard?.writeText(text.textContent ?? "") ?? Promise.reject(new Error(SELECTED));
    await copied.then(
      () => setText(said, "Copied."),
      () => setText(said, SELECTED),
    );
  }

  return {
    element,
    /** @param {string | null} lines null: there are none */
    show(lines) {
      setHidden(element, !lines);
      if (text.textContent !== (lines ?? "")) setText(said, "");
      setText(text, lines ?? "");
    },
  };
}

// Lines to be taken along: as they are, with a button that copies them.

import { h, setHidden, setText } from "./dom.js";

const SELECTED = "Copying is not permitted here: they are selected, copy them with the keyboard.";

/** @param {string} label what they are */
export function createCopyable(label) {
  const text = h("pre", { tabindex: 0, "aria-label": label });
  const said = h("span", { role: "status" });
  const ways = h("p", {}, h("button", { type: "button", onclick: () => void copy() }, "Copy these lines"), said);
  const element = h("div", { class: "copyable" });

  async function copy() {
    getSelection()?.selectAllChildren(text);
    try {
      await navigator.clipboard.writeText(text.textContent ?? "");
      setText(said, "Copied.");
    } catch {
      setText(said, SELECTED);
    }
  }

  return {
    element,
    /** @param {string | null} lines null: there are none */
    show(lines) {
      setHidden(element, !lines);
      if (text.textContent === (lines ?? "")) return;
      setText(text, lines ?? "");
      setText(said, "");
      element.replaceChildren(...(lines ? [text, ways] : []));
    },
  };
}

// The sheet behind "New run": the presets, each of which begins a run of its own.

import { h, setText } from "./dom.js";
import { lossInWords } from "./permission.js";
import { createTrial } from "./trial.js";

/** @import { Preset, State } from "../types.js" */

/**
 * @param {HTMLElement} parent
 * @param {State} state
 * @param {{ begin(preset: Preset): Promise<boolean>, cancel(): void, dismiss(): void, closed(): void }} actions `begin` says whether it began
 */
export function createNewRun(parent, state, { begin, cancel, dismiss, closed }) {
  const cost = h("p", { class: "cost" });
  const trial = createTrial({ cancel, dismiss });
  const list = h("ul", {});
  const close = h("button", { type: "button", onclick: () => dialog.close() }, "Keep this run");
  const dialog = h("dialog", { class: "new-run sheet", "aria-labelledby": "new-run-title" }, h("h2", { id: "new-run-title" }, "New run"), cost, list, h("div", { class: "trial-room" }, trial.element), close);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", closed);
  parent.append(dialog);
  let busy = false;

  /** @param {Preset} preset */
  async function choose(preset) {
    if (busy) return;
    busy = true;
    dialog.setAttribute("aria-busy", "true");
    const began = await begin(preset);
    busy = false;
    dialog.removeAttribute("aria-busy");
    if (began) dialog.close();
  }

  /** @param {Preset} preset */
  const row = (preset) =>
    h(
      "li",
      {},
      h(
        "button",
        { type: "button", title: `Settings from: ${preset.source}`, onclick: () => void choose(preset) },
        h("b", {}, preset.title),
        h("span", {}, preset.about),
      ),
    );

  return {
    isOpen: () => dialog.open,
    /** @param {State} state */
    draw(state) {
      trial.draw(state, dialog.open && state.trial?.place === "sheet" ? state.trial : null);
    },
    /** @param {Preset[]} presets */
    open(presets) {
      setText(cost, lossInWords(state));
      list.replaceChildren(...presets.map(row));
      dialog.showModal();
    },
  };
}

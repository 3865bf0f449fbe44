// The sheet behind "New run": the presets, each of which begins a run of its own.

import { h, setText } from "./dom.js";
import { losesTraining } from "./permission.js";

/** @import { Preset, State } from "../types.js" */

/**
 * @param {HTMLElement} parent
 * @param {State} state
 * @param {(preset: Preset) => Promise<void>} begin rejects with the reason where the run cannot begin
 */
export function createNewRun(parent, state, begin) {
  const cost = h("p", { class: "cost" });
  const answer = h("p", { role: "alert" });
  const list = h("ul", {});
  const close = h("button", { type: "button", onclick: () => dialog.close() }, "Keep this run");
  const dialog = h("dialog", { class: "new-run sheet", "aria-labelledby": "new-run-title" }, h("h2", { id: "new-run-title" }, "New run"), cost, list, answer, close);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  parent.append(dialog);
  let busy = false;

  /** @param {Preset} preset */
  async function choose(preset) {
    if (busy) return;
    busy = true;
    dialog.setAttribute("aria-busy", "true");
    setText(answer, `Setting up ${preset.title}…`);
    try {
      await begin(preset);
      setText(answer, "");
      dialog.close();
    } catch (error) {
      setText(answer, error instanceof Error ? error.message : String(error));
    } finally {
      busy = false;
      dialog.removeAttribute("aria-busy");
    }
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
    /** @param {Preset[]} presets */
    open(presets) {
      setText(answer, "");
      setText(cost, losesTraining(state) ? "It takes the place of the run at hand, whose weights are thrown away." : "");
      list.replaceChildren(...presets.map(row));
      dialog.showModal();
    },
  };
}

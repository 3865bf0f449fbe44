// Stage: the pipeline and the formula in a slim row, and below it one or two panels as large as the window allows.

import { h, icon } from "../ui/dom.js";
import { NARROW } from "../ui/phone.js";

/** @import { State } from "../types.js" */

const STAGE = "M1 2h14v1.6H1zM1 5.2h14V14H1zm1.6 1.6v5.6h10.8V6.8z";

/**
 * @param {State} state
 * @param {() => void} toggle
 * @param {() => void} changed there is room for it now, or none
 */
export function createStage(state, toggle, changed) {
  NARROW.addEventListener("change", changed);
  const button = h("button", { type: "button", class: "quiet square stage-opener", onclick: toggle }, icon(STAGE));

  return {
    button,
    /** Tells the styles what there is to make room for. */
    draw() {
      const shown = state.view.layout === "stage" && !NARROW.matches;
      document.body.toggleAttribute("data-stage", shown);
      document.body.toggleAttribute("data-compared", state.comparison !== null);
      button.setAttribute("aria-pressed", String(shown));
      button.setAttribute("aria-label", "Stage");
      button.title = shown ? "Back to all panels (s, Esc)" : "Stage: one or two panels as large as the window allows (s)";
    },
  };
}

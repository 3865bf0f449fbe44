// "Apply to this update": the line above the sliders that says what waits, and offers to make the update at hand anew with it.

import { inWords, underWay } from "../state/activity.js";
import { h, setHidden, setText } from "../ui/dom.js";
import { OVER } from "../state/ended.js";
import { whyNoControl, whyNot } from "../state/permission.js";
import { previewable } from "./reach.js";

/** @import { State } from "../types.js" */

const NOTHING = "What is moved here applies from the next update on.";
const OVER_NOW = "The run is over: nothing more is changed in it.";
const FROM_THE_DISK = "The run is shown from the disk. Fork it to see what another value would have made of it.";
const THEIRS_FROM_THE_DISK = "The run is shown from the disk. Its training loop is somebody else's, and nothing is changed in it here.";

/**
 * Its room is always there: what begins to wait must not push the sliders from under the pointer.
 *
 * @param {HTMLElement} root
 * @param {() => void} apply
 * @param {() => void} cancel
 */
export function createApply(root, apply, cancel) {
  const text = h("p", {});
  const bar = h("progress", { max: 1, "aria-label": "The update, made a second time" });
  const button = h("button", { type: "button", onclick: apply });
  const stop = h("button", { type: "button", onclick: cancel }, "Cancel");
  root.append(text, h("div", { class: "acts" }, bar, button, stop));
  root.hidden = false;

  return {
    /** @param {State} state */
    draw(state) {
      const made = underWay(state)?.name === "redo" ? state.activity : null;
      const offers = !made && isOffered(state);
      root.toggleAttribute("data-offers", offers || made !== null);
      for (const element of [bar, stop]) setHidden(element, made === null);
      setHidden(button, !offers);
      if (made) {
        bar.value = made.done / (made.of || 1);
        setText(text, inWords(made));
        stop.disabled = whyNoControl(state) !== null;
        return;
      }
      setText(text, inShort(state));
      if (!offers) return;
      const reason = whyNot(state, "redo");
      button.disabled = reason !== null;
      setText(button, label(state));
      button.title = reason ?? "Makes this update anew from its start, with the change, and shows both outcomes side by side";
    },
  };
}

/** Where the run has halted by itself, there is no whole update to make anew. @param {State} state */
function isOffered({ status, past, comparison }) {
  const paused = status?.state === "paused" && (status.update ?? 0) > 0 && !status.cause;
  return paused && Object.keys(status.pending ?? {}).length > 0 && past === null && comparison === null;
}

/** In the middle of an update that one has to be whole first, which is said beforehand. @param {State} state */
const label = ({ status }) => (status?.phase === "update" ? "Apply to this update" : `Finish update ${status?.update}, then apply to it`);

/** What waits. @param {State} state */
function inShort(state) {
  const { status, past, snapshot } = state;
  if (past && !snapshot?.arrays.ratio) return "The past is on show, of a moment whose samples were not measured: there is nothing to preview.";
  if (past) return `The past is on show: ${previewable(snapshot?.header.settings.objective)} only preview it, and change nothing in the run.`;
  const waiting = Object.keys(status?.pending ?? {}).length;
  if (!waiting && status?.state === "kept") return state.run?.attached ? THEIRS_FROM_THE_DISK : FROM_THE_DISK;
  if (!waiting) return OVER.has(status?.state ?? "") ? OVER_NOW : (whyNoControl(state) ?? NOTHING);
  return waiting === 1 ? "One change waits for the next update." : `${waiting} changes wait for the next update.`;
}

// What is said of a new run while it has to prove that it trains, and where it could not.

import { isOver } from "../state/ended.js";
import { h, setHidden, setText } from "../ui/dom.js";
import { whyNoControl } from "../state/permission.js";

/** @import { State, Trial } from "../types.js" */

/**
 * @param {{ cancel(): void, dismiss(): void }} actions
 */
export function createTrial({ cancel, dismiss }) {
  const text = h("p", {});
  const why = h("p", {});
  const after = h("p", {});
  const seconds = h("span", { class: "seconds", "aria-hidden": "true" });
  const stop = h("button", { type: "button", onclick: cancel }, "Cancel");
  const trace = h("pre", { tabindex: 0, "aria-label": "Details" });
  const detail = h("details", {}, h("summary", {}, "Details"), trace);
  const close = h("button", { type: "button", onclick: dismiss }, "Dismiss");
  const element = h(
    "div",
    { class: "trial", role: "status", hidden: true },
    h("div", {}, text, h("div", { role: "alert" }, why, after), detail),
    seconds,
    stop,
    close,
  );

  /** @param {State} state @param {Trial | null} trial null: there is nothing to say */
  function draw(state, trial) {
    setHidden(element, trial === null);
    if (!trial) return;
    const { refused } = trial;
    element.toggleAttribute("data-refused", refused !== null);
    setText(text, refused ? "" : `Trying out the new run${isOver(state) ? "." : "; the one at hand goes on."}`);
    setText(why, refused?.message ?? "");
    setText(after, refused ? afterRefusal(state) : "");
    setText(seconds, refused ? "" : `${Math.floor((performance.now() - trial.since) / 1000)}\u00a0s`);
    setText(trace, refused?.detail ?? "");
    setHidden(detail, !refused?.detail);
    setHidden(seconds, refused !== null);
    setHidden(stop, refused !== null || whyNoControl(state) !== null);
    setHidden(close, refused === null || trial.place === "sheet");
  }

  return { element, draw };
}

/** @param {State} state */
function afterRefusal(state) {
  if (isOver(state) || !state.run) return "";
  return state.status?.state === "running" ? "The run at hand goes on." : "The run at hand is as it was.";
}

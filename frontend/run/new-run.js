// The sheet behind "New run": where to start from, and a form with every setting of the run that is to begin.

import { isOver } from "../state/ended.js";
import { placed } from "../state/setting-text.js";
import { h, setText } from "../ui/dom.js";
import { lossInWords } from "../state/permission.js";
import { createRunForm } from "./run-form.js";
import { createTrial } from "./trial.js";

/** @import { KnownEnvironment, Preset, Setting, State } from "../types.js" */

/** Stands for the run at hand among the names of the presets. */
const AT_HAND = "";

/**
 * @param {HTMLElement} parent
 * @param {State} state
 * @param {{ begin(settings: Record<string, unknown>, beside: boolean): Promise<boolean>, cancel(): void, dismiss(): void, closed(): void }} actions `begin` says whether it began
 */
export function createNewRun(parent, state, { begin, cancel, dismiss, closed }) {
  const cost = h("p", { class: "cost" });
  const trial = createTrial({ cancel, dismiss });
  const starts = h("div", { class: "run-starts", role: "radiogroup", "aria-label": "Start from" });
  const room = h("div", { class: "form-room" });
  const start = h("button", { type: "submit", class: "primary" }, "Begin");
  const keep = h("button", { type: "button", onclick: () => dialog.close() }, "Keep this run");
  const then = h("span", { class: "then" });
  const instead = h("input", { type: "radio", name: "place", checked: true, onchange: showCost });
  const beside = h("input", { type: "radio", name: "place", onchange: showCost });
  const place = h(
    "div",
    { class: "run-place", role: "radiogroup", "aria-label": "The run at hand" },
    h("label", {}, instead, " instead of the run at hand"),
    h("label", {}, beside, " beside it: both go on"),
  );
  const form = h(
    "form",
    { novalidate: true, onsubmit: (/** @type {SubmitEvent} */ event) => void submit(event) },
    h("div", { class: "run-choices" }, h("div", { class: "start-room" }, h("h3", {}, "Start from"), starts), room),
    h("div", { class: "trial-room" }, trial.element),
    place,
    h("div", { class: "run-ends" }, start, keep, then),
  );
  const dialog = h("dialog", { class: "new-run sheet", "aria-labelledby": "new-run-title" }, h("h2", { id: "new-run-title" }, "New run"), cost, form);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", closed);
  parent.append(dialog);
  let busy = false;
  /** @type {ReturnType<typeof createRunForm> | null} */
  let fields = null;
  /** @type {Setting[]} */
  let built = [];

  /** What the run at hand would lose. */
  function showCost() {
    setText(cost, beside.checked ? "" : lossInWords(state));
  }

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const settings = busy ? null : fields?.values();
    if (!settings) return;
    busy = true;
    dialog.setAttribute("aria-busy", "true");
    const began = await begin(settings, beside.checked);
    busy = false;
    dialog.removeAttribute("aria-busy");
    if (began) return dialog.close();
    const refused = state.trial?.refused?.message;
    if (refused && dialog.open)
      fields?.fail(
        placed(
          refused,
          built.map(({ name }) => name),
        ),
      );
  }

  /** @param {string} name @param {string} title @param {string} about @param {string} expect @param {string | null} missing @param {() => Record<string, unknown>} values */
  const row = (name, title, about, expect, missing, values) => {
    const radio = h("input", { type: "radio", name: "start", value: name, onchange: () => fields?.show(values()) });
    return h(
      "label",
      { class: "run-start" },
      radio,
      h("b", {}, title),
      h("span", {}, about),
      expect ? h("span", { class: "start-expect" }, `To expect: ${expect.charAt(0).toLowerCase()}${expect.slice(1)}`) : null,
      missing ? h("span", { class: "start-missing" }, `It ${missing}.`) : null,
    );
  };

  return {
    isOpen: () => dialog.open,
    /** @param {State} state */
    draw(state) {
      trial.draw(state, dialog.open && state.trial?.place === "sheet" ? state.trial : null);
      setText(
        then,
        isOver(state) || state.status?.state !== "running"
          ? "It begins paused, as the run at hand is."
          : "It trains at once, as the run at hand does.",
      );
    },
    /** @param {Preset[]} presets @param {KnownEnvironment[]} environments */
    open(presets, environments) {
      if (!fields || built !== state.settings) {
        built = state.settings;
        fields = createRunForm(built);
        room.replaceChildren(fields.element);
      }
      instead.checked = true;
      showCost();
      const seed = state.run?.seed ?? 1;
      starts.replaceChildren(
        row(AT_HAND, "The run at hand", "Its environment, network and settings, as they are now.", "", null, () => valuesAtHand(state)),
        ...presets.map(({ name, title, about, expect, missing, settings }) =>
          row(name, title, about, expect, missing, () => ({ seed, ...settings })),
        ),
      );
      fields.offer(environments);
      fields.show(valuesAtHand(state));
      const first = /** @type {HTMLInputElement} */ (starts.querySelector("input"));
      first.checked = true;
      dialog.showModal();
      first.focus();
    },
  };
}

/** What the run at hand was begun with, and what was changed since. @param {State} state @returns {Record<string, unknown>} */
function valuesAtHand({ run, newest, status }) {
  return { ...run?.settings, ...newest?.header.settings, ...newest?.header.chosen, ...status?.pending };
}

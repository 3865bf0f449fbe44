// The sheet for a run that takes up what was kept of one: a fork from before an update, or the run itself beyond its end.

import { fullTitleOf } from "../state/called.js";
import { isOver } from "../state/ended.js";
import { count } from "../state/format.js";
import { stateBefore, valuesAt } from "../state/lineage.js";
import { comesToRest } from "../state/motion.js";
import { lossInWords, whyNoControl } from "../state/permission.js";
import { placed } from "../state/setting-text.js";
import { h, setHidden, setText } from "../ui/dom.js";
import { sameValue } from "./run-field.js";
import { createRunForm } from "./run-form.js";
import { createTrial } from "./trial.js";

/** @import { KeptRunWhole, NewRun, State } from "../types.js" */

/**
 * @typedef {object} Wanted
 * @property {string} run
 * @property {boolean} [resume] the run itself shall go on; else another one branches off
 * @property {number | null} [update] before which it is to branch off; null: from the newest state
 */

/**
 * @param {HTMLElement} parent
 * @param {State} state
 * @param {object} actions
 * @param {(wanted: Partial<NewRun>) => Promise<boolean>} actions.begin says whether it began
 * @param {(run: string) => Promise<KeptRunWhole>} actions.whole what is kept of a run
 * @param {() => void} actions.cancel
 * @param {() => void} actions.dismiss
 * @param {() => void} actions.closed
 */
export function createBranch(parent, state, { begin, whole, cancel, dismiss, closed }) {
  const title = h("h2", { id: "branch-title" });
  const about = h("p", { class: "branch-about" });
  const cost = h("p", { class: "cost" });
  const at = h("input", {
    id: "branch-at",
    type: "text",
    inputmode: "numeric",
    autocomplete: "off",
    "aria-describedby": "branch-kept",
    onchange: move,
  });
  const kept = h("p", { class: "field-note", id: "branch-kept" });
  const where = h("div", { class: "field branch-where" }, h("label", { for: "branch-at" }, "Branch off before update"), at, kept);
  const room = h("div", { class: "form-room" });
  const trial = createTrial({ cancel, dismiss });
  const beside = h("input", { type: "radio", name: "branch-place", onchange: showCost });
  const instead = h("input", { type: "radio", name: "branch-place", onchange: showCost });
  const start = h("button", { type: "submit", class: "primary" });
  const then = h("span", { class: "then" });
  const form = h(
    "form",
    { novalidate: true, onsubmit: (/** @type {SubmitEvent} */ event) => void submit(event) },
    where,
    room,
    h("div", { class: "trial-room" }, trial.element),
    h(
      "div",
      { class: "run-place", role: "radiogroup", "aria-label": "The run at hand" },
      h("label", {}, beside, " beside the run at hand: both go on"),
      h("label", {}, instead, " instead of it"),
    ),
    h("div", { class: "run-ends" }, start, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), then),
  );
  const dialog = h("dialog", { class: "new-run branch sheet", "aria-labelledby": "branch-title" }, title, about, cost, form);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", closed);
  parent.append(dialog);
  let busy = false;
  /** What is taken up, and before which update. @type {{ wanted: Wanted, found: KeptRunWhole, at: number } | null} */
  let shown = null;
  /** @type {ReturnType<typeof createRunForm> | null} */
  let fields = null;

  function showCost() {
    setText(cost, instead.checked ? lossInWords(state) : "");
  }

  function showThen() {
    const paused = isOver(state) || state.status?.state !== "running";
    const words = paused ? "It begins paused, as the run at hand is." : "It trains at once, as the run at hand does.";
    setText(then, shown?.wanted.resume ? "It trains at once." : words);
  }

  /** Goes to the kept state that is nearest to what was typed, and not behind it. */
  function move() {
    if (!shown) return;
    const typed = Number(at.value.replaceAll(/[,\s]/g, ""));
    const found = Number.isFinite(typed) ? stateBefore(shown.found.states, typed) : null;
    if (found !== null && found !== shown.at) {
      shown.at = found;
      showForm(fields?.values() ?? {});
    }
    showPlace(typed);
  }

  /** @param {number | null} typed what was asked for */
  function showPlace(typed) {
    if (!shown) return;
    const { found, at: update, wanted } = shown;
    at.value = String(update);
    const [first, last] = [found.states[0], found.states.at(-1)];
    const near = typed !== null && typed !== update ? `The nearest to update ${count(typed)} that is kept. ` : "";
    const places =
      found.states.length === 1
        ? "No other state is kept."
        : `${count(found.states.length)} states are kept, from ${count(first)} to ${count(last)}.`;
    setText(kept, near + places);
    setText(about, wanted.resume ? aboutEnd(found) : aboutFork(found, update));
  }

  /** The settings that may be others, as they were there. @param {Record<string, unknown>} entered by name, where somebody has been at them */
  function showForm(entered) {
    if (!shown) return;
    const { found, at: update, wanted } = shown;
    const values = valuesAt(found, update);
    const open = state.settings.filter(({ live, name }) => live || name === "total_steps" || (!wanted.resume && name === "seed"));
    fields = createRunForm(
      open.map((setting) => ({ ...setting, default: values[setting.name] ?? setting.default })),
      { prefix: "branch", of: "was", unfolded: ["run", "loss", "optimizer"] },
    );
    fields.show({ ...values, ...entered });
    room.replaceChildren(fields.element);
  }

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    if (busy || !shown || !fields) return;
    const { wanted, found, at: update } = shown;
    const values = fields.values();
    if (!values) return;
    const before = valuesAt(found, update);
    const settings = Object.fromEntries(Object.entries(values).filter(([name, value]) => !sameValue(value, before[name])));
    if (wanted.resume && found.state === "finished" && !("total_steps" in settings))
      return fields.fail(new Map([["total_steps", "More than it has made, or nothing for no end."]]));
    busy = true;
    dialog.setAttribute("aria-busy", "true");
    const began = await begin({
      settings,
      paused: !wanted.resume && comesToRest(state),
      ...(wanted.resume ? { resume: wanted.run } : { fork: { run: wanted.run, update } }),
      ...(instead.checked ? { instead: state.run?.id ?? null, lease: state.lease.generation } : { beside: true }),
    });
    busy = false;
    dialog.removeAttribute("aria-busy");
    if (began) return dialog.close();
    const refused = state.trial?.refused?.message;
    if (refused && dialog.open) fields.fail(placed(refused, Object.keys(values)));
  }

  return {
    isOpen: () => dialog.open,
    /** @param {State} state */
    draw(state) {
      trial.draw(state, dialog.open && state.trial?.place === "sheet" ? state.trial : null);
      showThen();
    },
    /**
     * @param {Wanted} wanted
     * @throws {Error} nothing is kept that it could begin with; in words for people
     */
    async open(wanted) {
      const found = await whole(wanted.run);
      const update = stateBefore(found.states, wanted.update ?? Infinity);
      if (update === null) throw new Error(nothing(found, wanted));
      shown = { wanted, found, at: update };
      setText(title, `${wanted.resume ? "Go on with" : "Fork of"} ${fullTitleOf(found)}`);
      setText(start, wanted.resume ? "Go on" : "Fork");
      setHidden(where, wanted.resume === true);
      beside.checked = true;
      instead.disabled = whyNoControl(state) !== null;
      instead.title = whyNoControl(state) ?? "";
      showForm({});
      showPlace(wanted.update ?? null);
      showCost();
      showThen();
      dialog.showModal();
      (wanted.resume ? /** @type {HTMLElement} */ (room.querySelector("#branch-total_steps")) : at).focus();
    },
  };
}

/** @param {KeptRunWhole} run @param {number} update */
function aboutFork({ id }, update) {
  const own = `from update ${count(update)} on it goes its own way, with what is set here`;
  return update === 1 ? `It begins as run ${id} began; ${own}.` : `It is run ${id} up to update ${count(update - 1)}; ${own}.`;
}

/** @param {KeptRunWhole} run */
const aboutEnd = ({ id, update }) =>
  `Run ${id} has made all its steps, in ${count(update)} updates. It goes on from there with a later end: say which, or leave Total steps empty for none.`;

/** @param {KeptRunWhole} run @param {Wanted} wanted */
function nothing({ id, states }, { update }) {
  if (!states.length) return `Nothing of run ${id} is kept yet that another one could begin with. Wait a moment, and try again.`;
  return `Run ${id} cannot be forked before update ${count(update)}: the earliest state that is kept is that before update ${count(states[0])}.`;
}

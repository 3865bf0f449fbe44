// Runs in one page: which they are, where each of them is, what differs, and what stands side by side.

import { differences, markedNameOf, nameOf, placeOf, sidesOf } from "../state/beside.js";
import { runState } from "../state/ended.js";
import { settingText } from "../state/format.js";
import { LOOKS, MOST, letterOf } from "../state/looks.js";
import { standsInWords } from "../state/stands.js";
import { saveView } from "../state/view.js";
import { h, icon, prose, setAttribute, setHidden, setText } from "../ui/dom.js";
import { arrange, runMark } from "../ui/run-mark.js";

/** @import { Setting, SettingValue, State, ViewChoices } from "../types.js" */

const NAMED = 2; // settings that are named in the line; of more, how many
/** What the runs are called by. */
const NAMES = new Set(["env", "seed"]);
const ALIGN = { update: "by update", steps: "by environment steps" };
const CROSS = "M4.2 3.1 8 6.9l3.8-3.8 1.1 1.1L9.1 8l3.8 3.8-1.1 1.1L8 9.1l-3.8 3.8-1.1-1.1L6.9 8 3.1 4.2z";

/**
 * @param {HTMLElement} root
 * @param {State} state
 * @param {object} page
 * @param {() => void} page.add opens the list of what can be compared besides
 * @param {(other: State) => void} page.remove takes one out
 * @param {() => void} page.end
 * @param {() => void} page.aligned what stands side by side was chosen anew
 * @param {() => string | null} page.limits what cannot be done with some of them, and why
 */
export function createBeside(root, state, { add, remove, end, aligned, limits }) {
  const entries = LOOKS.map((_, place) => entry(place, () => state.others.filter((other) => other.place === place).forEach(remove)));
  const list = h("div", { class: "of-those" });
  const align = h(
    "select",
    { "aria-label": "Aligned by", onchange: choose },
    ...Object.entries(ALIGN).map(([value, text]) => h("option", { value }, text)),
  );
  const rows = h("tbody", {});
  const heads = h("tr", {});
  const table = h("table", { id: "differences" }, h("caption", { class: "visually-hidden" }, "Settings that differ"), h("thead", {}, heads), rows);
  const differs = h("summary", {});
  const details = h("details", { class: "differences" }, differs, table);
  const adder = h("button", { type: "button", class: "quiet", onclick: add }, "Add a run…");
  const why = h("p", { class: "why", role: "status" });
  root.append(
    h("h2", { class: "visually-hidden" }, "Compared runs"),
    list,
    h(
      "div",
      { class: "of-all" },
      adder,
      details,
      h(
        "label",
        {
          class: "align",
          title:
            "Which moments of the runs stand side by side, and what Step goes on by: aligned by environment steps, the runs that have fewer of them",
        },
        align,
      ),
      h("button", { type: "button", class: "quiet", onclick: end }, "End comparing"),
    ),
    why,
  );
  // Whoever goes on elsewhere does not look at it any more.
  document.addEventListener("pointerdown", ({ target }) => {
    if (details.open && !(target instanceof Node && details.contains(target))) details.open = false;
  });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    event.stopPropagation();
    details.open = false;
    differs.focus();
  });
  let written = "";

  function choose() {
    state.view.align = /** @type {ViewChoices["align"]} */ (align.value);
    saveView(state.view);
    aligned();
  }

  /** @param {State} state */
  function draw(state) {
    setHidden(root, state.others.length === 0);
    if (!state.others.length) return;
    const runs = sidesOf(state);
    root.toggleAttribute("data-crowded", runs.length > 2);
    for (const run of runs) entries[run.place].draw(run);
    arrange(
      list,
      entries.map(({ element }) => element),
      runs.map(({ place }) => place),
    );
    adder.disabled = runs.length >= MOST;
    setAttribute(adder, "title", adder.disabled ? `${MOST} runs are compared: no more are told apart at a glance.` : "From the list of runs");
    if (align.value !== state.view.align) align.value = state.view.align;
    const reason = limits();
    setText(why, reason ?? "");
    setAttribute(why, "title", reason ?? "");
    const found = differences(runs);
    setText(differs, inShort(found.filter(({ name }) => !NAMES.has(name)).map(({ name }) => labelOf(state.settings, name))));
    const key = JSON.stringify([found, runs.map(({ place, run }) => [place, run?.id, nameOf({ run })])]);
    if (key === written) return;
    written = key;
    heads.replaceChildren(
      h("th", { scope: "col" }, "setting"),
      ...runs.map((run) => h("th", { scope: "col" }, runMark(run.place), " ", nameOf(run))),
    );
    rows.replaceChildren(...found.map(({ name, values, changed }) => row(labelOf(state.settings, name), values, changed)));
    setHidden(table, found.length === 0);
  }

  return { draw };
}

/** A run by the line that its curves are drawn with, and the way to take it out. @param {number} place @param {() => void} remove */
function entry(place, remove) {
  const name = h("strong", {});
  const at = h("span", { class: "place" });
  const now = h("span", { class: "run-state" });
  const remover = h("button", { type: "button", class: "quiet square", onclick: remove }, icon(CROSS));
  const element = h("p", { class: "of-run" }, runMark(place), name, at, now, place > 0 && remover); // the page shows the first one
  return {
    element,
    /** @param {State} state */
    draw(state) {
      const running = runState(state);
      const lost = !state.recorded && state.connection.state !== "open";
      setText(name, place ? markedNameOf(state) : nameOf(state));
      setAttribute(element, "title", nameOf(state));
      setText(at, placeOf(state));
      setText(now, state.recorded ? "recorded" : lost ? "not connected" : standsInWords(state));
      setAttribute(now, "data-state", lost || state.recorded ? "unknown" : (running ?? "unknown"));
      setAttribute(remover, "aria-label", `Take ${letterOf(state)}, ${nameOf(state)}, out of the comparison`);
      setAttribute(remover, "title", "Take it out of the comparison");
    },
  };
}

/** @param {readonly Setting[]} table @param {string} name */
export const labelOf = (table, name) => {
  const found = table.find((row) => row.name === name);
  return found ? [found.label, found.symbol].filter(Boolean).join(" ") : name.replaceAll("_", " ");
};

/** @param {string[]} names of the settings that differ */
export function inShort(names) {
  if (!names.length) return "Their settings are the same";
  const more = names.length - NAMED;
  return `Differ: ${names.slice(0, NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** @param {string} label @param {(SettingValue | undefined)[]} values of each run @param {boolean} changed while one of them ran */
const row = (label, values, changed) =>
  h(
    "tr",
    {},
    h("th", { scope: "row" }, ...prose(label), changed ? h("small", {}, " changed while it ran") : null),
    ...values.map((value) => h("td", {}, value === undefined ? "–" : settingText(value))),
  );

// Two runs in one page: which they are, where each of them is, what differs, and what stands side by side.

import { differences, nameOf, placeOf, shortNameOf } from "../state/beside.js";
import { runState } from "../state/ended.js";
import { settingText } from "../state/format.js";
import { saveView } from "../state/view.js";
import { h, prose, setAttribute, setHidden, setText } from "../ui/dom.js";

/** @import { Setting, State, ViewChoices } from "../types.js" */

const NAMED = 2; // settings that are named in the line; of more, how many
/** What the runs are called by. */
const NAMES = new Set(["env", "seed"]);
const ALIGN = { update: "by update", steps: "by environment steps" };

/**
 * @param {HTMLElement} root
 * @param {State} state
 * @param {object} page
 * @param {() => void} page.end
 * @param {() => void} page.aligned what stands side by side was chosen anew
 * @param {() => string | null} page.limits what cannot be done with one of the two, and why
 */
export function createBeside(root, state, { end, aligned, limits }) {
  const [here, there] = ["here", "there"].map(side);
  const align = h(
    "select",
    { "aria-label": "Aligned by", onchange: choose },
    ...Object.entries(ALIGN).map(([value, text]) => h("option", { value }, text)),
  );
  const rows = h("tbody", {});
  const heads = [h("th", { scope: "col" }), h("th", { scope: "col" })];
  const table = h(
    "table",
    { id: "differences" },
    h("caption", { class: "visually-hidden" }, "Settings that differ"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "setting"), ...heads)),
    rows,
  );
  const differs = h("summary", {});
  const details = h("details", { class: "differences" }, differs, table);
  const why = h("p", { class: "why", role: "status" });
  root.append(
    h("h2", { class: "visually-hidden" }, "Two runs"),
    here.element,
    there.element,
    details,
    h(
      "label",
      {
        class: "align",
        title: "Which moments of the two stand side by side, and what Step goes on by: aligned by environment steps, the run that has fewer of them",
      },
      align,
    ),
    h("button", { type: "button", class: "quiet", onclick: end }, "End comparing"),
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
    const { other } = state;
    setHidden(root, other === null);
    if (!other) return;
    here.draw(state, nameOf(state));
    there.draw(other, shortNameOf(other, state));
    if (align.value !== state.view.align) align.value = state.view.align;
    const reason = limits();
    setText(why, reason ?? "");
    setAttribute(why, "title", reason ?? "");
    const found = differences(state, other);
    setText(differs, inShort(found.filter(({ name }) => !NAMES.has(name)).map(({ name }) => labelOf(state.settings, name))));
    const key = JSON.stringify([found, nameOf(state), nameOf(other)]);
    if (key === written) return;
    written = key;
    [state, other].forEach((run, index) => setText(heads[index], nameOf(run)));
    rows.replaceChildren(...found.map(({ name, one, other, changed }) => row(labelOf(state.settings, name), one, other, changed)));
    setHidden(table, found.length === 0);
  }

  return { draw };
}

/** One of the two, by the line that its curves are drawn with. @param {string} which */
function side(which) {
  const name = h("strong", {});
  const place = h("span", { class: "place" });
  const now = h("span", { class: "run-state" });
  const element = h("p", { class: `of-two ${which}` }, h("i", { class: `line-${which}`, "aria-hidden": "true" }), name, place, now);
  return {
    element,
    /** @param {State} state @param {string} called */
    draw(state, called) {
      const running = runState(state);
      const lost = !state.recorded && state.connection.state !== "open";
      setText(name, called);
      setAttribute(element, "title", nameOf(state));
      setText(place, placeOf(state));
      setText(now, state.recorded ? "recorded" : lost ? "not connected" : (running ?? "").replaceAll("_", " "));
      setAttribute(now, "data-state", lost || state.recorded ? "unknown" : (running ?? "unknown"));
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

/** @param {string} label @param {any} one @param {any} other @param {boolean} changed while it ran */
const row = (label, one, other, changed) =>
  h(
    "tr",
    {},
    h("th", { scope: "row" }, ...prose(label), changed ? h("small", {}, " changed while it ran") : null),
    ...[one, other].map((value) => h("td", {}, value === undefined ? "–" : settingText(value))),
  );

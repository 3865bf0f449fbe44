// Going from sample to sample: to the next step or environment, or to one with a property.

import { h } from "../../ui/dom.js";
import { cellOf, matrix } from "../../state/snapshot.js";

/** @import { PanelContext, Selection, Snapshot } from "../../types.js" */

/**
 * @typedef {object} Wanted
 * @property {string} text
 * @property {string} array
 * @property {(value: number) => number} rank the sample with the highest one is meant; NaN: none of those
 */

/** @type {readonly Wanted[]} */
const WANTED = [
  { text: "largest r", array: "ratio", rank: (r) => r },
  { text: "smallest r", array: "ratio", rank: (r) => -r },
  { text: "a held one", array: "region", rank: (code) => (code === 2 ? 1 : NaN) },
  { text: "a pulled-back one", array: "region", rank: (code) => (code === 3 ? 1 : NaN) },
  { text: "an inside one", array: "region", rank: (code) => (code === 1 ? 1 : NaN) },
  { text: "largest Â as used", array: "advantage_used", rank: (used) => used },
  { text: "smallest Â as used", array: "advantage_used", rank: (used) => -used },
  { text: "largest gradient", array: "gradient_total", rank: (norm) => norm },
];

/** @type {{ [key: string]: [number, number] }} steps, environments */
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {PanelContext} context */
export function createSeek(context) {
  /** @type {Snapshot | null} */
  let snapshot = null;
  /** @type {Selection | null} */
  let selection = null;

  /** @param {string} key */
  const button = (key, text = "", name = "") =>
    h("button", { type: "button", class: "quiet square", "aria-label": name, title: name, onclick: () => move(...MOVES[key]) }, text);
  const buttons = [
    button("ArrowLeft", "←", "Previous step"),
    button("ArrowRight", "→", "Next step"),
    button("ArrowUp", "↑", "Previous environment"),
    button("ArrowDown", "↓", "Next environment"),
  ];
  const find = h("select", { "aria-label": "Find a sample", onchange: () => seek(Number(find.value)) });
  find.append(h("option", { value: "" }, "Find …"), ...WANTED.map(({ text }, index) => h("option", { value: index, disabled: true }, text)));

  /** @param {number} steps @param {number} environments */
  function move(steps, environments) {
    if (!snapshot) return;
    const all = [...(snapshot.arrays.environments ?? [])];
    const columns = matrix(snapshot, "region")?.columns ?? 0;
    const cell = selection && cellOf(snapshot, selection);
    if (!all.length || !columns) return;
    if (!cell) return context.select({ environment: all[0], step: 0 });
    const row = Math.min(Math.max(cell.row + environments, 0), all.length - 1);
    context.select({ environment: all[row], step: Math.min(Math.max(cell.column + steps, 0), columns - 1) });
  }

  /** @param {number} index */
  function seek(index) {
    find.value = "";
    const found = snapshot && best(snapshot, WANTED[index], selection);
    if (found) context.select(found);
  }

  return {
    element: h("div", { class: "sample-seek" }, ...buttons, find),
    /** @param {Snapshot} next @param {Selection | null} selected */
    draw(next, selected) {
      snapshot = next;
      selection = selected;
      WANTED.forEach((wanted, index) => {
        /** @type {HTMLOptionElement} */ (find.options[index + 1]).disabled = best(next, wanted, null) === null;
      });
    },
    /** @param {KeyboardEvent} event */
    key(event) {
      const by = MOVES[event.key];
      if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      move(...by);
    },
  };
}

/**
 * The transition of the minibatch on show that ranks highest; of equal ones the first after `from`, so that asking
 * again goes on to the next.
 *
 * @param {Snapshot} snapshot
 * @param {Wanted} wanted
 * @param {Selection | null} from
 * @returns {Selection | null}
 */
function best(snapshot, { array, rank }, from) {
  const found = matrix(snapshot, array);
  const { region, in_minibatch: member, environments } = snapshot.arrays;
  if (!found || !region) return null;
  const cell = from && cellOf(snapshot, from);
  const start = cell ? cell.row * found.columns + cell.column + 1 : 0;
  let place = -1;
  let highest = -Infinity;
  for (let count = 0; count < found.values.length; count++) {
    const index = (start + count) % found.values.length;
    if (region[index] === 0 || member?.[index] === 0) continue;
    const value = rank(found.values[index]);
    if (value > highest) [place, highest] = [index, value];
  }
  if (place < 0) return null;
  const row = Math.floor(place / found.columns);
  return { environment: environments?.[row] ?? row, step: place - row * found.columns };
}

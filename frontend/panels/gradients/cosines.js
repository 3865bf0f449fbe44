// Angles between the gradients of two terms, layer by layer: a table whose columns stand under those of the chart.

import { h, prose, setAttribute, setText } from "../../ui/dom.js";
import { fixed } from "../../state/format.js";
import { matrix } from "../../state/snapshot.js";

/** @import { Snapshot } from "../../types.js" */
/** @import { Layer } from "../../ppo/layers.js" */

/** In the order of the rows of the array. A coefficient changes a length, and no angle. */
export const PAIRS = /** @type {const} */ ([
  ["L_PG", "L_VF"],
  ["L_PG", "−S"],
  ["L_VF", "−S"],
]);
const REM = 14; // pixels, where type is not enlarged
const NUMBER = 31; // CSS pixels that a number needs; a narrower column shows a sign
const SMALL = 0.1; // of a cosine: as good as a right angle
const MEANING = "Cosine of the angle between both gradients: 1 they agree, 0 they do not touch each other, −1 they work against each other";

/**
 * @param {HTMLElement} parent
 * @param {number} left pixels before the first column, as in a chart's margin
 * @param {number} right after the last
 * @returns {(snapshot: Snapshot, layers: Layer[], width: number) => void} writes what was measured, into so many pixels for
 *   all columns
 */
export function cosineTable(parent, left, right) {
  const rows = h("tbody", {});
  const columns = h("colgroup", {}, h("col", { style: `width: ${left / REM}rem` }));
  parent.append(
    h(
      "table",
      { class: "cosines", style: `padding-right: ${right / REM}rem`, "aria-label": "Cosines between the gradients of the terms", title: MEANING },
      columns,
      rows,
    ),
  );
  let made = "";
  /** @type {HTMLElement[][]} */
  let cells = [];

  /** @param {Layer[]} layers */
  function make(layers) {
    const key = layers.map(({ name }) => name).join();
    if (key === made) return;
    made = key;
    cells = PAIRS.map(() => layers.map(() => h("td", {})));
    const names = h("tr", { class: "visually-hidden" }, h("td", {}), ...layers.map(({ name }) => h("th", { scope: "col" }, name)));
    rows.replaceChildren(
      names,
      ...PAIRS.map((pair, row) =>
        h("tr", {}, h("th", { scope: "row" }, "cos(", ...pair.flatMap((term, index) => [index ? ", " : "", ...prose(term)]), ")"), ...cells[row]),
      ),
    );
  }

  return (snapshot, layers, width) => {
    make(layers);
    const brief = width / layers.length < NUMBER;
    const found = matrix(snapshot, "gradient_cosines");
    PAIRS.forEach((pair, row) =>
      layers.forEach(({ column, name }, place) => {
        const cosine = found ? found.values[row * found.columns + column] : NaN;
        const cell = cells[row][place];
        const absent = Number.isNaN(cosine);
        setText(cell, brief ? signOf(cosine) : absent ? "n/a" : fixed(cosine, 2));
        const words = absent ? why(snapshot, column, pair, name) : brief ? `${fixed(cosine, 2)} in ${name}` : "";
        setAttribute(cell, "title", words);
        if (brief) setAttribute(cell, "aria-label", words);
        else cell.removeAttribute("aria-label");
        cell.classList.toggle("nothing", Number.isNaN(cosine));
      }),
    );
  };
}

/** What a cosine says in one character. @param {number} cosine */
function signOf(cosine) {
  if (Number.isNaN(cosine)) return "·";
  return Math.abs(cosine) < SMALL ? "0" : cosine > 0 ? "+" : "−";
}

const TERM_ROWS = { L_PG: 0, L_VF: 1, "−S": 2 };

/**
 * Why there is no angle.
 *
 * @param {Snapshot} snapshot
 * @param {number} column
 * @param {(typeof PAIRS)[number]} pair
 * @param {string} layer
 */
function why(snapshot, column, pair, layer) {
  const norms = matrix(snapshot, "gradient_norms");
  const absent = pair.filter((term) => norms && !(norms.values[TERM_ROWS[term] * norms.columns + column] > 0));
  const words = absent.length === 2 ? `neither ${pair[0]} nor ${pair[1]} reaches` : `${absent[0] ?? "a term with coefficient 0"} does not reach`;
  return `n/a: ${words} ${layer}, so there is no angle`;
}

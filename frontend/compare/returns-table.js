// What each group has come to at the end of its curve, as a table; a run in it is opened by a click.

import { DRAWN, bestOf, finalInWords, finalOf, intervalInWords, measureInWords, nameOfGroup } from "../state/compared.js";
import { count, returned } from "../state/format.js";
import { h } from "../ui/dom.js";
import { onPress } from "../ui/pressed.js";
import { renew } from "../ui/renew.js";

/** @import { Compared, ComparedGroup, Comparison, Setting } from "../types.js" */

const HEADS = ["group", "seeds", "measure", "at step", "return", "95 % interval", "each run there"];

/** @param {(run: string) => void} open */
export function createTable(open) {
  const rows = h("tbody", {});
  const head = h("thead", {}, h("tr", {}, ...HEADS.map((text) => h("th", { scope: "col" }, text))));
  const table = h("table", { class: "compared-table" }, h("caption", {}, "At the end of each curve"), head, rows);
  onPress(rows, ({ dataset }) => dataset.open && open(dataset.open));
  return {
    element: h("div", { class: "compared-scroll", tabindex: "0", role: "group", "aria-label": "Final values" }, table),
    /** @param {Comparison} comparison @param {readonly Setting[]} table of settings @param {boolean} keyed whether the lines of one chart are told apart in it */
    draw(comparison, table, keyed) {
      const best = bestOf(comparison);
      const look = (/** @type {number} */ at) => keyed && at < DRAWN && h("i", { "data-look": String(at), "aria-hidden": "true" });
      renew(
        rows,
        comparison.groups.map((group, at) => row(group, look(at), nameOfGroup(group, comparison, table), comparison, best)),
      );
    },
  };
}

/** @param {ComparedGroup} group @param {Element | false} look @param {string} name @param {Comparison} comparison @param {string | null} best */
function row(group, look, name, comparison, best) {
  const final = finalOf(group);
  return h(
    "tr",
    { "data-key": name },
    h("th", { scope: "row" }, look, name),
    h("td", {}, String(group.runs.length)),
    h("td", {}, measureInWords(group)),
    h("td", {}, final ? count(final.step) : "–"),
    h("td", {}, h("b", {}, returned(final?.value))),
    h("td", {}, intervalInWords(group, comparison)),
    h("td", { class: "compared-each" }, ...group.runs.map((run) => each(run, run.id === best))),
  );
}

/** What one has come to, by which it is opened. @param {Compared} run @param {boolean} best */
const each = (run, best) =>
  h(
    "button",
    { type: "button", class: "quiet", title: `Open run ${run.id}`, "data-key": run.id, "data-open": run.id },
    `${finalInWords(run)}${best ? ", the best" : ""}`,
  );

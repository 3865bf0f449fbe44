// How the guide writes: sentences with live numbers, and its two tables.

import { fixed, number } from "../state/format.js";
import { h, prose } from "../ui/dom.js";
import { parts } from "./numbers.js";
import { LEASHES, RULE } from "./chapters.js";
import { flowOf } from "./flow.js";
import { rowsOf } from "./pairs.js";

/** @import { Selection, Snapshot } from "../types.js" */
/** @import { Trial } from "./chapters.js" */
/** @import { Told } from "./numbers.js" */
/** @import { Found } from "./pairs.js" */

/** @type {Record<string, string>} */
const SYMBOLS = { clip_range: "ε", kl_coef: "β", value_coef: "c₁", entropy_coef: "c₂" };

/** @param {string} setting */
export const nameOf = (setting) => SYMBOLS[setting] ?? setting.replaceAll("_", " ");

/** @param {string} paragraph @param {Told} told */
export const inline = (paragraph, told) =>
  parts(paragraph, told).flatMap(({ text, live }) => (live ? [h("b", { class: "live-number" }, text)] : prose(text)));

/**
 * Writes only what has changed.
 *
 * @param {HTMLElement} element
 * @param {string[]} texts that decide about it
 * @param {Told} told
 * @param {() => (Node | string)[]} make
 */
export function writeOnce(element, texts, told, make) {
  const key = texts
    .map((one) =>
      parts(one, told)
        .map(({ text }) => text)
        .join(""),
    )
    .join("\n");
  if (element.dataset.text === key && element.hasChildNodes()) return;
  element.dataset.text = key;
  element.replaceChildren(...make());
}

/** Both outcomes of an update made twice. @param {Trial} trial @param {Told} told */
export function trialTable({ name, of, rows }, told) {
  const head = ["before", "trial"].map((which) => h("th", { scope: "col" }, ...prose(`${nameOf(name)} `), ...inline(`{${which}.${name}}`, told)));
  const body = rows.map(([label, scalar]) =>
    h("tr", {}, h("th", { scope: "row" }, ...prose(label)), ...["old", "new"].map((which) => h("td", {}, ...inline(`{${which}.${scalar}}`, told)))),
  );
  return h("table", {}, h("thead", {}, h("tr", {}, h("td", {}, of), ...head)), h("tbody", {}, ...body));
}

/** Two samples side by side. @param {{ held: Found, pulledBack: Found }} pair @param {(sample: Selection) => void} select */
export function pairTable({ held, pulledBack }, select) {
  /** @param {Found} found @param {string} word */
  const column = ({ place }, word) =>
    h(
      "th",
      { scope: "col" },
      h("button", { type: "button", class: "quiet", title: "Shows it in the panel Sample", onclick: () => select(place) }, word),
    );
  const other = rowsOf(pulledBack.facts);
  const rows = rowsOf(held.facts).map(([name, text, kind], row) =>
    h("tr", {}, h("th", { scope: "row" }, ...prose(name)), h("td", { class: kind }, text), h("td", { class: other[row][2] }, other[row][1])),
  );
  return h("table", {}, h("thead", {}, h("tr", {}, h("td", {}), column(held, "held"), column(pulledBack, "pulled back"))), h("tbody", {}, ...rows));
}

/** What becomes of the policy gradient, by the sign of Â and the side of r. */
export function ruleTable() {
  const head = ["r < 1 − ε", "between", "r > 1 + ε"].map((text) => h("th", { scope: "col" }, text));
  const body = RULE.map(([sign, ...cells]) => h("tr", {}, h("th", { scope: "row" }, sign), ...cells.map((text) => h("td", {}, text))));
  return h(
    "table",
    { class: "rule", "aria-label": "The policy gradient" },
    h("thead", {}, h("tr", {}, h("td", {}), ...head)),
    h("tbody", {}, ...body),
  );
}

/** The clip and the penalty, side by side. */
export function leashTable() {
  const head = ["clip", "KL penalty"].map((text) => h("th", { scope: "col" }, text));
  const body = LEASHES.map(([what, ...cells]) =>
    h("tr", {}, h("th", { scope: "row" }, ...prose(what)), ...cells.map((text) => h("td", {}, ...prose(text)))),
  );
  return h("table", { class: "leashes", "aria-label": "Both leashes" }, h("thead", {}, h("tr", {}, h("td", {}), ...head)), h("tbody", {}, ...body));
}

/** Where the loss flows in two moments, side by side. @param {(Snapshot | null)[]} moments */
export function flowTable(moments) {
  const flows = moments.map(flowOf);
  const head = flows.map((flow) => h("th", { scope: "col" }, flow?.shared ? "one trunk: in the trunk" : "two networks: in the actor's layers"));
  /** @type {[string, (flow: NonNullable<ReturnType<typeof flowOf>>) => string][]} */
  const rows = [
    ["‖∇L_PG‖", ({ policy }) => number(policy)],
    ["‖∇(c₁·L_VF)‖", ({ value }) => number(value)],
    ["cosine between them", ({ cosine }) => (Number.isNaN(cosine) ? "n/a" : fixed(cosine, 2))],
  ];
  const body = rows.map(([name, text]) =>
    h("tr", {}, h("th", { scope: "row" }, ...prose(name)), ...flows.map((flow) => h("td", {}, flow ? text(flow) : "–"))),
  );
  return h("table", { class: "flows" }, h("thead", {}, h("tr", {}, h("td", {}), ...head)), h("tbody", {}, ...body));
}

// Health: what is wrong with the run, in plain words; and what was looked for where nothing is.

import { h, prose, setText } from "../controls/dom.js";
import { getHealthChecks } from "../net/http.js";
import { findingsOf } from "../state/findings.js";
import { fixed, number, percent } from "../state/format.js";

/** @import { Check, Finding, Panel, PanelContext, PanelView, State } from "../types.js" */
/** @import { Table } from "./tables.js" */

/** Not by colour alone: each severity has a sign and a word. */
const SIGNS = { error: "✕", warning: "!", note: "i" };

/** How the numbers that the checks look at are written. @type {Record<string, [string, (value: number | null | undefined) => string]>} */
const MEASURES = {
  kl_k3: ["KL (k3)", (value) => number(value)],
  entropy_share: ["entropy", (value) => `${percent(value, 0)} of its maximum`],
  smallest_deviation: ["smallest σ", (value) => number(value)],
  explained_variance: ["explained variance", (value) => fixed(value, 2)],
  gradient_clip_factor: ["clip factor", (value) => fixed(value, 3)],
  first_ratio_error: ["|r − 1| at first", (value) => number(value, 2)],
  saturation: ["saturated", (value) => percent(value, 0)],
};

/** @type {Panel} */
export const health = {
  name: "Health",
  title: "Health",
  hint: "Is something wrong, why, and what to do?",
  ideas: ["loss", "ratio"],
  probes: [],
  extras: ["health"],
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const verdict = h("p", { class: "verdict" });
  const list = h("ul", { class: "findings", tabindex: 0, "aria-label": "Findings" });
  const checked = h("ul", { class: "checked", "aria-label": "What was looked for" });
  body.append(verdict, list, checked);
  /** @type {Check[]} */
  let checks = [];
  let shown = "";
  /** Which causes and remedies somebody has opened or closed; else only the gravest is open. @type {Map<string, boolean>} */
  const opened = new Map();
  getHealthChecks().then(
    (table) => {
      checks = table;
      context.redraw();
    },
    () => {}, // a recorded run has none to ask; the findings are in the snapshot
  );

  return {
    needs: ["snapshot", "run", "status", "theme"],
    ready: (state) => ((state.snapshot?.header.update ?? 0) > 0 || findingsOf(state).length ? true : "the first update"),
    draw(state) {
      const { snapshot } = state;
      const findings = findingsOf(state);
      const key = JSON.stringify(findings);
      setText(verdict, verdictOf(findings));
      verdict.dataset.worst = findings[0]?.severity ?? "fine";
      body.dataset.findings = findings.map(({ name }) => name).join(" ");
      if (key !== shown) list.replaceChildren(...findings.map((finding, index) => row(finding, opened.get(finding.name) ?? index === 0)));
      shown = key;
      const values = snapshot?.header.health ?? {};
      const found = new Set(findings.map(({ name }) => name));
      checked.replaceChildren(...checks.filter(({ name, metrics }) => metrics.length && !found.has(name)).map((check) => line(check, values)));
    },
    resize() {},
    table: (state) => tableOf(state, checks),
    summary: (state) => inWords(state),
  };

  /** @param {Finding} finding @param {boolean} open */
  function row({ name, severity, title, summary, cause, remedy, setting, since }, open) {
    const focus = setting ? h("button", { type: "button", class: "quiet to-setting", onclick: () => context.focusSetting(setting) }, `Go to ${context.symbol(setting)}`) : null;
    return h(
      "li",
      { "data-severity": severity },
      h("b", { class: "sign", "aria-hidden": "true" }, SIGNS[severity]),
      h(
        "details",
        { open },
        h("summary", { onclick: (/** @type {Event} */ { currentTarget }) => opened.set(name, !(/** @type {HTMLElement} */ (currentTarget).closest("details[open]"))) }, h("h3", {}, title), " ", h("span", { class: "since" }, `${severity}, since update ${since}.`), " ", ...prose(summary)),
        cause ? h("p", {}, h("b", {}, "Why: "), ...prose(cause)) : null,
        remedy ? h("p", {}, h("b", {}, "Do: "), ...prose(remedy), focus) : null,
      ),
    );
  }
}

/** What a check looks at, as far as it is known. @param {Pick<Check, "metrics">} check @param {{ [name: string]: number | undefined }} values */
function measuredInWords({ metrics }, values) {
  const known = metrics.filter((name) => values[name] !== undefined);
  return known.map((name) => `${MEASURES[name]?.[0] ?? name} ${MEASURES[name]?.[1](values[name]) ?? values[name]}`).join(", ");
}

/** Within a sentence; "KL" stays as it is. @param {string} title */
const uncapitalised = (title) => (/^[A-Z][a-z]/.test(title) ? title[0].toLowerCase() + title.slice(1) : title);

/** @param {Check} check @param {{ [name: string]: number | undefined }} values */
function line({ title, threshold, metrics }, values) {
  const numbers = measuredInWords({ metrics }, values);
  return h("li", { title: `Said when ${threshold}` }, h("span", { "aria-hidden": "true" }, "✓ "), `No ${uncapitalised(title)}`, h("span", { class: "value" }, numbers ? `: ${numbers}` : ": not known yet"));
}

/** What is wrong, and after it what was looked for and not found. @param {State} state @param {Check[]} checks @returns {Table} */
function tableOf(state, checks) {
  const { update = null, health = {} } = state.snapshot?.header ?? {};
  const findings = findingsOf(state);
  const found = new Set(findings.map(({ name }) => name));
  return [
    ["update", "severity", "name", "title", "since update", "summary", "cause", "remedy", "setting"],
    ...findings.map(({ severity, name, title, since, summary, cause, remedy, setting }) => [update, severity, name, title, since, summary, cause, remedy, setting]),
    ...checks.filter(({ name }) => !found.has(name)).map((check) => [update, "not found", check.name, check.title, null, measuredInWords(check, health), null, null, null]),
  ];
}

/** @param {Finding[]} findings */
function verdictOf(findings) {
  const of = (/** @type {string} */ severity) => findings.filter((finding) => finding.severity === severity).length;
  const [errors, warnings, notes] = [of("error"), of("warning"), of("note")];
  if (errors) return "Something is wrong: do not trust what this run does now.";
  if (warnings) return warnings === 1 ? "One thing keeps this run from learning well." : `${warnings} things keep this run from learning well.`;
  return notes ? "Nothing wrong; something worth knowing." : "Nothing wrong was found.";
}

/** @param {State} state */
function inWords(state) {
  const findings = findingsOf(state);
  return `${verdictOf(findings)} ${findings.map(({ title, summary }) => `${title}: ${summary}`).join(" ")}`;
}

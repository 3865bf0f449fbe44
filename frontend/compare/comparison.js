// The update at hand made twice, as it was and with other settings, side by side.

import { Canvas } from "../draw/canvas.js";
import { STACKED } from "../ppo/regions.js";
import { explained, extreme, number, percent, settingText, term } from "../state/format.js";
import { MEAN, afterIn } from "../state/scope.js";
import { h, prose, setAttribute, setHidden, setText } from "../ui/dom.js";
import { TITLES, binOf, inWords, outcomesOf, paintOutcomes } from "./outcomes.js";
import { saver } from "../ui/saver.js";

/** @import { Frame, Panel, Setting, State, Theme } from "../types.js" */
/** @import { Outcome, Which } from "./outcomes.js" */

/** @typedef {[name: string, words: string, text: (value: number | null | undefined) => string]} Row */

/** The rows, by what their numbers are of, where each has led first: a clip fraction is another one before the steps and after the last. @type {[scope: (scalars: Frame["header"]["scalars"]) => string, rows: Row[]][]} */
const GROUPS = [
  [
    afterIn,
    [
      ["final_kl_exact", "KL, exact", (value) => number(value)],
      ["ratio_clip_fraction", "clip fraction", percent],
      ["final_ratio_min", "smallest r", extreme],
      ["final_ratio_max", "largest r", extreme],
      ["explained_variance", "explained variance", explained],
      ["theta_change", "‖Δθ‖/‖θ‖", (value) => number(value)],
    ],
  ],
  [
    () => MEAN,
    [
      ["loss", "L", term],
      ["policy_loss", "L_PG", term],
      ["value_term", "c₁·L_VF", term],
      ["entropy_term", "−c₂·S", term],
      ["kl_k3", "KL (k3)", (value) => number(value)],
      ["clip_fraction", "clip fraction", percent],
      ["held_fraction", "held", percent],
    ],
  ],
];
const TYPE = 14; // CSS pixels of type that is not enlarged
const ROWS = GROUPS.flatMap(([, rows]) => rows);

/**
 * @param {HTMLElement} root
 * @param {{ keep(which: Which): void, theme(): Theme, setting(name: string): Setting | undefined, state: State, failed(words: string): void }} page
 */
export function createComparison(root, { keep, theme, setting, state, failed }) {
  const title = h("h2", { id: "comparison-title", tabindex: -1 });
  const changed = h("p", { class: "changed" });
  const undecided = h("span", {});
  const bodies = GROUPS.map(() => h("tbody", {}));
  const figure = h("figure", { role: "img" });
  const canvas = new Canvas(figure, "ratios");
  const save = saver(/** @type {Panel} */ ({ name: "Comparison", title: "Update made twice" }), figure, () => shown && tableOf(shown), {
    state,
    theme,
    failed,
  });
  root.setAttribute("aria-labelledby", title.id);
  root.append(
    h(
      "div",
      { class: "what" },
      h("div", { class: "heading" }, title, save),
      changed,
      h("p", {}, "The same rollout, the same order of minibatches, from the same weights. ", undecided),
      h(
        "div",
        { class: "choice-of-two" },
        h(
          "button",
          { type: "button", title: "The update stays as it was, and the change is put back", onclick: () => keep("old") },
          "Keep it as it was",
        ),
        h(
          "button",
          { type: "button", class: "keep-new", title: "The run goes on from the new outcome, with the change", onclick: () => keep("new") },
          "Keep the new outcome",
        ),
      ),
    ),
    h(
      "table",
      {},
      h("caption", { class: "visually-hidden" }, "Both outcomes in numbers"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "quantity"), ...Object.values(TITLES).map((text) => h("th", { scope: "col" }, text)))),
      ...bodies,
    ),
    figure,
  );
  /** @type {Frame | null} */
  let shown = null;
  /** @type {Theme | null} */
  let shownTheme = null;
  new ResizeObserver(() => shown && paint(shown)).observe(figure);

  /** @param {State} state */
  function draw({ comparison, recorded }) {
    setText(undecided, recorded ? "Both were recorded." : "Nothing is decided yet, and the run waits for it.");
    const fresh = comparison !== shown;
    setHidden(root, comparison === null);
    if (comparison && fresh) show(comparison);
    if (comparison && (fresh || theme() !== shownTheme)) paint(comparison);
    if (comparison && fresh) title.focus();
    shown = comparison;
    shownTheme = theme();
  }

  /** A setting's name and symbol. @param {string} name */
  const called = (name) => {
    const { label = name.replaceAll("_", " "), symbol = "" } = setting(name) ?? {};
    return `${label} ${symbol}`.trim();
  };

  /** @param {Frame} comparison */
  function show(comparison) {
    const { header } = comparison;
    const outcomes = outcomesOf(comparison);
    const [old, next] = outcomes.map(({ settings }) => settings);
    const names = Object.keys(next).filter((name) => String(next[name]) !== String(old[name]));
    setText(title, `Update ${header.update}, made twice`);
    changed.replaceChildren(
      ...prose(names.map((name) => `${called(name)} ${settingText(old[name])} → ${settingText(next[name])}`).join(", ") || "with the same settings"),
    );
    GROUPS.forEach(([scope, rows], group) =>
      bodies[group].replaceChildren(
        h("tr", { class: "scope" }, h("th", { scope: "rowgroup", colspan: 3 }, scope(header.scalars))),
        ...rows.map(([name, words, text]) => row(words, text(header.scalars[`old_${name}`]), text(header.scalars[`new_${name}`]))),
      ),
    );
    setAttribute(figure, "aria-label", inWords(outcomes));
  }

  /** In the type that stands around it, which on Stage is smaller than elsewhere. @param {Frame} comparison */
  const paint = (comparison) => paintOutcomes(canvas, outcomesOf(comparison), theme(), parseFloat(getComputedStyle(figure).fontSize) / TYPE);

  return { draw };
}

/** @param {string} words @param {string} old @param {string} next */
const row = (words, old, next) =>
  h("tr", { "data-same": old === next }, h("th", { scope: "row" }, ...prose(words)), h("td", {}, old), h("td", {}, next));

/**
 * Settings, numbers and bins of both, a line each, for other programs.
 *
 * @param {Frame} comparison
 * @returns {(string | number | null)[][]}
 */
function tableOf(comparison) {
  const { scalars } = comparison.header;
  const lines = outcomesOf(comparison).flatMap((outcome) => {
    const made = TITLES[outcome.which];
    const settings = Object.entries(outcome.settings).map(([name, value]) => [
      made,
      `setting ${name}`,
      null,
      null,
      typeof value === "number" ? value : settingText(value),
    ]);
    const numbers = ROWS.map(([name]) => [made, name, null, null, scalars[`${outcome.which}_${name}`] ?? null]);
    return [...settings, ...numbers, ...binsOf(outcome).map((bin) => [made, ...bin])];
  });
  return [["outcome", "quantity", "r from", "r to", "value"], ...lines];
}

/** The bins with samples in them, and what lies outside. @param {Outcome} outcome @returns {(string | number)[][]} */
const binsOf = (outcome) =>
  STACKED.flatMap(({ word }, region) => {
    const rows = outcome.bins[region].map((n, bin) => [`samples ${word}`, ...binOf(outcome, bin).map(Math.exp), n]);
    const [below, above] = outcome.outside[region];
    const [least, most] = [-outcome.limit, outcome.limit].map(Math.exp);
    return [[`samples ${word}`, 0, least, below], ...rows, [`samples ${word}`, most, Infinity, above]].filter((line) => line[3]);
  });

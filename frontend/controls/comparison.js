// "Apply to this update": the update at hand made twice, as it was and with other settings, side by side.

import { Canvas } from "../panels/canvas.js";
import { STACKED } from "../panels/regions.js";
import { inWords as inActivityWords, underWay } from "../state/activity.js";
import { fixed, number, percent, settingText, term } from "../state/format.js";
import { h, prose, setAttribute, setHidden, setText } from "./dom.js";
import { TITLES, binOf, inWords, outcomesOf, paintOutcomes } from "./outcomes.js";
import { whyNoControl, whyNot } from "./permission.js";
import { saver } from "./saver.js";

/** @import { Frame, Panel, State, Theme } from "../types.js" */
/** @import { Outcome, Which } from "./outcomes.js" */

/** @type {[string, string, (value: number | null | undefined) => string][]} */
const ROWS = [
  ["loss", "L", term],
  ["policy_loss", "L_PG", term],
  ["value_term", "c₁·L_VF", term],
  ["entropy_term", "−c₂·S", term],
  ["kl_k3", "KL, mean over the minibatches (k3)", (value) => number(value)],
  ["final_kl_exact", "KL after the last step, exact", (value) => number(value)],
  ["clip_fraction", "clip fraction", percent],
  ["held_fraction", "held fraction", percent],
  ["final_ratio_min", "smallest r after the last step", (value) => fixed(value, 3)],
  ["final_ratio_max", "largest r after the last step", (value) => fixed(value, 3)],
  ["explained_variance", "explained variance after", (value) => fixed(value, 3)],
  ["theta_change", "‖Δθ‖/‖θ‖", (value) => number(value)],
];

/**
 * @param {HTMLElement} root
 * @param {{ keep(which: Which): void, theme(): Theme, symbol(name: string): string }} page
 */
export function createComparison(root, { keep, theme, symbol }) {
  const title = h("h2", { id: "comparison-title", tabindex: -1 });
  const changed = h("p", { class: "changed" });
  const body = h("tbody", {});
  const figure = h("figure", { role: "img" });
  const canvas = new Canvas(figure, "ratios");
  const save = saver(/** @type {Panel} */ ({ name: "Comparison" }), figure, () => shown && tableOf(shown));
  root.setAttribute("aria-labelledby", title.id);
  root.append(
    h(
      "div",
      { class: "what" },
      h("div", { class: "heading" }, title, save),
      changed,
      h("p", {}, "The same rollout, the same order of minibatches, from the same weights. Nothing is decided yet."),
      h(
        "div",
        { class: "choice-of-two" },
        h("button", { type: "button", onclick: () => keep("old") }, "Keep it as it was"),
        h("button", { type: "button", class: "primary", onclick: () => keep("new") }, "Keep the new outcome"),
      ),
    ),
    h(
      "table",
      {},
      h("caption", { class: "visually-hidden" }, "Both outcomes in numbers"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "quantity"), ...Object.values(TITLES).map((text) => h("th", { scope: "col" }, text)))),
      body,
    ),
    figure,
  );
  /** @type {Frame | null} */
  let shown = null;
  /** @type {Theme | null} */
  let shownTheme = null;
  new ResizeObserver(() => shown && paint(shown)).observe(figure);

  /** @param {State} state */
  function draw({ comparison }) {
    const fresh = comparison !== shown;
    setHidden(root, comparison === null);
    if (comparison && fresh) show(comparison);
    if (comparison && (fresh || theme() !== shownTheme)) paint(comparison);
    if (comparison && fresh) title.focus();
    shown = comparison;
    shownTheme = theme();
  }

  /** @param {Frame} comparison */
  function show(comparison) {
    const { header } = comparison;
    const outcomes = outcomesOf(comparison);
    const [old, next] = outcomes.map(({ settings }) => settings);
    const names = Object.keys(next).filter((name) => String(next[name]) !== String(old[name]));
    setText(title, `Update ${header.update}, made twice`);
    changed.replaceChildren(...prose(names.map((name) => `${symbol(name)} ${settingText(old[name])} → ${settingText(next[name])}`).join(", ") || "with the same settings"));
    body.replaceChildren(...ROWS.map(([name, words, text]) => row(words, text(header.scalars[`old_${name}`]), text(header.scalars[`new_${name}`]))));
    setAttribute(figure, "aria-label", inWords(outcomes));
  }

  /** @param {Frame} comparison */
  const paint = (comparison) => paintOutcomes(canvas, outcomesOf(comparison), theme());

  return { draw };
}

/** @param {string} words @param {string} old @param {string} next */
const row = (words, old, next) => h("tr", { "data-same": old === next }, h("th", { scope: "row" }, ...prose(words)), h("td", {}, old), h("td", {}, next));

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
    const settings = Object.entries(outcome.settings).map(([name, value]) => [made, `setting ${name}`, null, null, typeof value === "number" ? value : settingText(value)]);
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

/**
 * The line that offers it, above the sliders.
 *
 * @param {HTMLElement} root
 * @param {() => void} apply
 * @param {() => void} cancel
 */
export function createApply(root, apply, cancel) {
  const text = h("p", {});
  const bar = h("progress", { max: 1, "aria-label": "The update, made a second time" });
  const button = h("button", { type: "button", onclick: apply }, "Apply to this update");
  const stop = h("button", { type: "button", onclick: cancel }, "Cancel");
  root.append(text, bar, button, stop);

  return {
    /** @param {State} state */
    draw(state) {
      const waiting = Object.keys(state.status?.pending ?? {}).length;
      // Where the run has halted by itself, there is no whole update to make anew.
      const paused = state.status?.state === "paused" && (state.status.update ?? 0) > 0 && !state.status.cause;
      const made = underWay(state)?.name === "redo" ? state.activity : null;
      setHidden(root, !made && (waiting === 0 || !paused || state.comparison !== null));
      if (root.hidden) return;
      for (const element of [bar, stop]) setHidden(element, made === null);
      setHidden(button, made !== null);
      if (made) {
        bar.value = made.done / (made.of || 1);
        setText(text, inActivityWords(made));
        stop.disabled = whyNoControl(state) !== null;
        return;
      }
      setText(text, waiting === 1 ? "One change waits for the next update." : `${waiting} changes wait for the next update.`);
      const reason = whyNot(state, "redo");
      button.disabled = reason !== null;
      button.title = reason ?? "Makes this update anew from its start, with the change, and shows both outcomes side by side; an update under way is finished first";
    },
  };
}

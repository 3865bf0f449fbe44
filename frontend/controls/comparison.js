// "Apply to this update": the update at hand made twice, as it was and with other settings, side by side.

import { Canvas } from "../panels/canvas.js";
import { STACKED, colourOf } from "../panels/regions.js";
import { fixed, number, percent, settingText, term } from "../state/format.js";
import { h, prose, setText } from "./dom.js";
import { whyNot } from "./permission.js";

/** @import { Frame, State, Theme } from "../types.js" */

/** @typedef {"old" | "new"} Which */

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

/** @type {Record<Which, string>} */
const TITLES = { old: "as it was", new: "with the change" };

/**
 * @param {HTMLElement} root
 * @param {{ keep(which: Which): void, theme(): Theme, symbol(name: string): string }} page
 */
export function createComparison(root, { keep, theme, symbol }) {
  const title = h("h2", { id: "comparison-title", tabindex: -1 });
  const changed = h("p", { class: "changed" });
  const body = h("tbody", {});
  const pictures = { old: picture("old"), new: picture("new") };
  root.setAttribute("aria-labelledby", "comparison-title");
  root.append(
    h("div", { class: "what" }, title, changed, h("p", {}, "The same rollout, the same order of minibatches, from the same weights. Nothing is decided yet."), h("div", { class: "choice-of-two" },
      h("button", { type: "button", onclick: () => keep("old") }, "Keep it as it was"),
      h("button", { type: "button", class: "primary", onclick: () => keep("new") }, "Keep the new outcome"),
    )),
    h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "quantity"), ...Object.values(TITLES).map((text) => h("th", { scope: "col" }, text)))), body),
    h("div", { class: "pair" }, pictures.old.figure, pictures.new.figure),
  );
  /** @type {Frame | null} */
  let shown = null;
  /** @type {Theme | null} */
  let shownTheme = null;

  /** @param {State} state */
  function draw({ comparison }) {
    const fresh = comparison !== shown;
    root.hidden = comparison === null;
    if (comparison && (fresh || theme() !== shownTheme)) show(comparison);
    if (comparison && fresh) title.focus({ preventScroll: true });
    shown = comparison;
    shownTheme = theme();
  }

  /** @param {Frame} comparison */
  function show(comparison) {
    const { header } = comparison;
    const settings = /** @type {any} */ (header).settings;
    const names = Object.keys(settings.new).filter((name) => String(settings.new[name]) !== String(settings.old[name]));
    setText(title, `Update ${header.update}, made twice`);
    changed.replaceChildren(...prose(names.map((name) => `${symbol(name)} ${settingText(settings.old[name])} → ${settingText(settings.new[name])}`).join(", ") || "with the same settings"));
    body.replaceChildren(...ROWS.map(([name, words, text]) => row(words, text(header.scalars[`old_${name}`]), text(header.scalars[`new_${name}`]))));
    const reaches = [reach(comparison, "old"), reach(comparison, "new")];
    /** @type {[number, number]} */
    const range = [Math.min(...reaches.map(([low]) => low)), Math.max(...reaches.map(([, high]) => high))];
    for (const which of /** @type {Which[]} */ (["old", "new"])) pictures[which].draw(comparison, range, settings[which].clip_range, theme());
  }

  return { draw };
}

/** @param {string} words @param {string} old @param {string} next */
const row = (words, old, next) => h("tr", { "data-same": old === next }, h("th", { scope: "row" }, ...prose(words)), h("td", {}, old), h("td", {}, next));

/** How far the ratios of an outcome reach, in log r. @param {Frame} comparison @param {Which} which @returns {[number, number]} */
function reach({ header, arrays }, which) {
  const limit = header.scalars[`${which}_ratio_limit`] ?? 1;
  const counts = arrays[`${which}_ratio_counts`] ?? [];
  const bins = counts.length / STACKED.length;
  const edge = (/** @type {number} */ bin) => (bin / bins) * 2 * limit - limit;
  let [low, high] = [-0.3, 0.3];
  for (let at = 0; at < counts.length; at++) {
    if (!counts[at]) continue;
    low = Math.min(low, edge(at % bins));
    high = Math.max(high, edge((at % bins) + 1));
  }
  return [low - 0.05, high + 0.05];
}

/** A small histogram of one outcome's ratios after the last step, with its band. @param {Which} which */
function picture(which) {
  const caption = h("figcaption", {});
  const figure = h("figure", { role: "img", "aria-label": `Ratios ${TITLES[which]}` }, caption);
  const canvas = new Canvas(figure, "ratios");

  /** @param {Frame} comparison @param {[number, number]} range in log r @param {number} clipRange @param {Theme} theme */
  function draw({ header, arrays }, [from, to], clipRange, theme) {
    canvas.fit(theme.scale);
    const { pen, width, height, ratio } = canvas;
    const counts = [...(arrays[`${which}_ratio_counts`] ?? [])];
    const bins = counts.length / STACKED.length;
    const own = header.scalars[`${which}_ratio_limit`] ?? 1;
    const total = counts.reduce((sum, n) => sum + n, 0) || 1;
    const across = (/** @type {number} */ logratio) => ((logratio - from) / (to - from)) * width;
    const totals = STACKED.map(({ word }, region) => ({ word, n: counts.slice(region * bins, (region + 1) * bins).reduce((sum, n) => sum + n, 0) }));
    setText(caption, `r ${TITLES[which]}: ${totals.filter(({ n }) => n).map(({ word, n }) => `${percent(n / total)} ${word}`).join(", ")}`);
    const floor = height - 16 * ratio;
    pen.fillStyle = theme.grid;
    const [low, high] = [Math.log(Math.max(1e-6, 1 - clipRange)), Math.log(1 + clipRange)];
    pen.fillRect(across(low), 0, across(high) - across(low), floor);
    for (let bin = 0; bin < bins; bin++) {
      let below = 0;
      const left = across((bin / bins) * 2 * own - own);
      const right = across(((bin + 1) / bins) * 2 * own - own);
      STACKED.forEach(({ key }, region) => {
        const above = below + counts[region * bins + bin] / total;
        pen.fillStyle = colourOf(theme, key);
        pen.fillRect(left, floor * (1 - Math.sqrt(above)), Math.max(1, right - left - 1), floor * (Math.sqrt(above) - Math.sqrt(below)));
        below = above;
      });
    }
    pen.fillStyle = theme.inkSoft;
    pen.font = `${11 * ratio}px ${theme.font}`;
    pen.textAlign = "center";
    let free = 0;
    for (const r of [0.01, 0.05, 0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10, 50]) {
      const x = across(Math.log(r));
      if (x < free || x > width - 10 * ratio) continue;
      pen.fillText(String(r), x, height - 3 * ratio);
      free = x + 30 * ratio;
    }
    canvas.element.dataset.samples = String(total);
  }

  return { figure, draw };
}

/**
 * The line that offers it, above the sliders.
 *
 * @param {HTMLElement} root
 * @param {() => void} apply
 */
export function createApply(root, apply) {
  const text = h("p", {});
  const button = h("button", { type: "button", onclick: apply }, "Apply to this update");
  root.append(text, button);

  return {
    /** @param {State} state */
    draw(state) {
      const waiting = Object.keys(state.status?.pending ?? {}).length;
      const paused = state.status?.state === "paused" && (state.status.update ?? 0) > 0;
      root.hidden = waiting === 0 || !paused || state.comparison !== null;
      if (root.hidden) return;
      setText(text, waiting === 1 ? "One change waits for the next update." : `${waiting} changes wait for the next update.`);
      button.disabled = whyNot(state, "set") !== null;
      button.title = "Makes this update anew from its start, with the change, and shows both outcomes side by side; an update under way is finished first";
    },
  };
}

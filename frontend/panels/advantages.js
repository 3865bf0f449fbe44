// Advantages: how much better each action turned out than the critic expected, raw and as the loss uses it.

import { h, setText } from "../ui/dom.js";
import { number, percent } from "../state/format.js";
import { runsFreely } from "../state/motion.js";
import { Chart, axisTitle } from "../draw/chart.js";
import { fade } from "../draw/colours.js";
import { outline, reach, thin, thinning } from "../draw/curves.js";
import { canAsk, countOf, sentOf } from "./environments.js";
import { extent } from "../draw/ranges.js";
import { alongInWords, capital, namesOf } from "../state/rows.js";
import { revealSample } from "./sample/reveal.js";
import { cellOf, credit, holds, matrix, scalar, scopeInWords } from "../state/snapshot.js";
import { ofSamples } from "../draw/tables.js";

/** @import { Panel, PanelContext, PanelView, Snapshot, State, Theme } from "../types.js" */

/** Of each sample. */
const COLUMNS = ["reward", "value", "value_target", "delta", "advantage", "advantage_used", "region", "in_minibatch", "episode_end"];
const MARGIN = { l: 38, r: 10, t: 18, b: 36 };

/** @type {Panel} */
export const advantages = {
  name: "Advantages",
  title: "Advantages",
  hint: "Better or worse than expected? Click a step",
  ideas: ["advantage", "value"],
  probes: ["advantages", "values", "samples"],
  extras: ["values"], // without a critic there are the rewards
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const flipped = h("span", { title: "Normalising subtracts the mean, and so changes the sign of some advantages" });
  const select = h("select", { onchange: () => choose(Number(select.value)) });
  const chart = new Chart(body, { name: advantages.name, traces, layout }, context);
  const whose = h("span", {}, "Environment");
  body.append(h("div", { class: "choice" }, h("label", {}, whose, select), flipped));
  let offered = "";
  /** @type {number[]} */
  let sent = [];
  /** One that was asked for and has not come yet. @type {number | null} */
  let awaited = null;
  /** @type {Snapshot | null} */
  let shown = null;
  /** @type {ReturnType<typeof divide> | null} */
  let areas = null;
  /** Whether there is a critic, whose values have a part of their own. */
  let judged = true;
  const ranges = {
    values: context.range("values"),
    rewards: context.range("rewards"),
    raw: context.range("raw"),
    used: context.range("used"),
  };

  /** All environments where this page can ask for them, else those that were sent. @param {State} state */
  function offer(state) {
    sent = sentOf(state);
    setText(whose, capital(namesOf(state.snapshot).row));
    const environments = canAsk(state) ? Array.from({ length: countOf(state) }, (_, at) => at) : sent;
    const offer = environments.join();
    if (offer === offered) return;
    const before = offered ? Number(select.value) : sent[0];
    select.replaceChildren(...environments.map((name) => h("option", { value: name }, String(name))));
    if (environments.includes(before)) select.value = String(before);
    offered = offer;
  }

  /** @param {number} environment */
  function choose(environment) {
    awaited = sent.includes(environment) ? null : environment;
    if (awaited === null) context.redraw();
    else context.showEnvironment(awaited);
  }

  /** @returns {number} the row to show */
  function chosenRow() {
    const row = sent.indexOf(Number(select.value));
    if (row >= 0) awaited = null;
    else if (awaited === null && sent.length) select.value = String(sent[0]); // others were chosen elsewhere
    return Math.max(0, row);
  }

  chart.element.addEventListener("click", (event) => {
    const at = chart.under(event, "xaxis3", "yaxis5");
    if (!shown || !at) return;
    const row = chosenRow();
    const step = Math.min(Math.max(Math.round(at.x), 0), column(shown, "reward", row).length - 1);
    context.select({ environment: shown.arrays.environments?.[row] ?? row, step });
    revealSample(context);
  });

  return {
    needs: ["snapshot", "theme", "selection"],
    ready: (state) => holds(state, "reward"),
    draw(state) {
      const { snapshot, selection } = state;
      if (!snapshot) return;
      shown = snapshot;
      offer(state);
      const row = chosenRow();
      const time = overTime(snapshot, row);
      const cell = selection && cellOf(snapshot, selection);
      const selected = cell?.row === row ? { x: [cell.column, cell.column], y: [0, 1] } : { x: [], y: [] };
      const raw = histogram(snapshot, "advantage");
      const used = histogram(snapshot, "advantage_used");
      setText(flipped, `signs flipped: ${percent(scalar(snapshot, "flipped_fraction"))}`);
      const curves = [time.value, time.target, time.advantage, time.delta, time.reward].map((values) => thin(time.step, values));
      // Somebody who stops to look shall not see the range of what flew by before.
      const patience = runsFreely(state) ? undefined : 1;
      if (judged !== isJudged(snapshot)) [judged, areas] = [!judged, null];
      const { histograms, values, rewards } = (areas ??= divide(chart.height / context.theme().scale, judged));
      return chart.draw([raw.bars, used.bars, ...curves, time.terminated, time.truncated, selected], {
        xaxis: { range: ranges.raw.fit(-raw.half, raw.half, patience) },
        xaxis2: { range: ranges.used.fit(-used.half, used.half, patience) },
        xaxis3: { range: [0, time.step.length], title: axisTitle(alongInWords(snapshot)) },
        yaxis: { domain: histograms },
        yaxis2: { domain: histograms },
        yaxis3: { visible: judged, domain: values, range: ranges.values.fit(...spanning(time.value, time.target), patience) },
        yaxis4: { domain: rewards, range: ranges.rewards.fit(...spanning(time.advantage, time.delta, time.reward), patience) },
        yaxis5: { domain: [0, values[1]] },
        annotations: labels(credit(snapshot), judged ? values[1] : null, rewards[1], context.theme()),
      });
    },
    resize() {
      chart.resize();
      areas = null;
    },
    note: ({ snapshot }) => thinning(snapshot?.header.arrays.reward?.shape[1] ?? 0, "steps"),
    table: (state) => ofSamples(state, COLUMNS),
    summary: ({ snapshot }) => (snapshot ? inWords(snapshot) : ""),
  };
}

/** Whether there is a critic, of any sample. @param {Snapshot} snapshot */
const isJudged = ({ arrays }) => ["value", "value_target"].some((name) => arrays[name]?.some(Number.isFinite));

/**
 * Where the parts of the chart lie, as Plotly's shares of its height: between them there is room for ticks and labels,
 * and no more than that, however tall the panel is.
 *
 * @param {number} height
 * @param {boolean} judged whether there are values to draw
 */
function divide(height, judged) {
  const whole = Math.max(1, height - MARGIN.t - MARGIN.b);
  const [ticksAndLabel, label] = [38 / whole, 18 / whole];
  const each = Math.max(0.1, (1 - ticksAndLabel - label) / 3);
  const rewards = judged ? each * 1.05 : Math.max(0.1, (1 - ticksAndLabel) * 0.6);
  const values = judged ? rewards + label + each * 1.05 : rewards;
  return {
    histograms: [Math.min(0.98, values + ticksAndLabel), 1],
    values: judged ? [rewards + label, Math.min(0.96, values)] : [0, rewards],
    rewards: [0, rewards],
  };
}

/** From 0 or the smallest to 0 or the largest value. @param {...ArrayLike<number>} columns @returns {[number, number]} */
function spanning(...columns) {
  const [low, high] = extent(...columns, [0]);
  return [low, high];
}

/** @param {Snapshot} snapshot @param {"advantage" | "advantage_used"} name */
function histogram(snapshot, name) {
  const counts = snapshot.arrays[`${name}_counts`] ?? [];
  const limit = scalar(snapshot, `${name}_high`) ?? 1; // the bins are symmetric around 0
  const total = Array.from(counts).reduce((sum, n) => sum + n, 0);
  const shares = Array.from(counts, (n) => (total ? n / total : 0));
  const half = reach(counts, limit) || limit;
  if (!counts.length) return { bars: { x: [], y: [], customdata: [] }, half };
  // There is no axis of shares: each histogram fills its height, and pointing at it tells the share.
  const top = Math.max(...shares) || 1;
  const { x, y } = outline(shares, -limit, limit);
  return { bars: { x, y: y.map((share) => share / top), customdata: y }, half };
}

/**
 * What happened in one environment; gaps where a step is no transition.
 *
 * @param {Snapshot} snapshot
 * @param {number} row
 */
function overTime(snapshot, row) {
  const trained = column(snapshot, "region", row).map((code) => (code === 0 ? NaN : 0));
  /** @param {string} name */
  const known = (name) => column(snapshot, name, row).map((value, step) => value + (trained[step] ?? 0));
  const ends = column(snapshot, "episode_end", row);
  const reward = known("reward");
  return {
    step: reward.map((_, step) => step),
    reward,
    value: known("value"),
    target: known("value_target"),
    delta: known("delta"),
    advantage: known("advantage"),
    terminated: uprights(ends, 1),
    truncated: uprights(ends, 2),
  };
}

/** @param {Snapshot} snapshot @param {string} name @param {number} row @returns {number[]} */
function column(snapshot, name, row) {
  const found = matrix(snapshot, name);
  return found ? [...found.values.subarray(row * found.columns, (row + 1) * found.columns)] : [];
}

/** One line from the bottom to the top for each step with that end. @param {number[]} ends @param {number} kind */
function uprights(ends, kind) {
  const at = ends.flatMap((end, step) => (end === kind ? [step] : []));
  return { x: at.flatMap((step) => [step + 0.5, step + 0.5, NaN]), y: at.flatMap(() => [0, 1, NaN]) };
}

/** @param {Theme} theme */
function traces(theme) {
  const bars = { mode: "lines", fill: "tozeroy", hoverinfo: "x+y" };
  const { advantage, value, inkSoft } = theme;
  const end = fade(theme.ink, 0.5); // a long rollout has many, and they must not hide the curves
  /** @param {string} word */
  const hover = (word) => ({ hovertemplate: `${word} %{y:.3~g}<extra></extra>` });
  const share = { hovertemplate: "%{customdata:.1%}<extra></extra>" };
  const time = { mode: "lines", xaxis: "x3" };
  return [
    { ...bars, ...share, line: { shape: "hvh", width: 1, color: advantage }, fillcolor: fade(advantage, 0.45) },
    { ...bars, ...share, line: { shape: "hvh", width: 1, color: advantage }, fillcolor: fade(advantage, 0.45), xaxis: "x2", yaxis: "y2" },
    { ...time, ...hover("V"), yaxis: "y3", line: { color: value, width: 1.75 } },
    { ...time, ...hover("V_targ"), yaxis: "y3", line: { color: value, width: 1.5, dash: "dot" } },
    { ...time, ...hover("Â"), yaxis: "y4", fill: "tozeroy", line: { shape: "hvh", color: advantage, width: 1 }, fillcolor: fade(advantage, 0.35) },
    { ...time, ...hover("δ"), yaxis: "y4", line: { shape: "hvh", color: theme.ink, width: 1.25, dash: "dot" } },
    { ...time, ...hover("R"), yaxis: "y4", line: { color: inkSoft, width: 1.25 } },
    { ...time, yaxis: "y5", line: { color: end, width: 1 }, hoverinfo: "skip" },
    { ...time, yaxis: "y5", line: { color: end, width: 1, dash: "dash" }, hoverinfo: "skip" },
    {
      ...time,
      mode: "lines+markers",
      yaxis: "y5",
      line: { color: theme.ink, width: 2 },
      marker: { symbol: ["triangle-down", "triangle-up"], size: 9, color: theme.ink },
      cliponaxis: false,
      hoverinfo: "skip",
    },
  ];
}

/** @param {Theme} theme */
function layout(theme) {
  const zero = { zeroline: true, zerolinecolor: theme.inkSoft, zerolinewidth: 1 };
  const histogram = { nticks: 3, unifiedhovertitle: { text: "Â ≈ %{x:.3~g}" }, ...zero };
  const quiet = { showticklabels: false, showgrid: false, range: [0, 1.05] };
  return {
    margin: MARGIN,
    hoversubplots: "axis", // both curves over time at once
    xaxis: { ...histogram, domain: [0, 0.47], anchor: "y" },
    yaxis: quiet,
    xaxis2: { ...histogram, domain: [0.53, 1], anchor: "y2" },
    yaxis2: { anchor: "x2", ...quiet },
    xaxis3: {
      anchor: "y4",
      title: axisTitle(""),
      nticks: 6,
      kind: "count",
      showgrid: false,
      unifiedhovertitle: { text: "step %{x}" },
    },
    yaxis3: { anchor: "x3", nticks: 3, ...zero },
    yaxis4: { anchor: "x3", nticks: 3, ...zero },
    // Over both: ends of episodes and the selected sample.
    yaxis5: { anchor: "x3", range: [0, 1], visible: false, fixedrange: true },
  };
}

/**
 * What is drawn where.
 *
 * @param {string} symbol of the advantages, or of what takes their place
 * @param {number | null} values top of that part; null: there is none
 * @param {number} rewards
 * @param {Theme} theme
 */
function labels(symbol, values, rewards, theme) {
  const label = { showarrow: false, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", bgcolor: theme.panel, borderpad: 0 };
  return [
    { ...label, x: 0, y: 1, text: `${symbol} raw` },
    { ...label, x: 0.53, y: 1, text: `${symbol} in the loss` },
    ...(values === null ? [] : [{ ...label, x: 0, y: values, text: coloured("V (line), V<sub>targ</sub> (dots)", theme.value) }]),
    {
      ...label,
      x: 0,
      y: rewards,
      text: `${coloured(`${symbol} raw (area)`, theme.advantage)},${values === null ? "" : " δ (dots),"} R (line)`,
    },
  ];
}

/** @param {string} text @param {string} colour */
const coloured = (text, colour) => `<span style="color:${colour}">${text}</span>`;

/** @param {Snapshot} snapshot */
function inWords(snapshot) {
  const raw = scalar(snapshot, "advantage_mean");
  const spread = scalar(snapshot, "advantage_std");
  const [low, high] = extent(snapshot.arrays.delta ?? []);
  const [least, most] = [scalar(snapshot, "advantage_used_min"), scalar(snapshot, "advantage_used_max")];
  return (
    `Raw advantages (${scopeInWords(snapshot)}): mean ${number(raw)}, deviation ${number(spread)}. ` +
    (low <= high ? `The residuals δ on show lie between ${number(low)} and ${number(high)}. ` : "") +
    `Normalising flips ${percent(scalar(snapshot, "flipped_fraction"))} of the signs` +
    (least === null ? "." : `; as used they span ${number(least)} to ${number(most)}.`)
  );
}

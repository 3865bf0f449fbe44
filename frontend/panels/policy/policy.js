// Policy: what it would do in some states of the rollout, before the update and now, and how sure it is.

import { h, setText } from "../../ui/dom.js";
import { snapshotsBeside } from "../../state/beside.js";
import { figure, fixed, number, percent } from "../../state/format.js";
import { runsFreely } from "../../state/motion.js";
import { Chart, axisTitle } from "../../draw/chart.js";
import { TYPE } from "../../draw/chart-look.js";
import { fade } from "../../draw/colours.js";
import { outline } from "../../draw/curves.js";
import {
  SELECTED,
  WIDTH as BARS,
  barNames,
  bars,
  beyondStates,
  describe,
  hatching,
  nameOf,
  rangeInWords,
  roomFor,
  shifts,
  slotAt,
  slots,
  withBounds,
} from "./bars.js";
import { captionOf } from "../../draw/measured.js";
import { extent } from "../../draw/ranges.js";
import { revealSample } from "../sample/reveal.js";
import { holds, scalar, scopeInWords } from "../../state/snapshot.js";
import { measureIn } from "../../ui/text.js";

/** @import { Choose } from "../../draw/fit.js" */
/** @import { Note, Panel, PanelContext, PanelView, Selection, Snapshot, State, Theme } from "../../types.js" */
/** @import { Description, Slot } from "./bars.js" */
/** @import { Table } from "../../draw/tables.js" */

const MARGIN = { l: 38, r: 10, t: 9, b: 36 };
const SHIFTS = 0.62; // of the width: there the third drawing begins, with its labels before it
const SMALL = 0.4; // probabilities of many actions: they do not need the whole axis

/** @type {Panel} */
export const policy = {
  name: "Policy",
  title: "Policy",
  hint: "In some states (environment·step; click one): its actions, and how sure it is",
  ideas: ["policy", "entropy"],
  probes: ["policy", "transitions"],
  extras: ["transitions"],
  compares: "beside",
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const quantity = h("span", {});
  const forbidden = h("span", { hidden: "", title: "By the action mask of the environment" }, h("i", { class: "forbidden" }), "forbidden");
  body.append(
    h(
      "p",
      { class: "panel-key" },
      quantity,
      h("span", {}, h("i", { class: "bar-before" }), "before"),
      h("span", {}, h("i", { class: "bar-now" }), "now"),
      forbidden,
    ),
  );
  const chart = new Chart(body, { name: policy.name, traces, layout }, context);
  const caption = h("p", { class: "caption measured" });
  body.append(caption);
  const ranges = { values: context.range("values"), shift: context.range("shift") };
  /** @type {ReturnType<typeof divide> | null} */
  let areas = null;
  /** @type {Slot[]} */
  let places = [];

  /** Of the drawing, in CSS pixels of type that is not enlarged. */
  const wide = () => chart.width / context.theme().scale - MARGIN.l - MARGIN.r;

  /** The state under the pointer, in the upper drawing. @param {MouseEvent} event */
  function under(event) {
    const at = chart.under(event, "xaxis", "yaxis");
    return at ? slotAt(places, at.x) : null;
  }

  chart.element.addEventListener("click", (event) => {
    const slot = under(event);
    if (!slot) return;
    context.select({ environment: slot.environment, step: slot.step });
    revealSample(context);
  });

  return {
    needs: ["snapshot", "selection", "theme"],
    ready: (state) =>
      holds(state, "reward") !== "the first rollout" && isBefore(state) ? "the advantages to be estimated" : holds(state, "policy_now"),
    draw(state) {
      const { snapshot } = state;
      if (!snapshot) return;
      const about = describe(snapshot);
      places = slots(snapshot, state.selection, roomFor(about, wide()));
      const states = bars(places, about, wide());
      const [alone] = places.length === 1 && !context.running ? places : [];
      const moved = shifts(snapshot, about);
      const entropy = entropies(snapshot, snapshotsBeside(state));
      const patience = runsFreely(state) ? undefined : 1;
      const [lowest, highest] = withBounds(about, extent(states.now.y, states.before.y, [0]));
      const span = about.isBox || highest < SMALL ? ranges.values.fit(lowest, highest, patience) : [0, 1];
      const reach = Math.max(...extent(moved.y).map(Math.abs), 1e-6);
      const { top, bottom } = (areas ??= divide(chart.height / context.theme().scale));
      const what = about.isBox ? "mean ± σ" : alone ? "probabilities" : "probability";
      const masked = places.some(({ allowed }) => allowed);
      const where = !alone
        ? masked
          ? "" // the room is for what is hatched
          : ` of each ${about.isBox ? "part of the action" : "action"}`
        : alone.isSelected
          ? ", selected state"
          : `, state ${alone.environment}·${alone.step}`;
      forbidden.toggleAttribute("hidden", !masked);
      const height = (chart.height / context.theme().scale - MARGIN.t - MARGIN.b) * (top[1] - top[0]);
      const measure = measureIn(context.theme().font, TYPE);
      const end = states.width + beyondStates(places, (measure(SELECTED) / 2 + 2 - MARGIN.r) / wide());
      const hatched = hatching(masked ? places : [], about, [span[0], span[1]], { width: wide(), height });
      setText(quantity, `${what}${where}${about.isBox ? rangeInWords(about) : ""}:`);
      setText(caption, captionOf(state, snapshot, "policy", inWords(snapshot, entropy)));
      Object.assign(chart.element.dataset, { update: snapshot.header.update, states: places.length });
      // Every update has other states: at full speed nobody can read which, and the axis would be laid out anew each time.
      return chart.draw([states.now, states.before, states.taken, entropy.now, entropy.before, entropy.limit, moved, states.bounds, hatched], {
        xaxis: { range: [0, end], ...(alone ? { names: about.columns, choose: within(about) } : stateNames(states.ticks, context.running)) },
        yaxis: { domain: top, range: span },
        xaxis2: { range: entropy.range },
        yaxis2: { domain: bottom },
        xaxis3: { range: [0, moved.width], names: about.columns, choose: barNames(about, moved.width) },
        yaxis3: { domain: bottom, range: ranges.shift.fit(-reach, reach, patience) },
        annotations: labels(about, entropy, bottom[1], context.theme(), (text) => measure(text) < SHIFTS * wide() - measure("−0.004")),
      });
    },
    resize() {
      chart.resize();
      areas = null;
    },
    note: ({ snapshot }) => leftOut(snapshot, snapshot ? roomFor(describe(snapshot), wide()) : Infinity),
    table: ({ snapshot, selection }) => tableOf(snapshot, selection),
    summary: ({ snapshot, selection }) => (snapshot ? summary(snapshot, slots(snapshot, selection)) : ""),
  };
}

/** States without room. @param {Snapshot | null} snapshot @param {number} room @returns {Note[]} */
function leftOut(snapshot, room) {
  const measured = (snapshot?.arrays.policy_places?.length ?? 0) / 2;
  if (measured <= room) return [];
  const [one, all] = [
    `${room} of ${measured} states`,
    `The bars of ${room} of the ${measured} measured states have room here: maximise the panel, or save the numbers, for all of them.`,
  ];
  return [{ short: one, long: all }];
}

/** @param {{ at: number, text: string }[]} ticks @param {boolean} running */
function stateNames(ticks, running) {
  const first = ticks.filter(({ text }) => text === SELECTED).map(({ at }) => at);
  return { tickvals: ticks.map(({ at }) => at), ticktext: ticks.map(({ text }) => (running ? "" : text)), first };
}

/** The names of the bars of a state that is alone. @param {Description} about @returns {Choose} */
const within =
  (about) =>
  (range, { length, measure }) => {
    const inner = (1 - BARS) / 2;
    const { tickvals, ticktext } = barNames(about, about.bars)(range, { length: BARS * length, measure });
    return { tickvals: tickvals.map((at) => inner + (BARS * at) / about.bars), ticktext };
  };

/** @param {State} state whether there is a rollout, but nothing has judged it yet */
const isBefore = ({ snapshot }) => snapshot?.header.phase === "rollout";

/** Shares of the chart's height, with room between them for ticks and names. @param {number} height */
function divide(height) {
  const whole = Math.max(1, height - MARGIN.t - MARGIN.b);
  const gap = 52 / whole;
  const each = Math.max(0.15, (1 - gap) / 2);
  return { top: [Math.min(0.9, each * 0.9 + gap), 1], bottom: [0, each * 0.9] };
}

/** Each stands in two histograms, before and now. @param {number[]} counts */
const samplesIn = (counts) => counts.slice(0, counts.length / 2).reduce((sum, n) => sum + n, 0) || 1;

/** @param {Snapshot} snapshot @param {Snapshot[]} others beside it, on the same axes */
function entropies(snapshot, others = []) {
  const counts = [...(snapshot.arrays.entropy_counts ?? [])];
  const low = scalar(snapshot, "entropy_low") ?? 0;
  const high = scalar(snapshot, "entropy_high") ?? 1;
  const all = [snapshot, ...others.filter(({ arrays }) => arrays.entropy_counts)];
  const [from, to] = [
    Math.min(...all.map((one) => scalar(one, "entropy_low") ?? 0)),
    Math.max(...all.map((one) => scalar(one, "entropy_high") ?? 1)),
  ];
  const size = counts.length / 2;
  const [before, now] = [counts.slice(0, size), counts.slice(size)];
  const total = samplesIn(counts);
  const top =
    total * Math.max(...all.map((one) => Math.max(...(one.arrays.entropy_counts ?? []), 1) / samplesIn([...(one.arrays.entropy_counts ?? [])])));
  /** @param {number[]} row */
  const steps = (row) => {
    const { x, y } = outline(row, low, high);
    return { x, y: y.map((n) => n / top), customdata: y.map((n) => n / total) };
  };
  const isDensity = snapshot.header.notes?.policy?.kind === "box"; // the entropy of a density has no maximum
  const room = 0.04 * (to - from);
  return {
    before: steps(before),
    now: steps(now),
    limit: isDensity ? { x: [], y: [] } : { x: [high, high], y: [0, 1.05] },
    maximum: isDensity ? null : high,
    range: [from - room, to + room].map((edge) => Number(edge.toPrecision(4))), // rounding must not lay the axis out anew
  };
}

/** @param {Theme} theme */
function traces(theme) {
  const hover = { hovertemplate: "%{customdata}<extra></extra>" };
  const share = { hovertemplate: "%{customdata:.1%}<extra></extra>" };
  const steps = { mode: "lines", xaxis: "x2", yaxis: "y2" };
  return [
    { mode: "lines", fill: "toself", fillcolor: fade(theme.policy, 0.5), line: { color: theme.policy, width: 1 }, ...hover },
    { mode: "lines", line: { color: theme.ink, width: 1.5, dash: "dot" }, hoverinfo: "skip" },
    { mode: "lines", line: { color: theme.ink, width: 2.5 }, hoverinfo: "skip" },
    { ...steps, ...share, fill: "tozeroy", line: { shape: "hvh", color: theme.entropy, width: 1 }, fillcolor: fade(theme.entropy, 0.45) },
    { ...steps, line: { shape: "hvh", color: theme.ink, width: 1.25, dash: "dot" }, hoverinfo: "skip" },
    { ...steps, line: { color: theme.entropy, width: 2, dash: "dash" }, hoverinfo: "skip" },
    {
      mode: "lines",
      fill: "toself",
      fillcolor: fade(theme.policy, 0.5),
      line: { color: theme.policy, width: 1 },
      xaxis: "x3",
      yaxis: "y3",
      ...hover,
    },
    { mode: "lines", line: { color: theme.inkSoft, width: 1.5, dash: "dash" }, hoverinfo: "skip" },
    { mode: "lines", line: { color: fade(theme.inkSoft, 0.7), width: 1 }, hoverinfo: "skip" },
  ];
}

/** @param {Theme} theme */
function layout(theme) {
  const zero = { zeroline: true, zerolinecolor: theme.inkSoft, zerolinewidth: 1 };
  const still = { showgrid: false, fixedrange: true };
  return {
    margin: MARGIN,
    hovermode: "closest",
    xaxis: { anchor: "y", ...still, tickangle: 0 },
    yaxis: { anchor: "x", nticks: 4 },
    xaxis2: { domain: [0, 0.46], anchor: "y2", nticks: 4, title: axisTitle("entropy H[π(·|s)]") },
    yaxis2: { anchor: "x2", showticklabels: false, showgrid: false, range: [0, 1.05] },
    xaxis3: { domain: [SHIFTS, 1], anchor: "y3", ...still, tickangle: 0, title: axisTitle("action") },
    yaxis3: { anchor: "x3", nticks: 3, ...zero },
  };
}

/**
 * What is drawn where.
 *
 * @param {Description} about
 * @param {ReturnType<typeof entropies>} entropy
 * @param {number} bottom
 * @param {Theme} theme
 * @param {(text: string) => boolean} fits before the labels of the drawing beside
 */
function labels(about, { maximum }, bottom, theme, fits) {
  const label = { showarrow: false, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", bgcolor: theme.panel, borderpad: 0 };
  const limit = maximum === null ? "density: may be < 0" : `max ${number(maximum)}`;
  const dashed = `${limit} (dashed)`;
  return [
    { ...label, x: 0, y: bottom, text: maximum !== null && fits(dashed) ? dashed : limit },
    { ...label, xref: "x3 domain", x: 0, y: bottom, text: about.isBox ? "mean shift" : "mean Δp" },
  ];
}

/**
 * All three drawings: the distribution in each state, the samples in each bin of the entropy, and the mean shift.
 *
 * @param {Snapshot | null} snapshot
 * @param {Selection | null} selection
 * @returns {Table}
 */
function tableOf(snapshot, selection) {
  /** @type {Table} */
  const rows = [["update", "quantity", "environment", "step", "name", "before", "now", "shift"]];
  if (!snapshot) return rows;
  const about = describe(snapshot);
  const { update } = snapshot.header;
  for (const { environment, step, before, now, allowed } of slots(snapshot, selection)) {
    about.columns.forEach((_, index) => {
      const name = `${nameOf(about, index)}${forbids(allowed, index) ? " (forbidden)" : ""}`;
      rows.push([update, "policy", environment, step, name, before[index], now[index], null]);
    });
  }
  const counts = [...(snapshot.arrays.entropy_counts ?? [])];
  const [low, high] = [scalar(snapshot, "entropy_low") ?? NaN, scalar(snapshot, "entropy_high") ?? NaN];
  const bins = counts.length / 2;
  for (let bin = 0; bin < bins; bin++)
    rows.push([update, "entropy", null, null, low + ((bin + 0.5) * (high - low)) / bins, counts[bin], counts[bins + bin], null]);
  snapshot.arrays.policy_shift?.forEach((shift, index) => rows.push([update, "policy_shift", null, null, nameOf(about, index), null, null, shift]));
  return rows;
}

/** @param {ArrayLike<number> | null} allowed @param {number} index of a column */
const forbids = (allowed, index) => allowed?.[index] === 0;

/** @param {Snapshot} snapshot @param {ReturnType<typeof entropies>} entropy */
function inWords(snapshot, { maximum }) {
  const mean = scalar(snapshot, "final_entropy") ?? scalar(snapshot, "entropy");
  const { maximum: formula } = describe(snapshot);
  const allowed = scalar(snapshot, "entropy_allowed"); // with a mask each state has a maximum of its own
  const most = maximum === null ? null : (allowed ?? maximum);
  const what = allowed === null ? formula : `the ${fixed(allowed, 2)} allowed`;
  const share = mean !== null && most ? `: ${percent(mean / most, 0)} of ${what}` : "";
  return mean === null ? scopeInWords(snapshot) : `entropy ${fixed(mean, 3)}${share}`;
}

/** @param {Snapshot} snapshot @param {Slot[]} places */
function summary(snapshot, places) {
  const [first] = places;
  if (!first) return "";
  const { columns, isBox } = describe(snapshot);
  const text = (/** @type {number} */ value) => (isBox ? fixed(value, 2) : figure(value, 2)); // no probability is 0
  const parts = columns
    .slice(0, 8)
    .map((name, index) =>
      forbids(first.allowed, index) ? `${name}: forbidden` : `${name}: ${text(first.before[index])} before, ${text(first.now[index])} now`,
    );
  return `The policy in ${places.length} states. In environment ${first.environment} at step ${first.step}: ${parts.join("; ")}. ${inWords(snapshot, entropies(snapshot))}.`;
}

// Episodic return: what the agent achieves. Every episode is a dot; the curve is the trainer's mean of the last 100.

import { h, setText } from "../ui/dom.js";
import { count, number, settingText } from "../state/format.js";
import { Canvas, inPixels } from "../draw/canvas.js";
import { Chart, axisTitle } from "../draw/chart.js";
import { fade } from "../draw/colours.js";
import { leftOut, thin, unmarked } from "../draw/curves.js";
import { DotCloud } from "../draw/dots.js";
import { SteadyRange, extent } from "../draw/ranges.js";
import { ofColumns } from "../draw/tables.js";
import { viewedLook, viewedMark } from "../draw/viewed.js";

/** @import { Change, Panel, PanelContext, PanelView, State, Theme } from "../types.js" */
/** @import { Range } from "../draw/ranges.js" */

const MARGIN = { l: 58, r: 12, t: 8, b: 36 };
const COLUMNS = ["update", "step", "episodic_return", "episodic_length"]; // of an episode
const LABEL_DISTANCE = 0.22; // of the axis: marks closer than that to the one before go without a label

/** @type {Panel} */
export const returns = {
  name: "Episodic return",
  title: "Episodic return",
  hint: "Sum of rewards; each dot is one episode",
  ideas: ["policy"],
  probes: [],
  extras: ["series"],
  plotted: true,
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const box = h("div", { class: "layers" });
  body.append(box);
  const canvas = new Canvas(box, "episodes");
  const cloud = new DotCloud(canvas);
  const saved = (/** @type {Theme} */ theme) => [{ ...cloud.points(), ...dotLook(theme) }];
  const chart = new Chart(box, { name: returns.name, traces, layout, saved, zoomed: () => dots() }, context);
  const caption = h("p", { class: "caption" });
  body.append(caption);

  /** @type {State | null} */
  let state = null;
  /** @type {string | null} */
  let run = null;
  const acrossRange = new SteadyRange();
  const upRange = new SteadyRange();

  function dots() {
    if (!state) return;
    cloud.draw(state.episodes, {
      x: chart.shown("xaxis"),
      y: chart.shown("yaxis"),
      box: inPixels(chart.plot("xaxis", "yaxis"), canvas),
      colour: context.theme().policy,
    });
    canvas.element.dataset.episodes = String(cloud.drawn);
  }

  return {
    needs: ["series", "run", "past", "theme"],
    ready: ({ series, episodes }) => (series.length || episodes.length ? true : "the first update to finish"),
    draw(next) {
      state = next;
      if (state.run?.id !== run) [acrossRange, upRange].forEach((range) => range.reset());
      run = state.run?.id ?? null;
      const { series, episodes } = state;
      const steps = series.column("steps");
      const threshold = state.run?.reward_threshold ?? null;
      const [low, high] = extent(episodes.column("episodic_return"), threshold === null ? [] : [threshold]);
      const last = Math.max(extent(steps)[1], extent(episodes.column("step"))[1], 1);
      const across = acrossRange.fit(0, last);
      const up = upRange.fit(Math.min(low, 0), Math.max(high, 0));
      const drawn = chart.draw([thin(steps, series.column("episodic_return_mean")), viewedMark(state, across, up, "steps")], {
        xaxis: { range: across },
        yaxis: { range: up },
        ...marks(state, across, context),
      });
      if (!canvas.width) canvas.fit(context.theme().scale);
      dots();
      setText(caption, thenInWords(state) || inWords(state));
      return drawn;
    },
    resize() {
      chart.resize();
      canvas.fit(context.theme().scale);
      cloud.forget();
    },
    note: (now) => [...leftOut(now), ...unmarked(now)],
    table: ({ episodes }) => ofColumns(Object.fromEntries(COLUMNS.map((name) => [name, episodes.column(name)]))),
    summary: (now) => [inWords(now), thenInWords(now)].filter(Boolean).join(". "),
  };
}

/**
 * The reward threshold, and where settings changed.
 *
 * @param {State} state
 * @param {Range} across
 * @param {PanelContext} context
 */
function marks({ run, series, changes }, across, context) {
  const theme = context.theme();
  const threshold = run?.reward_threshold ?? null;
  const shapes = [];
  const annotations = [];
  const text = { showarrow: false, font: { size: 12, color: theme.inkSoft }, bgcolor: fade(theme.panel, 0.7), borderpad: 1 };
  if (threshold !== null) {
    const line = { color: theme.inkSoft, width: 1.5, dash: "dash" };
    shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: threshold, y1: threshold, line, layer: "between" });
    const label = `reward threshold ${number(threshold, 4)}`;
    annotations.push({ ...text, xref: "paper", x: 1, xanchor: "right", y: threshold, yanchor: "top", text: label });
  }
  const steps = series.column("steps");
  let labelled = -Infinity;
  for (const [update, same] of byUpdate(changes)) {
    // A new value holds from the end of the update before.
    const x = update <= series.first ? 0 : steps[Math.min(update - 1 - series.first, steps.length - 1)];
    if (!Number.isFinite(x)) continue;
    const line = { color: theme.inkSoft, width: 1, dash: "dot" };
    shapes.push({ type: "line", yref: "paper", y0: 0, y1: 1, x0: x, x1: x, line, layer: "between" });
    const width = across[1] - across[0];
    if (x - labelled < LABEL_DISTANCE * width) continue;
    labelled = x;
    const late = x > across[0] + 0.7 * width;
    const label = same.map((change) => changeText(change, context)).join("<br>");
    annotations.push({ ...text, x, xanchor: late ? "right" : "left", yref: "paper", y: 0.86, yanchor: "top", text: label });
  }
  return { shapes, annotations };
}

/** Changes by the update that they hold from; of several of one setting only the first old and the last new value. @param {Change[]} changes */
function byUpdate(changes) {
  /** @type {Map<number, Change[]>} */
  const grouped = new Map();
  for (const change of changes) {
    const group = grouped.get(change.update) ?? [];
    const earlier = group.find(({ name }) => name === change.name);
    if (earlier) group[group.indexOf(earlier)] = { ...earlier, new: change.new };
    else group.push(change);
    grouped.set(change.update, group);
  }
  return [...grouped].sort(([a], [b]) => a - b);
}

/** @param {Change} change @param {PanelContext} context */
const changeText = (change, context) =>
  `${context.symbol(change.name)} ${settingText(change.old)} → ${settingText(change.new)}`;

/** @param {Theme} theme */
function traces(theme) {
  return [
    { mode: "lines", line: { color: theme.ink, width: 2 }, hovertemplate: "mean of the last 100: %{y:.4~g}<extra></extra>" },
    viewedLook(theme),
  ];
}

/** How dots look in a saved picture, where Plotly draws them. @param {Theme} theme */
const dotLook = (theme) => ({ mode: "markers", marker: { color: theme.policy, size: 3, opacity: 0.5 } });

/** @param {Theme} _theme */
function layout(_theme) {
  return {
    margin: MARGIN,
    xaxis: { title: axisTitle("environment steps"), nticks: 5, kind: "count", hoverformat: "," },
    yaxis: { title: axisTitle("return"), nticks: 6 },
  };
}

/** @param {State} state */
function inWords({ series, episodes }) {
  const means = series.column("episodic_return_mean");
  const all = `${count(episodes.length)} ${episodes.length === 1 ? "episode" : "episodes"}`;
  return `${all}, mean of the last 100: ${number(means.findLast((mean) => !Number.isNaN(mean)))}`;
}

/** What it was at the update on show; nothing in the present. @param {State} state */
function thenInWords({ series, past, snapshot }) {
  if (!past || !snapshot) return "";
  const { update } = snapshot.header;
  return `At update ${update}, mean of the last 100: ${number(series.column("episodic_return_mean")[update - series.first])}`;
}

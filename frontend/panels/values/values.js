// Values: what the critic predicts for each state against what it is trained towards, before the update and now.

import { h, setText } from "../../ui/dom.js";
import { explained, number } from "../../state/format.js";
import { runsFreely } from "../../state/motion.js";
import { Canvas, inPixels } from "../../draw/canvas.js";
import { Chart, axisTitle } from "../../draw/chart.js";
import { extent } from "../../draw/ranges.js";
import { pointOut } from "../sample/pointed.js";
import { holds, scalar } from "../../state/snapshot.js";
import { ValueCloud, samplesOf } from "./cloud.js";

/** @import { Panel, PanelContext, PanelView, Snapshot, State, Theme } from "../../types.js" */
/** @import { Table } from "../../draw/tables.js" */
/** @import { Sample } from "./cloud.js" */

const MARGIN = { l: 50, r: 12, t: 8, b: 36 };
const NEAR = 12; // CSS pixels around the pointer in which a sample is found

/** @type {Panel} */
export const values = {
  name: "Values",
  title: "Values",
  hint: "V against V_targ, each dot a sample: on the diagonal the critic is right",
  ideas: ["value", "advantage"],
  probes: ["values", "samples"],
  compares: "beside",
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const key = h(
    "p",
    { class: "panel-key" },
    h("span", {}, h("i", { class: "dot-before" }), "V before the update"),
    h("span", {}, h("i", { class: "dot-now" }), "V now"),
  );
  const box = h("div", { class: "layers of-samples" });
  const explained = h("p", { class: "caption explained" });
  body.append(key, box, explained);
  const canvas = new Canvas(box, "value-cloud");
  const cloud = new ValueCloud(canvas);
  const saved = (/** @type {Theme} */ theme) => cloud.asTraces(theme);
  const chart = new Chart(box, { name: values.name, traces, layout, saved, zoomed: () => dots() }, context);
  const say = pointOut(box, canvas, cloud, { near: NEAR, inWords }, context);

  /** @type {State | null} */
  let state = null;
  const range = context.range("value");
  let sized = false;

  function dots() {
    if (!state?.snapshot) return;
    if (!sized) canvas.fit(context.theme().scale);
    sized = canvas.width > 0;
    cloud.draw(
      {
        x: chart.shown("xaxis"),
        y: chart.shown("yaxis"),
        box: inPixels(chart.plot("xaxis", "yaxis"), canvas),
      },
      context.theme(),
    );
    Object.assign(canvas.element.dataset, { samples: cloud.samples.length, dimmed: cloud.dimmed, update: state.snapshot.header.update });
    say();
  }

  return {
    needs: ["snapshot", "selection", "theme"],
    ready: (next) =>
      holds(next, "reward") === true && !next.snapshot?.arrays.value_target ? "the advantages to be estimated" : holds(next, "value_target"),
    draw(next) {
      state = next;
      const { snapshot, selection } = next;
      if (!snapshot) return;
      cloud.read(snapshot, selection);
      const [low, high] = extent(cloud.column("target"), cloud.column("before"), cloud.column("now"));
      const shown = range.fit(low, high, runsFreely(next) ? undefined : 1);
      const drawn = chart.draw([{ x: [...shown], y: [...shown] }, cloud.moved()], { xaxis: { range: shown }, yaxis: { range: shown } });
      dots();
      setText(explained, explainedInWords(snapshot));
      return drawn;
    },
    resize() {
      chart.resize();
      sized = false;
    },
    table: ({ snapshot }) => tableOf(snapshot),
    summary: ({ snapshot }) => (snapshot ? summary(snapshot, cloud) : ""),
  };
}

/** @param {Theme} theme */
function traces(theme) {
  return [
    { mode: "lines", line: { color: theme.inkSoft, width: 1.25, dash: "dash" }, hoverinfo: "skip" },
    { mode: "lines", line: { color: theme.ink, width: 2 }, hoverinfo: "skip" },
  ];
}

/** @param {Theme} _theme */
function layout(_theme) {
  return {
    margin: MARGIN,
    hovermode: false,
    xaxis: { title: axisTitle("target V<sub>targ</sub> = Â + V<sub>old</sub>"), nticks: 6 },
    yaxis: { title: axisTitle("prediction V"), nticks: 6 },
  };
}

/** @param {Snapshot | null} snapshot @returns {Table} */
const tableOf = (snapshot) => [
  ["update", "environment", "step", "value_target", "value", "value_now", "in_minibatch"],
  ...(snapshot ? samplesOf(snapshot) : []).map(({ environment, step, target, before, now, inMinibatch }) => [
    snapshot?.header.update ?? null,
    environment,
    step,
    target,
    before,
    now,
    Number(inMinibatch),
  ]),
];

/** @param {Sample} sample */
const inWords = ({ environment, step, target, before, now, inMinibatch }) =>
  `Environment ${environment}, step ${step}: V_targ = ${number(target)}, V before = ${number(before)}, now = ${number(now)}${inMinibatch ? "" : " (not in this minibatch)"}`;

/** How good the critic was and is, with what the number means. @param {Snapshot} snapshot */
function explainedInWords(snapshot) {
  const before = scalar(snapshot, "explained_variance_before");
  const after = scalar(snapshot, "explained_variance");
  if (before === null) return "Explained variance: not defined, for the targets are all the same";
  if (after === null) return `Explained variance before ${explained(before)} (${verdict(before)}); after: at the end of the update`;
  return `Explained variance ${explained(before)} → ${explained(after)}: ${verdict(after)}`;
}

/** @param {number} share */
function verdict(share) {
  if (share < -0.05) return "negative, worse than a constant";
  if (share < 0.05) return "near 0, as good as a constant";
  if (share < 0.9) return "1 would be perfect, 0 a constant";
  return "close to 1: little of the targets' variance is left";
}

/** @param {Snapshot} snapshot @param {ValueCloud} cloud */
function summary(snapshot, cloud) {
  const [low, high] = extent(cloud.column("target"));
  return `${cloud.samples.length} samples, targets from ${number(low)} to ${number(high)}. ${explainedInWords(snapshot)}.`;
}

// Step direction: the paper's figure 2. What the surrogate and the KL are along the straight line from the weights that
// collected the rollout to the present ones, and beyond.

import { h, setText } from "../ui/dom.js";
import { compact, count, number } from "../state/format.js";
import { runsFreely } from "../state/motion.js";
import { Chart, axisTitle } from "../draw/chart.js";
import { fade } from "../draw/colours.js";
import { Measured, captionOf, momentInWords } from "../draw/measured.js";
import { extent } from "../draw/ranges.js";
import { readout } from "../draw/readout.js";
import { hasClip, isPenalised, matrix, scalar } from "../state/snapshot.js";

/** @import { Panel, PanelContext, PanelView, Snapshot, Theme } from "../types.js" */
/** @import { Table } from "../draw/tables.js" */

const MARGIN = { l: 54, r: 50, t: 22, b: 36 };

/**
 * @typedef {object} Line
 * @property {number[]} at 0 is θ_old, 1 is θ
 * @property {number[]} clipped
 * @property {number[]} unclipped
 * @property {number[]} kl
 * @property {number} new index of θ
 */

/** @type {Panel} */
export const direction = {
  name: "Step direction",
  title: "Step direction",
  hint: "From θ_old straight to θ, and on beyond",
  ideas: ["policy", "clip", "ratio"],
  probes: ["direction"],
  compares: "beside",
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const chart = new Chart(body, { name: direction.name, traces, layout }, context);
  const write = readout(body, [
    { label: "L_PG clipped", swatch: "swatch-line-clipped", room: 7, title: "At θ; what PPO minimises" },
    { label: "not clipped", swatch: "swatch-line-unclipped", room: 7, title: "At θ; it promises ever more, however far the policy goes" },
    { label: "L_PG with β·KL", swatch: "swatch-line-clipped", room: 7, title: "At θ; the objective with its KL penalty" },
    { label: "without", swatch: "swatch-line-unclipped", room: 7, title: "At θ; −r·Â alone promises ever more, however far the policy goes" },
    { label: "KL (right axis)", swatch: "swatch-line-kl", room: 7, title: "Exact KL(π_old‖π) at θ, on an axis of its own" },
    { label: "lowest at", room: 4, title: "Where on the line L_PG is lowest: 1 is the step that was made" },
  ]);
  const caption = h("p", { class: "caption measured" });
  body.append(caption);
  const measured = new Measured("direction_losses", "the first step of the optimizer");
  const lossRange = context.range("loss");
  const klRange = context.range("kl");

  return {
    needs: ["snapshot", "theme"],
    ready: (state) => measured.ready(state),
    draw(state) {
      const snapshot = measured.of(state);
      if (!snapshot) return;
      const line = read(snapshot);
      const patience = runsFreely(state) ? undefined : 1;
      const loss = lossRange.fit(...worthSeeing(line), patience);
      const kl = klRange.fit(0, Math.max(...line.kl), patience);
      const penalised = isPenalised(snapshot);
      const [leashed, free, ...rest] = [line.clipped[line.new], line.unclipped[line.new], line.kl[line.new], lowest(line)].map(compact);
      write(penalised ? [null, null, leashed, free, ...rest] : [leashed, free, null, null, ...rest]);
      const own = penalised || hasClip(snapshot);
      const about = own ? `${count(scalar(snapshot, "direction_samples"))} samples` : "the objective in use has no clip";
      setText(caption, captionOf(state, snapshot, "direction", about));
      Object.assign(chart.element.dataset, { update: snapshot.header.update, phase: snapshot.header.phase });
      return chart.draw(
        [
          { x: line.at, y: line.unclipped },
          { x: line.at, y: line.clipped },
          { x: line.at, y: line.kl },
        ],
        { xaxis: { range: [line.at[0], line.at[line.at.length - 1]] }, yaxis: { range: loss }, yaxis2: { range: kl }, ...marks(context.theme()) },
      );
    },
    resize: () => chart.resize(),
    table: (state) => tableOf(measured.of(state)),
    summary: (state) => {
      const snapshot = measured.of(state);
      return snapshot ? inWords(snapshot) : "";
    },
  };
}

/** @param {Snapshot} snapshot @returns {Line} */
function read(snapshot) {
  const at = [...(snapshot.arrays.direction_at ?? [])];
  const found = matrix(snapshot, "direction_losses");
  /** @param {number} row */
  const curve = (row) => (found ? [...found.values.subarray(row * found.columns, (row + 1) * found.columns)] : []);
  return { at, clipped: curve(0), unclipped: curve(1), kl: curve(2), new: at.indexOf(1) };
}

/** @param {Snapshot | null} snapshot @returns {Table} */
function tableOf(snapshot) {
  const line = snapshot && read(snapshot);
  return [
    ["update", "direction_at", "policy_loss", "policy_loss_unclipped", "kl_exact"],
    ...(line?.at ?? []).map((x, index) => [
      snapshot?.header.update ?? null,
      x,
      line?.clipped[index] ?? null,
      line?.unclipped[index] ?? null,
      line?.kl[index] ?? null,
    ]),
  ];
}

/**
 * Far beyond θ the objective without a clip may run away, and would flatten what the line is about: as much of it is
 * shown as the clipped one is high.
 *
 * @param {Line} line
 * @returns {[number, number]}
 */
function worthSeeing({ clipped, unclipped }) {
  const [low, high] = extent(clipped);
  const room = high - low;
  const [lowest, highest] = extent(unclipped);
  return [Math.max(lowest, low - room), Math.max(high, Math.min(highest, high + room))];
}

/** @param {Line} line */
const lowest = ({ at, clipped }) => at[clipped.indexOf(Math.min(...clipped))];

/** Where θ_old and θ are. @param {Theme} theme */
function marks(theme) {
  const ends = [
    { x: 0, text: "θ<sub>old</sub>" },
    { x: 1, text: "θ" },
  ];
  return {
    shapes: ends.map(({ x }) => ({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: theme.ink, width: 1, dash: "dash" } })),
    annotations: [
      ...ends.map(({ x, text }) => ({ showarrow: false, x, y: 1, yref: "paper", yanchor: "bottom", text, font: { size: 13, color: theme.ink } })),
      // The names of both axes, upright, where there is room and nothing comes over them.
      {
        showarrow: false,
        x: 0,
        xref: "paper",
        xanchor: "right",
        y: 1,
        yref: "paper",
        yanchor: "bottom",
        yshift: 4,
        text: "L<sub>PG</sub>",
        font: { size: 12, color: theme.policy },
      },
      {
        showarrow: false,
        x: 1,
        xref: "paper",
        xanchor: "left",
        xshift: 16, // beside the last number of the other axis
        y: 0, // above it lies Plotly's row of buttons
        yref: "paper",
        yanchor: "top",
        yshift: -6,
        text: "KL",
        font: { size: 12, color: theme.ink },
      },
    ],
  };
}

/** @param {Theme} theme */
function traces(theme) {
  const { policy, ink } = theme;
  /** @param {string} word */
  const hover = (word) => ({ mode: "lines", hovertemplate: `${word} %{y:.4~g}<extra></extra>` });
  return [
    { ...hover("not clipped"), line: { color: policy, width: 1.75, dash: "dash", shape: "linear" } },
    // What the clip takes away from the promise lies between both.
    { ...hover("L<sub>PG</sub> clipped"), fill: "tonexty", fillcolor: fade(theme.held, 0.14), line: { color: policy, width: 3, shape: "linear" } },
    { ...hover("KL"), yaxis: "y2", line: { color: ink, width: 2, dash: "dot", shape: "linear" } },
  ];
}

/** @param {Theme} theme */
function layout(theme) {
  return {
    margin: MARGIN,
    xaxis: { title: axisTitle("x in θ<sub>old</sub> + x·(θ − θ<sub>old</sub>)"), nticks: 6, unifiedhovertitle: { text: "x = %{x:.3~f}" } },
    yaxis: { nticks: 5, zeroline: true, zerolinecolor: theme.grid, zerolinewidth: 1 },
    yaxis2: { overlaying: "y", side: "right", anchor: "x", nticks: 5, showgrid: false },
  };
}

/** @param {Snapshot} snapshot */
function inWords(snapshot) {
  const line = read(snapshot);
  const there = line.new;
  const [own, free] = isPenalised(snapshot) ? ["with β·KL", "without"] : ["clipped", "not clipped"];
  return (
    `Along the line from the old weights (0) to the new ones (1), ${momentInWords(snapshot)}: at 0 L_PG ${number(line.clipped[line.at.indexOf(0)])} and KL 0; ` +
    `at 1 L_PG ${own} ${number(line.clipped[there])}, ${free} ${number(line.unclipped[there])}, KL ${number(line.kl[there])}. ` +
    `L_PG ${own} is lowest at ${number(lowest(line))}.`
  );
}

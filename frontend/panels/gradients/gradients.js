// Gradients: where the loss flows, term by term and layer by layer, and what the norm limit leaves of it.

import { h, setAttribute, setText } from "../../ui/dom.js";
import { NONE, compact, number } from "../../state/format.js";
import { isPriced, priceOf } from "../../state/priced.js";
import { runsFreely } from "../../state/motion.js";
import { Chart } from "../../draw/chart.js";
import { PAIRS, cosineTable } from "./cosines.js";
import { layersOf, namesOf, stretches } from "../../ppo/layers.js";
import { Measured, captionOf, momentInWords } from "../../draw/measured.js";
import { fade } from "../../draw/colours.js";
import { powersIn } from "../../draw/axis.js";
import { sizeOf } from "../../draw/markup.js";
import { readout } from "../../draw/readout.js";
import { matrix, setting } from "../../state/snapshot.js";

/** @import { Panel, PanelContext, PanelView, Snapshot, Theme } from "../../types.js" */
/** @import { Layer } from "../../ppo/layers.js" */
/** @import { Choose } from "../../draw/fit.js" */
/** @import { Table } from "../../draw/tables.js" */

const TERMS = /** @type {const} */ ([
  { name: "policy_loss", term: "policy_loss", raw: "L_PG", weighted: "L_PG", colour: "policy", swatch: "swatch-bar-policy", hatching: null },
  { name: "value_loss", term: "value_term", raw: "L_VF", weighted: "c₁·L_VF", colour: "value", swatch: "swatch-bar-value", hatching: "/" },
  { name: "entropy", term: "entropy_term", raw: "S", weighted: "−c₂·S", colour: "entropy", swatch: "swatch-bar-entropy", hatching: "\\" },
  { name: "loss", term: "loss", raw: "L", weighted: "L", colour: "loss", swatch: "swatch-bar-loss", hatching: null },
]);
const LABEL = 12; // size of other labels
const UNREACHED = 11; // size of what is said of terms that do not flow
const BAR = 0.21; // of the distance between two layers
const LEFT = 92; // CSS pixels, beside the chart and beside the table under it
const RIGHT = 8;
const LOW = 240; // CSS pixels of the panel's body, in which bars and angles have no room above each other
const HEADROOM = 0.35; // of the scale, for what is said above the bars
const POWER = 24; // CSS pixels between two powers of ten
const BEND = 1e-4; // norms far below are as good as 0

/**
 * @typedef {object} Flow what is drawn
 * @property {Layer[]} layers
 * @property {number[][]} norms one list per term, in the order of the layers, as chosen: raw or times the coefficient
 * @property {boolean[][]} reaches the same: whether the term's gradient is anything but 0 there
 * @property {number[]} totals of each term, over all layers
 */

/** @type {Panel} */
export const gradients = {
  name: "Gradients",
  title: "Gradients",
  hint: "Where does the loss flow? ‖∇‖ by term and layer",
  hintOf: ({ snapshot }) =>
    snapshot && isPriced(snapshot.header)
      ? `${gradients.hint}; that of ${priceOf(snapshot.header).symbol} is in ∇L, and has no column of its own`
      : null,
  ideas: ["loss", "policy", "value", "entropy"],
  probes: ["gradients", "minibatches"],
  extras: ["minibatches"],
  compares: "beside",
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const weighting = h(
    "select",
    {
      "aria-label": "Weighting of the gradients",
      title: "Each term times its coefficient, as it is summed up in L, or by itself",
      onchange: () => context.redraw(),
    },
    h("option", { value: "weighted" }, "weighted"),
    h("option", { value: "raw" }, "raw"),
  );
  const legend = readout(
    body,
    TERMS.map(({ raw, swatch }) => ({ label: raw, swatch, room: 4, title: "Norm over all layers" })),
  );
  const chart = new Chart(body, { name: gradients.name, traces, layout }, context);
  const writeCosines = cosineTable(body, LEFT, RIGHT);
  const footer = h("div", { class: "footer" });
  body.append(footer);
  const writeClip = readout(footer, [
    {
      label: "limited", // from what it was to what is left of it: it is not the limit itself
      room: 18,
      title: "Norm of the minibatch's gradient before → after the norm limit, and what it is multiplied by: min(1, limit/norm)",
    },
  ]);
  footer.append(h("div", { class: "choice" }, weighting));
  const caption = h("p", { class: "caption measured" });
  body.append(caption);
  const measured = new Measured("gradient_norms", "the first minibatch");
  const upRange = context.range("up");
  const isWeighted = () => weighting.value === "weighted";

  return {
    needs: ["snapshot", "theme"],
    ready: (state) => measured.ready(state),
    draw(state) {
      const snapshot = measured.of(state);
      if (!snapshot) return;
      const flow = read(snapshot, isWeighted());
      const clip = clipOf(snapshot);
      legend(flow.totals.map(compact));
      writeClip([clipInWords(snapshot)]);
      const wide = chart.width / context.theme().scale - LEFT - RIGHT;
      writeCosines(snapshot, flow.layers, wide);
      const words = captionOf(state, snapshot, "gradients", whichInWords(snapshot));
      setText(caption, words);
      setAttribute(caption, "title", words); // where there is little room it is cut off
      Object.assign(chart.element.dataset, {
        update: snapshot.header.update,
        phase: snapshot.header.phase,
        weighting: weighting.value,
        before: clip?.before ?? "",
        after: clip?.after ?? "",
      });
      const up = upRange.fit(0, Math.max(...flow.norms.flat().map(toScale), 1), runsFreely(state) ? undefined : 1);
      const places = flow.layers.map((_, place) => place);
      return chart.draw(
        [
          ...flow.norms.map((norms, term) => bars(norms, term)),
          ...flow.norms.map((norms) => ({ x: places, y: norms.map(toScale), customdata: norms })),
        ],
        {
          xaxis: { range: [-0.5, places.length - 0.5], names: flow.layers.map(({ name }) => name), choose: layerNames(flow.layers, context.theme()) },
          yaxis: { range: [up[0], up[1] + HEADROOM * (up[1] - up[0])], choose: ticks },
          annotations: [AXIS_NAME, ...unreached(flow, context.theme(), wide / flow.layers.length)],
          shapes: borders(flow.layers, context.theme()),
        },
      );
    },
    resize() {
      body.toggleAttribute("data-low", body.clientHeight < LOW * context.theme().scale);
      chart.resize();
    },
    note: () =>
      body.hasAttribute("data-low")
        ? [{ short: "no angles", long: "The angles between the gradients have no room here: maximise the panel, or save the numbers, for them." }]
        : [],
    table: (state) => tableOf(measured.of(state)),
    summary: (state) => {
      const snapshot = measured.of(state);
      return snapshot ? inWords(snapshot, isWeighted()) : "";
    },
  };
}

/** @param {Snapshot} snapshot @param {boolean} weighted @returns {Flow} */
function read(snapshot, weighted) {
  const found = matrix(snapshot, "gradient_norms");
  const layers = layersOf(snapshot);
  const coefficients = [1, setting(snapshot, "value_coef") ?? 1, setting(snapshot, "entropy_coef") ?? 1, 1];
  const raw = TERMS.map((_, term) => layers.map(({ column }) => (found ? found.values[term * found.columns + column] : NaN)));
  const norms = raw.map((row, term) => row.map((norm) => (weighted ? coefficients[term] : 1) * norm));
  return {
    layers,
    norms,
    reaches: raw.map((row) => row.map((norm) => norm > 0)),
    totals: norms.map((row) => Math.sqrt(row.reduce((sum, norm) => sum + norm * norm, 0))),
  };
}

/** Layer by layer: the norms, raw and weighted, and the cosines; named after the metrics that they are gradients of. @param {Snapshot | null} snapshot @returns {Table} */
function tableOf(snapshot) {
  const weighted = TERMS.flatMap(({ name, term }, at) => (name === term ? [] : [at])); // the others have no coefficient
  const headings = [
    ...["update", "phase", "epoch", "minibatch", "layer"],
    ...TERMS.map(({ name }) => `gradient_norm_${name}`),
    ...weighted.map((at) => `gradient_norm_${TERMS[at].term}`),
    ...["policy_loss_value_term", "policy_loss_entropy_term", "value_term_entropy_term"].map((pair) => `gradient_cosine_${pair}`),
  ];
  if (!snapshot) return [headings];
  const { update, phase, epoch, minibatch } = snapshot.header;
  const { layers, norms: raw } = read(snapshot, false);
  const { norms } = read(snapshot, true);
  const cosines = matrix(snapshot, "gradient_cosines");
  return [
    headings,
    ...layers.map(({ name, column }, place) => [
      ...[update, phase, epoch, minibatch, name],
      ...raw.map((row) => row[place]),
      ...weighted.map((at) => norms[at][place]),
      ...PAIRS.map((_, row) => cosines?.values[row * cosines.columns + column] ?? null),
    ]),
  ];
}

/** @param {Snapshot} snapshot */
function whichInWords(snapshot) {
  if (snapshot.header.stopped_by_kl) return "not used: target KL ended the update here";
  return isUsed(snapshot) ? "the gradient of this step" : "after the step";
}

/**
 * What the norm limit made of this minibatch's gradient, by the trainer's own word.
 *
 * @param {Snapshot} snapshot
 * @returns {{ before: number, factor: number, after: number } | null} null: it has not taken this gradient
 */
function clipOf(snapshot) {
  const table = matrix(snapshot, "minibatches");
  /** @param {string} name */
  const last = (name) => {
    const column = (snapshot.header.minibatch_columns ?? []).indexOf(name);
    return table && table.rows && column >= 0 ? table.values[(table.rows - 1) * table.columns + column] : NaN;
  };
  const [before, factor] = [last("gradient_norm"), last("gradient_clip_factor")];
  return Number.isNaN(before) ? null : { before, factor, after: before * factor };
}

/** @param {Snapshot} snapshot */
function clipInWords(snapshot) {
  const clip = clipOf(snapshot);
  if (clip) return `${compact(clip.before)} → ${compact(clip.after)} (× ${compact(clip.factor)})`;
  return snapshot.header.phase === "loss" ? "comes with the gradient" : NONE;
}

// The scale begins at 0 and is logarithmic above BEND: terms differ by orders of magnitude, and 0 must be seen as 0.

/** @param {number} norm */
const toScale = (norm) => Math.log10(1 + norm / BEND);

/** Powers of ten, as many as can be read, on the scale. @type {Choose} */
const ticks = ([low, high], { length }) => powersIn([low, high / (1 + HEADROOM)], toScale, Math.max(2, length / POWER), -4);

/** One bar for each layer, as an area; none where there is no gradient. @param {number[]} norms @param {number} term */
function bars(norms, term) {
  /** @type {number[]} */
  const x = [];
  /** @type {number[]} */
  const y = [];
  norms.forEach((norm, place) => {
    if (!(norm > 0)) return;
    const left = place + (term - TERMS.length / 2) * BAR;
    x.push(left, left, left + BAR, left + BAR, left, NaN);
    y.push(0, toScale(norm), toScale(norm), 0, 0, NaN);
  });
  return { x, y };
}

/** Upright, above its axis: the margin is for the table. */
const AXIS_NAME = { showarrow: false, x: 0, xref: "paper", xanchor: "right", y: 1, yref: "paper", yanchor: "top", text: "‖∇‖" };

/** Which terms do not flow at all into a network or a head, said there. @param {Flow} flow @param {Theme} theme @param {number} wide CSS pixels of a layer at the usual size of type */
function unreached({ layers, reaches }, theme, wide) {
  return stretches(layers).flatMap(({ from, to }) => {
    const missing = TERMS.filter(({ raw }, term) => raw !== "L" && !reaches[term].slice(from, to + 1).some(Boolean));
    if (!missing.length) return [];
    const names = missing.map(({ raw, colour }) => `<span style="color:${theme[colour]}">∇${raw.replace(/_(\w+)/, "<sub>$1</sub>")}</span>`);
    const parts = [...names, "0"];
    const fits = sizeOf(parts.join(" = "), { family: theme.font, size: UNREACHED }).width < (to - from + 1) * wide;
    const text = fits ? parts.join(" = ") : names.length > 1 ? `${names.join(" =<br>")} = 0` : parts.join("<br>= ");
    const bgcolor = fade(theme.panel, 0.8); // of two lines in a low chart the second lies over bars
    return [
      { showarrow: false, x: (from + to) / 2, y: 1, yref: "paper", yanchor: "top", text, bgcolor, font: { size: UNREACHED, color: theme.ink } },
    ];
  });
}

/** Names of layers under their bars: panels/layers.js. @param {Layer[]} layers @param {Theme} theme @returns {Choose} */
const layerNames =
  (layers, theme) =>
  (_, { length, measure }) => {
    const names = namesOf(layers, length / layers.length, (text) => (measure(text) * nameSize(theme)) / LABEL);
    return { tickvals: names.map((_, place) => place), ticktext: names };
  };

/** Of a layer's name: small, but to be read. @param {Theme} theme */
const nameSize = ({ scale }) => Math.max(10, 11 / scale);

/** Lines between the networks. @param {Layer[]} layers @param {Theme} theme */
function borders(layers, theme) {
  return stretches(layers)
    .slice(1)
    .map(({ from }) => ({ type: "line", x0: from - 0.5, x1: from - 0.5, yref: "paper", y0: 0, y1: 1, line: { color: theme.line, width: 1 } }));
}

/** @param {Theme} theme */
function traces(theme) {
  const areas = TERMS.map(({ colour, hatching }) => ({
    mode: "lines",
    fill: "toself",
    line: { width: 1, color: theme[colour], shape: "linear" },
    hoverinfo: "skip",
    ...(hatching
      ? { fillpattern: { shape: hatching, fgcolor: theme.panel, bgcolor: theme[colour], size: 5, solidity: 0.3 } }
      : { fillcolor: theme[colour] }),
  }));
  // Points to hover over: an area has none of its own.
  const points = TERMS.map(({ raw }) => ({
    mode: "lines",
    line: { width: 0, shape: "linear" },
    hovertemplate: `${raw.replace(/_(\w+)/, "<sub>$1</sub>")} %{customdata:.4~g}<extra></extra>`,
  }));
  return [...areas, ...points];
}

/** @param {Theme} theme */
function layout(theme) {
  return {
    margin: { l: LEFT, r: RIGHT, t: 6, b: 36 },
    xaxis: { showgrid: false, tickfont: { size: nameSize(theme) } },
    yaxis: { zeroline: true, zerolinecolor: theme.inkSoft, zerolinewidth: 1 },
  };
}

/** Whether the weights are still those that the step is made from. @param {Snapshot} snapshot */
const isUsed = ({ header: { phase } }) => phase === "loss" || phase === "gradient";

/** @param {Snapshot} snapshot @param {boolean} weighted */
function inWords(snapshot, weighted) {
  const { layers, norms, reaches, totals } = read(snapshot, weighted);
  const names = TERMS.map((term) => (weighted ? term.weighted : term.raw));
  const whole = names.map((name, term) => `${name} ${number(totals[term])}`).join(", ");
  const each = layers.map(({ name }, place) => {
    const flowing = names.filter((_, term) => reaches[term][place]).map((term) => `${term} ${number(norms[names.indexOf(term)][place])}`);
    return `${name}: ${flowing.join(", ") || NONE}`;
  });
  return (
    `Norm of the gradient (${momentInWords(snapshot)}): ${whole}. Norm clip: ${clipInWords(snapshot)}. ` +
    `By layer: ${each.join("; ")}. What is not named does not reach the layer.`
  );
}

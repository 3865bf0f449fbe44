// Loss components: what the loss is made of, over updates and inside the current one.

import { h, setHidden } from "../ui/dom.js";
import { term } from "../state/format.js";
import { previewOf } from "../state/previewed.js";
import { isPriced, isToReference, priceOf } from "../state/priced.js";
import { scopeOf } from "../state/scope.js";
import { Chart, axisTitle } from "../draw/chart.js";
import { fade } from "../draw/colours.js";
import { WHOLE_RUN_CALM, leftOut, overUpdates, signedLog, stairs } from "../draw/curves.js";
import { currentMark, epochTicks, hasMinibatches, insideUpdate, ofHalves, plannedOf } from "../draw/halves.js";
import { arrow, previewInWords, previewTag } from "../draw/preview-tag.js";
import { extent } from "../draw/ranges.js";
import { followPointer } from "../draw/pointed.js";
import { readout } from "../draw/readout.js";
import { meansInWords, scalar } from "../state/snapshot.js";
import { VIEWED_TOP, viewedLook, viewedMark } from "../draw/viewed.js";
import { acrossUpdates, shownAnew, valuesAt } from "../draw/zoomed.js";

/** @import { Panel, PanelContext, PanelView, SeriesView, Snapshot, Theme } from "../types.js" */
/** @import { Choose } from "../draw/fit.js" */
/** @import { Previewed } from "../state/previewed.js" */

/** @typedef {{ to: (value: number) => number, choose?: Choose }} Scale */

// The sum comes first: it lies under its terms, one of which often nearly equals it.
const PREVIEWED = /** @type {const} */ ([
  { column: "loss", symbol: "L", colour: "loss", swatch: "swatch-loss" },
  { column: "policy_loss", symbol: "L_PG", colour: "policy", swatch: "swatch-policy" },
  { column: "value_term", symbol: "c₁·L_VF", colour: "value", swatch: "swatch-value" },
  { column: "entropy_term", symbol: "−c₂·S", colour: "entropy", swatch: "swatch-entropy" },
]);
const TERMS = /** @type {const} */ ([...PREVIEWED, { column: "penalty", symbol: "β·KL", colour: "clip", swatch: "swatch-price" }]);
const COLUMNS = TERMS.map(({ column }) => column);
const PENALTY = "penalty"; // a term of its own where a reference policy is kept near; under kl_penalty it is in L_PG
const POINTS = 128; // of a curve over updates, in buckets
/** @type {{ x: number[], y: number[] }} */
const NOTHING = { x: [], y: [] };
const STRETCH = 0.4; // of the minibatches: what a preview's terms are drawn over
/** Lines differ by more than their colour. */
const DASHES = { policy: "solid", value: "longdash", entropy: "dot", clip: "dashdot", loss: "solid" };

/** @type {{ [name: string]: Scale }} */
const SCALES = { "± log": { to: signedLog.to, choose: signedLog.ticks }, linear: { to: (value) => value } };

/** @type {Panel} */
export const losses = {
  name: "Loss components",
  title: "Loss components",
  hint: "L = L_PG + c₁·L_VF − c₂·S, term by term",
  hintOf: ({ run, snapshot, whole }) => {
    const priced = [snapshot, whole].find((moment) => moment && isPriced(moment.header));
    const other = run?.attached?.loss ? `. What the script trains on: ${run.attached.loss}` : "";
    if (!priced) return other && `${losses.hint}${other}`;
    const price = priceOf(priced.header);
    const [to, what] = isToReference(price) ? [" to the reference", ""] : ["", `: ${price.what}`];
    return `L = L_PG + c₁·L_VF − c₂·S + ${price.symbol}${to}, term by term${what}${other}`;
  },
  ideas: ["loss", "policy", "value", "entropy"],
  calm: WHOLE_RUN_CALM,
  probes: ["minibatches", "samples"],
  extras: ["minibatches", "samples", "series"], // without the samples there is no preview
  compares: "beside",
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const select = h(
    "select",
    {
      "aria-label": "Scale of the losses",
      title: "± log: logarithmic on both sides of 0, so that small and large terms can be read",
      onchange: () => rescale(),
    },
    ...Object.keys(SCALES).map((name) => h("option", {}, name)),
  );
  const chart = new Chart(body, { name: losses.name, traces, layout }, context);
  const footer = h("div", { class: "footer" });
  body.append(footer);
  const write = readout(footer, [
    ...TERMS.map(({ symbol, swatch }) => ({
      label: symbol,
      swatch,
      room: 7,
      title: "In the minibatch, or the mean over the minibatches, that is shown",
    })),
    {
      label: "shown",
      wide: true,
      room: 17,
      title: "What these numbers are of; a preview and what it is compared with are of the same samples, under the same weights",
    },
  ]);
  const choice = h("div", { class: "choice" }, select);
  footer.append(choice);
  const label = previewTag(body);
  const acrossRange = context.range("across");
  const upRanges = { "± log": context.range("± log"), linear: context.range("linear") };
  const isOther = shownAnew();
  /** @type {SeriesView | null} */
  let rows = null;
  let terms = termsOf(null);
  const follow = followPointer(chart, context, {
    plots: [["xaxis", "yaxis"]],
    says: (update) =>
      rows
        ? valuesAt(
            rows,
            update,
            terms.map(({ column, symbol }) => [symbol, column]),
            term,
          )
        : [],
  });

  function rescale() {
    chart.reset(); // a zoom was one into the other scale
    context.redraw();
  }

  return {
    needs: ["series", "snapshot", "theme", "preview", "zoom"],
    ready: ({ series, snapshot }) => (series.length || hasMinibatches(snapshot) ? true : "the first loss"),
    draw(state) {
      const { series, snapshot } = state;
      rows = series;
      terms = termsOf(snapshot);
      const isTerm = (/** @type {string} */ column) => terms.some((one) => one.column === column);
      const symbolOf = (/** @type {typeof TERMS[number]} */ { column, symbol }) => terms.find((one) => one.column === column)?.symbol ?? symbol;
      const hovers = TERMS.map((one) => ({ hovertemplate: hoverOf(symbolOf(one)) }));
      if (isOther(state)) {
        [acrossRange, ...Object.values(upRanges)].forEach((range) => range.reset());
        chart.reset();
      }
      const scale = /** @type {keyof typeof upRanges} */ (select.value);
      const { to, choose } = SCALES[scale];
      const past = COLUMNS.map((column) => (isTerm(column) ? overUpdates(series, column, state.zoom, POINTS) : NOTHING));
      const inside = insideUpdate(snapshot, COLUMNS);
      const preview = previewOf(state);
      const wouldBe = place(snapshot, inside);
      const then = PREVIEWED.map(({ column }) => preview?.then.terms[column] ?? NaN);
      const curves = [...past, ...COLUMNS.map((column) => (isTerm(column) ? inside.curves[column] : NOTHING))];
      const [low, high] = extent([0], then, ...curves.map(({ y }) => y));
      const up = upRanges[scale].fit(to(low), to(high));
      const across = acrossUpdates(state, acrossRange);
      const whose = snapshot && scopeOf(snapshot.header, preview ? "samples" : "means");
      const told = (/** @type {typeof TERMS[number]["column"]} */ column) =>
        preview && column !== PENALTY ? change(preview, column) : term(snapshot && scalar(snapshot, column));
      write([...TERMS.map(({ column }) => (isTerm(column) ? told(column) : null)), whose], TERMS.map(symbolOf));
      label(preview);
      setHidden(choice, preview !== null); // twice the numbers need its room
      const drawing = chart.draw(
        [
          ...curves.map(stairs).map(({ x, y }, index) => ({ x, y: y.map(to), customdata: y, ...hovers[index % TERMS.length] })),
          currentMark(inside.current, up),
          ...then.map((value) => ({ x: wouldBe, y: wouldBe.map(() => to(value)), customdata: wouldBe.map(() => value) })),
          viewedMark(state, across, up),
        ],
        {
          xaxis: { range: across },
          xaxis2: { range: [0.5, plannedOf(state) + 0.5], ...epochTicks(snapshot) },
          yaxis: { range: up, kind: choose ? "± log" : "number", choose },
        },
      );
      follow();
      return drawing;
    },
    resize: () => chart.resize(),
    note: (state) => leftOut(state, POINTS),
    table: (state) =>
      ofHalves(
        state,
        termsOf(state.snapshot).map(({ column }) => column),
      ),
    summary: (state) => (state.snapshot ? inWords(state.snapshot) + previewInWords(previewOf(state)) : ""),
  };
}

/**
 * Where the terms of a preview are drawn: up to the end of the minibatch, epoch or update that they are of and not beyond
 * it, over a stretch that is long enough to be seen as dashed.
 *
 * @param {Snapshot | null} snapshot
 * @param {{ planned: number, made: number }} inside minibatches of the update, and how many of them there are by now
 * @returns {number[]} from, to
 */
export function place(snapshot, { planned, made }) {
  const { phase, scope, epoch = 1, minibatch = 1, minibatches: each = 4 } = snapshot?.header ?? {};
  const end = scope === "minibatch" ? (epoch - 1) * each + minibatch : phase === "update" && made ? made : Math.min(made || planned, epoch * each);
  return [Math.max(0, end - Math.max(1, STRETCH * planned)) + 0.5, end + 0.5];
}

/** Those that its loss has, by the names that the formula has for them. @param {Snapshot | null} snapshot */
function termsOf(snapshot) {
  const price = snapshot && isPriced(snapshot.header) ? priceOf(snapshot.header) : null;
  return TERMS.filter(({ column }) => price || column !== PENALTY).map((one) =>
    price && one.column === PENALTY ? { ...one, symbol: price.symbol } : one,
  );
}

/** @param {Previewed} preview @param {typeof PREVIEWED[number]["column"]} column */
function change({ now, then }, column) {
  return arrow(term(now.terms[column]), term(then.terms[column]));
}

/** @param {string} symbol */
const hoverOf = (symbol) => `${symbol.replace(/_(\w+)/, "<sub>$1</sub>")} %{customdata:.4~g}<extra></extra>`;

/** @param {Theme} theme */
function traces(theme) {
  const lines = TERMS.map(({ symbol, colour }) => ({
    mode: "lines",
    line: { color: theme[colour], shape: "hvh", width: colour === "loss" ? 3 : 1.5, dash: DASHES[colour] },
    hovertemplate: hoverOf(symbol),
  }));
  return [
    ...lines,
    ...lines.map((line) => ({ ...line, xaxis: "x2" })),
    { mode: "lines", fill: "toself", line: { width: 0 }, fillcolor: fade(theme.ink, 0.12), hoverinfo: "skip", xaxis: "x2" },
    ...lines.slice(0, PREVIEWED.length).map((line) => ({
      ...line,
      xaxis: "x2",
      line: { ...line.line, width: 2.5, dash: "dash" },
      hovertemplate: `preview ${line.hovertemplate}`,
    })),
    viewedLook(theme),
  ];
}

/** @param {Theme} theme */
function layout(theme) {
  return {
    margin: { l: 58, r: 10, t: VIEWED_TOP, b: 36 },
    xaxis: { domain: [0, 0.57], title: axisTitle("update"), nticks: 4, kind: "count", unifiedhovertitle: { text: "update %{x:,.0f}" } },
    xaxis2: { domain: [0.65, 1], anchor: "y", title: axisTitle("its epochs"), unifiedhovertitle: { text: "minibatch %{x:.0f}" } },
    yaxis: { title: axisTitle("term of the loss"), nticks: 7, zeroline: true, zerolinecolor: theme.inkSoft, zerolinewidth: 1 },
  };
}

/** @param {Snapshot} snapshot */
function inWords(snapshot) {
  const parts = termsOf(snapshot).map(({ column, symbol }) => `${symbol} ${term(scalar(snapshot, column))}`);
  return `Loss (${meansInWords(snapshot)}): ${parts.join(", ")}.`;
}

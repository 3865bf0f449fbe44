// Surrogate: the paper's figure 1, what one sample adds to the objective as its ratio moves, with the real samples on it.

import { h, setAttribute, setHidden, setText } from "../../ui/dom.js";
import { count, number } from "../../state/format.js";
import { runsFreely } from "../../state/motion.js";
import { batchOf, previewOf } from "../../state/previewed.js";
import { partly } from "../../state/scope.js";
import { Canvas, inPixels } from "../../draw/canvas.js";
import { Chart, axisTitle } from "../../draw/chart.js";
import { arrow, previewInWords, previewTag } from "../../draw/preview-tag.js";
import { extent } from "../../draw/ranges.js";
import { readout } from "../../draw/readout.js";
import { pointOut } from "../sample/pointed.js";
import { CLIP, edgesOf } from "../../ppo/clip-range.js";
import { clipRangeOf, credit, hasClip, holds, isPenalised } from "../../state/snapshot.js";
import { SIDES, SurrogateCloud } from "./cloud.js";
import { SIGN, drawings, layout, loweredBy, marks, meanPenalty, traces, unitOf, upTitle } from "./figure.js";
import { inWords, summary, tableOf } from "./words.js";

/** @import { Panel, PanelContext, PanelView, Snapshot, State, Theme } from "../../types.js" */
/** @import { Counts, Sample, Side } from "./cloud.js" */
/** @import { Weight } from "./figure.js" */

const WIDEST = 4; // of r: what lies beyond is counted
const NEAR = 10; // CSS pixels around the pointer in which a sample is found
const OF_THE_PENALTY =
  "What the penalty takes off: each sample lies below the dotted line r·Â by β times the KL of its own state, which no r alone decides; the solid line by their mean, this number";

/** @type {Panel} */
export const surrogate = {
  name: "Surrogate",
  title: "Surrogate",
  hint: "Objective against r; flat: no gradient. Click a sample to see it in full",
  ideas: ["policy", "clip", "ratio"],
  probes: ["samples"],
  compares: "beside",
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const sides = h("div", { class: "sides" });
  const box = h("div", { class: "layers of-samples" });
  body.append(sides, box);
  const says = { good: createSide(sides, "good"), bad: createSide(sides, "bad") };
  const saved = (/** @type {Theme} */ theme) => cloud.asTraces(height, theme);
  const chart = new Chart(box, { name: surrogate.name, traces, layout, saved, zoomed: () => dots() }, context);
  const canvas = new Canvas(box, "surrogate-cloud"); // over the curves, which would hide what lies on them
  const cloud = new SurrogateCloud(canvas);
  const words = (/** @type {Sample} */ sample) => (state?.snapshot ? inWords(sample, state.snapshot) : "");
  const say = pointOut(box, canvas, cloud, { near: NEAR, inWords: words }, context);
  const footer = h("div", { class: "footer" });
  body.append(footer);
  const write = readout(footer, [
    { label: "inside", swatch: "swatch-inside", room: 4, title: "Within the clip range: the gradient flows" },
    {
      label: "pulled back",
      swatch: "swatch-pulledBack",
      room: 4,
      title: "Outside of the clip range, but the slope is not zero: the gradient brings them back",
    },
    { label: "beyond the axes", room: 3, title: "Samples that are not in sight" },
    { label: "β·KL", room: 8, title: OF_THE_PENALTY },
  ]);
  const heights = { one: h("option", { value: "one" }), own: h("option", { value: "own" }) };
  const select = h("select", { "aria-label": "Height of a sample", onchange: () => reweigh() }, heights.one, heights.own);
  const choice = h("div", { class: "choice" }, select);
  footer.append(choice);
  const label = previewTag(body, [...CLIP, "kl_coef"]);

  /** @type {State | null} */
  let state = null;
  const reach = context.range("reach"); // of r on either side of 1
  const upRanges = { good: context.range("good"), bad: context.range("bad") };
  let sized = false;

  /** @param {string} symbol of what weighs a sample: Â or G */
  function nameHeights(symbol) {
    setText(heights.one, `per |${symbol}|`);
    setText(heights.own, `own ${symbol}`);
    setAttribute(
      select,
      "title",
      `Every sample as if |${symbol}| were 1, so that all lie on one curve, or each at the height that its own ${symbol} gives it`,
    );
  }

  const weight = () => /** @type {Weight} */ (select.value);
  const height = (/** @type {Sample} */ { y, advantage }) => (weight() === "own" ? y * Math.abs(advantage) : y);

  function reweigh() {
    SIDES.forEach((side) => upRanges[side].reset());
    context.redraw();
  }

  function dots() {
    if (!state?.snapshot) return;
    if (!sized) canvas.fit(context.theme().scale);
    sized = canvas.width > 0;
    cloud.draw({ good: frame("good", "xaxis", "yaxis"), bad: frame("bad", "xaxis2", "yaxis2") }, height, context.theme());
    const { dataset } = canvas.element;
    for (const side of SIDES) {
      for (const [key, n] of Object.entries(cloud.counts(side))) dataset[`${side}${key[0].toUpperCase()}${key.slice(1)}`] = String(n);
    }
    Object.assign(dataset, {
      samples: cloud.samples.length,
      drawn: cloud.drawn,
      beyond: cloud.beyond,
      selected: cloud.marked ? `${cloud.marked.environment},${cloud.marked.step}` : "",
      update: state.snapshot.header.update,
    });
    say();
  }

  /** @param {Side} side @param {string} x @param {string} y */
  function frame(side, x, y) {
    return { x: chart.shown(x), y: chart.shown(y), box: inPixels(chart.plot(x, y), canvas) };
  }

  /** What is said of each side stands above its drawing. */
  function alignSides() {
    const [good, bad] = [chart.plot("xaxis", "yaxis"), chart.plot("xaxis2", "yaxis2")];
    const columns = `${Math.round(good.x)}px ${Math.round(bad.x - good.x)}px 1fr`;
    if (sides.style.gridTemplateColumns !== columns) sides.style.gridTemplateColumns = columns;
  }

  return {
    needs: ["snapshot", "selection", "theme", "preview"],
    ready: (next) => holds(next, "advantage_used"),
    draw(next) {
      state = next;
      const { snapshot, selection } = next;
      const batch = snapshot && batchOf(snapshot);
      const clipRange = snapshot && clipRangeOf(snapshot);
      if (!snapshot || !batch || !clipRange) return;
      const edges = edgesOf(clipRange);
      nameHeights(credit(snapshot));
      cloud.read(snapshot, batch, edges, selection);
      const previewed = previewOf(next);
      const preview = previewed?.clip || previewed?.penalty ? previewed : null; // c₁ and c₂ change nothing here
      const wouldBe = preview?.clip ? edgesOf(preview.values) : null;
      const scaled = preview?.penalty ? Number(preview.values.kl_coef) / Number(preview.used.kl_coef) : null; // of the penalty
      const patience = runsFreely(next) ? undefined : 1;
      const half = reach.fit(
        0,
        Math.max(...[edges, wouldBe ?? edges].flatMap(([low, high]) => [low, high]).map((edge) => 1.6 * Math.abs(edge - 1)), farthest(cloud.samples)),
        patience,
      )[1];
      const across = /** @type {const} */ ([Math.max(0, 1 - half), Math.min(WIDEST, 1 + half)]);
      const unit = { good: unitOf(cloud.samples, "good", weight()), bad: unitOf(cloud.samples, "bad", weight()) };
      const lower = { good: loweredBy(cloud.samples, "good", unit), bad: loweredBy(cloud.samples, "bad", unit) };
      const wouldLower = scaled === null ? null : { good: scaled * lower.good, bad: scaled * lower.bad };
      const curves = { objective: batch.objective, edges, wouldBe, unit, lower, wouldLower, across };
      const ups = SIDES.map((side) => {
        const line = across.map((r) => SIGN[side] * r);
        if (weight() === "one") {
          const [low, high] = line.sort((one, other) => one - other);
          return [low - Math.max(lower[side], wouldLower?.[side] ?? 0), high];
        }
        return upRanges[side].fit(...extent(cloud.samples.filter((sample) => sample.side === side).map(height), line), patience);
      });
      label(preview);
      setHidden(choice, preview !== null); // twice the numbers need its room
      const now = { good: cloud.counts("good"), bad: cloud.counts("bad") };
      const then = preview ? { good: cloud.counts("good", preview.then.codes), bad: cloud.counts("bad", preview.then.codes) } : now;
      for (const side of SIDES) says[side](snapshot, now[side], then[side]);
      const both = (/** @type {"inside" | "pulledBack"} */ key) => arrow(count(now.good[key] + now.bad[key]), count(then.good[key] + then.bad[key]));
      const penalty = isPenalised(snapshot) ? meanPenalty(cloud.samples) : null;
      const penalties = penalty === null ? null : arrow(number(penalty), scaled === null ? null : number(scaled * penalty));
      write([both("inside"), both("pulledBack"), cloud.beyond ? count(cloud.beyond) : null, penalties]);
      const drawn = chart.draw(
        SIDES.flatMap((side) => drawings(side, curves)),
        {
          xaxis: { range: across },
          xaxis2: { range: across },
          yaxis: { range: ups[0], title: axisTitle(upTitle(batch.objective, weight(), credit(snapshot))) },
          yaxis2: { range: ups[1] },
          ...marks(snapshot, curves, context.theme()),
        },
      );
      dots();
      alignSides();
      return drawn;
    },
    resize() {
      chart.resize();
      sized = false;
    },
    note: partly,
    table: ({ snapshot }) => tableOf(snapshot),
    summary: (next) => (next.snapshot ? summary(next.snapshot, cloud) + previewInWords(previewOf(next)) : ""),
  };
}

/** How far r reaches from 1. @param {Sample[]} samples */
const farthest = (samples) => samples.reduce((far, { r }) => Math.max(far, Math.abs(r - 1)), 0);

/**
 * What a side of the figure is, and how many of its samples the clip holds.
 *
 * @param {HTMLElement} parent
 * @param {Side} side
 * @returns {(snapshot: Snapshot, now: Counts, then: Counts) => void} then: with the previewed ε
 */
function createSide(parent, side) {
  const title = h("p", {
    title: `Samples that went ${side === "good" ? "better" : "worse"} than expected: their actions are to become ${side === "good" ? "likelier" : "less likely"}`,
  });
  const element = h("div", { "data-side": side }, title);
  parent.append(element);
  const write = readout(element, [
    { label: "held", swatch: "swatch-held", title: "On the flat part: the gradient of these samples is exactly zero" },
    { label: "not held", swatch: "swatch-unheld", title: "A clip would hold them; this objective has none" },
  ]);
  return (snapshot, now, then) => {
    setText(title, `${credit(snapshot)} ${side === "good" ? ">" : "<"} 0: ${count(now.all)}`);
    const text = arrow(count(now.held + now.unheld), count(then.held + then.unheld));
    write(hasClip(snapshot) ? [text, null] : [null, text]);
  };
}

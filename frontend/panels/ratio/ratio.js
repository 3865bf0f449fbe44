// Ratio histogram: how far the policy has moved away from the one that collected, sample by sample.

import { snapshotsBeside } from "../../state/beside.js";
import { count, extreme, fixed, percent } from "../../state/format.js";
import { runsFreely } from "../../state/motion.js";
import { previewOf } from "../../state/previewed.js";
import { Chart, axisTitle } from "../../draw/chart.js";
import { outline, reach } from "../../draw/curves.js";
import { arrow, isChange, previewInWords, previewTag } from "../../draw/preview-tag.js";
import { alike, centred } from "../../ppo/ratio-bins.js";
import { readout } from "../../draw/readout.js";
import { CLIP, rangeInWords } from "../../ppo/clip-range.js";
import { STACKED } from "../../ppo/regions.js";
import { clipRangeOf, hasClip, holds, scalar, scopeInWords } from "../../state/snapshot.js";
import { edges, marks, room } from "./band.js";

/** @import { Table } from "../../draw/tables.js" */
/** @import { ClipRange } from "../../ppo/clip-range.js" */
/** @import { Outcome } from "../../ppo/what-if.js" */
/** @import { Panel, PanelContext, PanelView, Snapshot, Theme } from "../../types.js" */

/**
 * @typedef {object} Histogram
 * @property {number} limit bins cover log r from −limit to limit
 * @property {number[][]} bins counts, one list per region of STACKED
 * @property {number[]} totals per region, those outside of the bins included
 * @property {number} total
 * @property {[number, number]} outside below and above the bins
 * @property {ClipRange | null} clipRange
 * @property {[number | null, number | null]} extremes smallest and largest r
 */

/** Why r is 1 for all of the only minibatch of an update. @param {Snapshot} snapshot @param {Histogram} histogram */
function byDesign({ header: { settings } }, { extremes }) {
  const single = settings.epochs === 1 && settings.minibatches === 1;
  return single && extremes.every((r) => r !== null && Math.abs(r - 1) < 1e-4) ? "r ≡ 1 by design: before the only step" : null;
}

const MARGIN = { l: 52, r: 14, t: 10, b: 42 };

/** @type {Panel} */
export const ratio = {
  name: "Ratio histogram",
  title: "Ratio histogram",
  hint: "How much likelier is each action? r = π_θ / π_old",
  ideas: ["ratio", "clip"],
  probes: ["ratio", "post_step", "samples"],
  extras: ["post_step", "samples"], // without the samples there is no preview
  compares: "beside",
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const chart = new Chart(body, { name: ratio.name, traces, layout }, context);
  const label = previewTag(body, CLIP);
  const write = readout(body, [
    {
      label: "inside",
      swatch: "swatch-inside",
      room: 5.5,
      title: "Share of the samples drawn with r within the clip range, or with an advantage of 0, which pushes nowhere",
    },
    { label: "held", swatch: "swatch-held", room: 5.5, title: "Share whose policy gradient the clip has set to zero" },
    { label: "not held", swatch: "swatch-unheld", title: "Share that a clip would hold; this objective has none" },
    { label: "pulled back", swatch: "swatch-pulledBack", room: 5.5, title: "Share outside of the clip range whose gradient flows" },
    { label: "clip fraction", title: "Share with r outside of the clip range, whatever becomes of its gradient" },
    { label: "r", room: 12, title: "Smallest and largest r; clipping does not bound it" },
    { label: "shown", room: 20, title: "Which samples are drawn" },
    {
      label: "after",
      swatch: "swatch-after-step",
      room: 8,
      title: "Smallest and largest r of the same minibatch under the weights that its step has led to",
    },
  ]);
  const acrossRange = context.range("across");

  return {
    needs: ["snapshot", "theme", "preview"],
    ready: (state) => holds(state, "ratio_counts"),
    draw(state) {
      const { snapshot } = state;
      if (!snapshot) return;
      const histogram = asDrawn(snapshot, snapshotsBeside(state));
      const stacked = stack(histogram);
      const share = (/** @type {number} */ n) => percent(histogram.total ? n / histogram.total : null);
      const [inside, held, pulledBack, unheld] = histogram.totals;
      const [low, high] = histogram.extremes;
      const span = low === null ? null : `${extreme(low)} to ${extreme(high)}`; // none before a minibatch has been seen
      const after = afterStep(snapshot, scalar(snapshot, "ratio_limit") ?? 1);
      const ofTheClip = hasClip(snapshot) ? [share(held), null] : [null, share(unheld)];
      const previewed = previewOf(state);
      const preview = previewed?.clip ? previewed : null; // c₁ and c₂ change nothing here
      const now = [share(inside), ...ofTheClip, share(pulledBack), percent(scalar(snapshot, "ratio_clip_fraction"))];
      label(preview);
      const then = preview && arrows(preview.now, preview.then, ofTheClip);
      // Twice the numbers would need another line: the rest of all samples, and what a preview does not change, make room for it.
      write(
        then?.some(isChange)
          ? [null, ...then.slice(1), null, scopeInWords(snapshot), null]
          : [...now, span, byDesign(snapshot, histogram) ?? scopeInWords(snapshot), after.span],
      );
      const { dataset } = chart.element;
      dataset.clipRange = String(histogram.clipRange?.clip_range ?? null);
      dataset.update = String(snapshot.header.update);
      dataset.samples = String(histogram.total);
      const wouldBe = preview?.values ?? null;
      dataset.preview = String(wouldBe?.clip_range ?? "");
      const { limit, bins } = histogram;
      const theme = context.theme();
      // Stepping begins with a spike at 1, which must not dwarf what follows.
      const patience = runsFreely(state) ? undefined : 1;
      const seen = histogram.outside.some((n) => n > 0) ? limit : reach(stacked[stacked.length - 1], limit);
      const half = Math.max(seen, after.reach, room(histogram.clipRange), room(wouldBe));
      const across = acrossRange.fit(-half, half, patience);
      const bars = stacked.map((tops, region) => inRatios(outline(tops, -limit, limit), bins[region]));
      return chart.draw([...bars, edges(histogram), edges({ clipRange: wouldBe }), after.steps], {
        xaxis: { range: across.map((x) => x / Math.LN10), ...ticks(across[1]) },
        ...marks(histogram, wouldBe, { limit: across[1], width: chart.width - theme.scale * (MARGIN.l + MARGIN.r) }, theme),
      });
    },
    resize: () => chart.resize(),
    table: ({ snapshot }) => (snapshot ? ofBins(snapshot) : []),
    summary: (state) => (state.snapshot ? inWords(state.snapshot) + previewInWords(previewOf(state)) : ""),
  };
}

/** @param {Snapshot} snapshot @returns {Histogram} */
function read(snapshot) {
  const counts = /** @type {ArrayLike<number>} */ (snapshot.arrays.ratio_counts);
  const outside = snapshot.arrays.ratio_outside ?? new Uint32Array(2 * STACKED.length);
  const size = counts.length / STACKED.length;
  const bins = STACKED.map((_, row) => Array.from({ length: size }, (_, bin) => counts[row * size + bin]));
  const totals = bins.map((row, index) => row.reduce((sum, n) => sum + n, outside[2 * index] + outside[2 * index + 1]));
  /** @param {number} side */
  const beyond = (side) => STACKED.reduce((sum, _, row) => sum + outside[2 * row + side], 0);
  return {
    limit: scalar(snapshot, "ratio_limit") ?? 1,
    bins,
    totals,
    total: totals.reduce((sum, n) => sum + n, 0),
    outside: [beyond(0), beyond(1)],
    clipRange: clipRangeOf(snapshot),
    extremes: [extremeOf(snapshot, "min"), extremeOf(snapshot, "max")],
  };
}

/**
 * Of the samples that are counted; recordings that are older do not tell, and there those of the same name come nearest.
 *
 * @param {Snapshot} snapshot
 * @param {"min" | "max"} end
 */
const extremeOf = (snapshot, end) =>
  scalar(snapshot, `ratio_counted_${end}`) ?? scalar(snapshot, `final_ratio_${end}`) ?? scalar(snapshot, `ratio_${end}`);

/**
 * How a snapshot is drawn: where every r is 1, as one bar; beside other runs, in the bins that all have.
 *
 * @param {Snapshot} snapshot
 * @param {Snapshot[]} others
 * @returns {Histogram}
 */
function asDrawn(snapshot, others) {
  const all = [snapshot, ...others.filter(({ arrays }) => arrays.ratio_counts)];
  const measured = alike(all.map(read));
  const spikes = measured.map((one, index) => centred(one, one.extremes, scalar(all[index], "first_ratio_limit")));
  const allAreOne = spikes.every(({ limit }, index) => limit !== measured[index].limit);
  return allAreOne ? spikes[0] : measured[0];
}

/**
 * At the phase step: the ratios of the same minibatch under the weights that its step has led to, as an outline.
 *
 * @param {Snapshot} snapshot
 * @param {number} limit of the bins, which are those of the bars
 */
function afterStep(snapshot, limit) {
  const counts = [...(snapshot.arrays.ratio_post_counts ?? [])];
  const [below = 0, above = 0] = snapshot.arrays.ratio_post_outside ?? [];
  const total = counts.reduce((sum, n) => sum + n, below + above);
  if (!total) return { steps: { x: [], y: [], customdata: [] }, span: null, reach: 0 };
  const [low, high] = ["ratio_post_min", "ratio_post_max"].map((name) => extreme(scalar(snapshot, name)));
  return {
    steps: inRatios(
      outline(
        counts.map((n) => n / total),
        -limit,
        limit,
      ),
      counts,
    ),
    span: `${low}–${high}`,
    reach: below + above ? limit : reach(counts, limit),
  };
}

/**
 * A line per bin with its edges in r, the first and the last being all that lies outside: counts by region, and of the
 * same minibatch after its step.
 *
 * @param {Snapshot} snapshot
 * @returns {Table}
 */
function ofBins(snapshot) {
  const { header, arrays } = snapshot;
  const { bins, limit } = read(snapshot);
  const { ratio_outside: outside, ratio_post_counts: after, ratio_post_outside: afterOutside } = arrays;
  const size = bins[0].length;
  const edges = [0, ...Array.from({ length: size + 1 }, (_, bin) => Math.exp(limit * ((2 * bin) / size - 1))), Infinity];
  const columns = bins.map((counts, row) => [outside?.[2 * row] ?? 0, ...counts, outside?.[2 * row + 1] ?? 0]);
  if (after) columns.push([afterOutside?.[0] ?? 0, ...after, afterOutside?.[1] ?? 0]);
  const names = [...STACKED.map(({ word }) => word.replace(" ", "_")), "after_its_step"].slice(0, columns.length);
  const [epoch, minibatch] = header.scope === "minibatch" ? [header.epoch, header.minibatch] : [null, null];
  return [
    ["update", "epoch", "minibatch", "r_from", "r_to", ...names],
    ...edges.slice(1).map((to, row) => [header.update, epoch, minibatch, edges[row], to, ...columns.map((counts) => counts[row])]),
  ];
}

/** Shares of all samples, each region on top of the one before. @param {Histogram} histogram */
function stack({ bins, total }) {
  const tops = bins[0].map(() => 0);
  return bins.map((row) => row.map((n, bin) => (tops[bin] += total ? n / total : 0)));
}

/**
 * Bins are equal in log r; the axis is logarithmic and takes r itself. Heights are square roots of shares: beside the
 * spike at 1 the few samples that the clip is about would otherwise not be seen, and the axis can stay as it is.
 *
 * @param {{ x: number[], y: number[] }} steps in log r
 * @param {number[]} counts
 */
const inRatios = ({ x, y }, counts) => ({ x: x.map(Math.exp), y: y.map(Math.sqrt), customdata: [0, ...counts, 0] });

/**
 * Shares of the samples at hand as they are, and as they would be.
 *
 * @param {Outcome} now
 * @param {Outcome} then
 * @param {(string | null)[]} ofTheClip null where the objective has no such region
 */
function arrows(now, then, ofTheClip) {
  const shares = (/** @type {Outcome} */ { counts, samples, fractions }) => [
    counts[1] / samples,
    ofTheClip[0] === null ? null : counts[2] / samples,
    ofTheClip[1] === null ? null : counts[4] / samples,
    counts[3] / samples,
    fractions.clip,
  ];
  const after = shares(then);
  return shares(now).map((share, index) => (share === null ? null : arrow(percent(share), percent(after[index]))));
}

const LADDER = [0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.25, 1.4, 1.6, 2, 3, 5, 10, 20, 100, 1000];
const TICK_DISTANCE = 0.25; // of the half range
const SHARES = [0.01, 0.05, 0.2, 0.5, 1];

/** Round values of r, at least a quarter of the half axis apart. @param {number} limit in log r */
function ticks(limit) {
  /** @type {number[]} */
  const chosen = [1];
  const outwards = [LADDER.filter((r) => r > 1), LADDER.filter((r) => r < 1).reverse()];
  for (const side of outwards) {
    let last = 0;
    for (const r of side) {
      const x = Math.log(r);
      if (Math.abs(x) > limit || Math.abs(x - last) < TICK_DISTANCE * limit) continue;
      chosen.push(r);
      last = x;
    }
  }
  return { tickvals: chosen, ticktext: chosen.map(String) };
}

/** @param {Theme} theme */
function traces(theme) {
  const bars = { mode: "lines", line: { shape: "hvh", width: 0 } };
  const templates = STACKED.map(({ word }) => `${word} %{customdata:,}<extra></extra>`);
  /** @param {string} colour @param {string} shape */
  const hatched = (colour, shape) => ({ shape, fgcolor: theme.panel, bgcolor: colour, size: 5, solidity: 0.25 });
  return [
    { ...bars, fill: "tozeroy", fillcolor: theme.inside, hovertemplate: templates[0] },
    { ...bars, fill: "tonexty", fillpattern: hatched(theme.held, "/"), hovertemplate: templates[1] },
    { ...bars, fill: "tonexty", fillpattern: hatched(theme.pulledBack, "\\"), hovertemplate: templates[2] },
    { ...bars, fill: "tonexty", fillcolor: theme.held, hovertemplate: templates[3] },
    { ...bars, fill: "tonexty", fillpattern: hatched(theme.line, "x"), hovertemplate: templates[4] },
    { mode: "lines", line: { color: theme.clip, width: 1.5 }, hoverinfo: "skip" },
    { mode: "lines", line: { color: theme.clip, width: 2, dash: "dash" }, hoverinfo: "skip" }, // of the preview
    { mode: "lines", line: { shape: "hvh", color: theme.ink, width: 2 }, hovertemplate: "after its step %{customdata:,}<extra></extra>" },
  ];
}

/** @param {Theme} _theme */
function layout(_theme) {
  return {
    margin: MARGIN,
    xaxis: {
      title: axisTitle("ratio r = π<sub>θ</sub>/π<sub>old</sub>, log scale"),
      type: "log",
      tickangle: 0,
      unifiedhovertitle: { text: "r ≈ %{x:.3f}" },
    },
    yaxis: { title: axisTitle("share, √ scale"), range: [0, 1], tickvals: SHARES.map(Math.sqrt), ticktext: SHARES.map((share) => `${100 * share}%`) },
  };
}

/** @param {Snapshot} snapshot */
function inWords(snapshot) {
  const { totals, total, extremes, clipRange, limit } = read(snapshot);
  const { span } = afterStep(snapshot, limit);
  const [inside, held, pulledBack, unheld] = totals.map((n) => percent(total ? n / total : null));
  const ofTheClip = hasClip(snapshot) ? `held: ${held}` : `not held, for there is no clip: ${unheld}`;
  const reaching = extremes[0] === null ? "" : `: from ${extreme(extremes[0])} to ${extreme(extremes[1])}`;
  return (
    `Ratio of ${count(total)} samples (${scopeInWords(snapshot)})${reaching}. ` +
    `Inside ${rangeInWords(clipRange, (x) => fixed(x, 2))}: ${inside}, ${ofTheClip}, pulled back: ${pulledBack}.` +
    (span ? ` The same samples after their step: ${span}.` : "")
  );
}

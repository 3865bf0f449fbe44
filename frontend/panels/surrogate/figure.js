// The figure of the panel Surrogate: a curve for each side, the edges of the clip range, and the axes.

import { axisTitle } from "../../draw/chart.js";
import { fade } from "../../draw/colours.js";
import { hasClip } from "../../state/snapshot.js";
import { SIDES, hasLog, objectiveOf } from "./cloud.js";

/** @import { Snapshot, Theme } from "../../types.js" */
/** @import { Edges } from "../../ppo/clip-range.js" */
/** @import { Sample, Side } from "./cloud.js" */

const MARGIN = { l: 46, r: 8, t: 8, b: 36 };
const DOMAINS = { good: [0, 0.43], bad: [0.57, 1] };
const POINTS = 65; // of a curve
export const SIGN = /** @type {const} */ ({ good: 1, bad: -1 });

/** @typedef {"one" | "own"} Weight every sample for |Â| = 1, or by its own Â */
/**
 * @typedef {object} Curves
 * @property {string} objective
 * @property {Edges} edges of the clip range
 * @property {Edges | null} wouldBe those of a previewed one
 * @property {Record<Side, number>} unit what a side's curve is drawn for
 * @property {Record<Side, number>} lower by how much the mean penalty lowers a side's curve
 * @property {Record<Side, number> | null} wouldLower the same with a previewed β
 * @property {readonly [number, number]} across
 */

/** What a side's curve is drawn for: |Â| = 1, or the mean |Â| of its samples. @param {Sample[]} samples @param {Side} side @param {Weight} weight */
export function unitOf(samples, side, weight) {
  const own = samples.filter((sample) => sample.side === side);
  if (weight === "one" || !own.length) return 1;
  return own.reduce((sum, { advantage }) => sum + Math.abs(advantage), 0) / own.length;
}

/** The mean of β·KL over samples; null of none. @param {Sample[]} samples */
export const meanPenalty = (samples) => (samples.length ? samples.reduce((sum, { penalty }) => sum + penalty, 0) / samples.length : null);

/**
 * By how much a side's curve lies lower than r·Â: each sample lies below it by the penalty of its own state, and the curve
 * by their mean, as a share of what it is drawn for.
 *
 * @param {Sample[]} samples
 * @param {Side} side
 * @param {Record<Side, number>} unit
 */
export function loweredBy(samples, side, unit) {
  const own = samples.filter((sample) => sample.side === side);
  return (unit[side] * (meanPenalty(own) ?? 0)) / unitOf(samples, side, "own");
}

/** The curves of a side, as `traces` lists them. @param {Side} side @param {Curves} curves */
export function drawings(side, { objective, edges, wouldBe, unit, lower, wouldLower, across }) {
  const [from, to] = across;
  const corners = [...edges, ...(wouldBe ?? [])].filter((r) => r > from && r < to);
  const even = Array.from({ length: POINTS }, (_, at) => from + (at / (POINTS - 1)) * (to - from));
  const x = [...even, ...corners].filter((r) => r > 0).sort((a, b) => a - b);
  const curve = (/** @type {string} */ name, /** @type {Edges} */ within, down = 0) => ({
    x,
    y: x.map((r) => unit[side] * objectiveOf(name, r, SIGN[side], within) - down),
  });
  const previewed =
    wouldBe !== null && objective === "clip" ? curve(objective, wouldBe) : wouldLower ? curve(objective, edges, wouldLower[side]) : { x: [], y: [] };
  return [curve("unclipped", edges), curve(objective, edges, lower[side]), previewed];
}

/** @param {Theme} theme */
export function traces(theme) {
  const lines = [
    { line: { color: theme.inkSoft, width: 1, dash: "dot" }, hovertemplate: "without a leash %{y:.3~f}<extra></extra>" },
    { line: { color: theme.policy, width: 2 }, hovertemplate: "objective %{y:.3~f}<extra></extra>" },
    { line: { color: theme.clip, width: 2, dash: "dash" }, hovertemplate: "preview %{y:.3~f}<extra></extra>" },
  ];
  return SIDES.flatMap((side) => lines.map((line) => ({ mode: "lines", ...(side === "good" ? {} : { xaxis: "x2", yaxis: "y2" }), ...line })));
}

/** @param {Theme} _theme */
export function layout(_theme) {
  const x = { title: axisTitle("ratio r"), nticks: 5, unifiedhovertitle: { text: "r = %{x:.3f}" } };
  return {
    margin: MARGIN,
    xaxis: { ...x, domain: DOMAINS.good },
    xaxis2: { ...x, domain: DOMAINS.bad, anchor: "y2" },
    yaxis: { nticks: 5 },
    yaxis2: { nticks: 5, anchor: "x2" },
  };
}

/** @param {string} objective @param {Weight} weight @param {string} symbol */
export function upTitle(objective, weight, symbol) {
  const what = weight === "own" ? "objective" : `objective / |${symbol}|`;
  return hasLog(objective) ? `${what} + const.` : what;
}

/**
 * The edges of the clip range, where the curve is flat, and what the two sides are.
 *
 * @param {Snapshot} snapshot
 * @param {Curves} curves
 * @param {Theme} theme
 */
export function marks(snapshot, { edges, wouldBe, across: [from, to] }, theme) {
  const [low, high, cap] = edges;
  const axes = { good: ["x", "y domain"], bad: ["x2", "y2 domain"] };
  const shapes = SIDES.flatMap((side) => {
    const [xref, yref] = axes[side];
    const upright = { xref, yref, y0: 0, y1: 1, layer: "below" };
    const line = (/** @type {number} */ x, /** @type {object} */ look) => ({
      ...upright,
      type: "line",
      x0: x,
      x1: x,
      line: { color: theme.clip, width: 1, ...look },
    });
    const holdsFurther = side === "bad" && hasClip(snapshot); // c is of the clip alone
    const ends = (/** @type {Edges} */ [below, above, furthest]) => [below, above, ...(holdsFurther && furthest < to ? [furthest] : [])];
    const flats = side === "good" ? [[Math.min(to, high), to]] : [[from, Math.max(from, low)], ...(cap < to ? [[cap, to]] : [])];
    return [
      ...flats.map(([x0, x1]) => ({
        ...upright,
        type: "rect",
        x0,
        x1,
        fillcolor: fade(theme.held, 0.1),
        line: { width: 0 },
        visible: hasClip(snapshot),
      })),
      ...ends(edges).map((x) => line(x, {})),
      ...(wouldBe ? ends(wouldBe) : []).map((x) => line(x, { width: 1.5, dash: "dash" })),
    ];
  });
  return { shapes, annotations: [] };
}

// KL and clipping: how far the policy has moved, by three measures, and what the clip does about it.

import { h } from "../ui/dom.js";
import { compact, number, percent } from "../state/format.js";
import { runsFreely } from "../state/motion.js";
import { scopeOf } from "../state/scope.js";
import { Chart, axisTitle } from "../draw/chart.js";
import { klMarginOf } from "../ppo/adaptation.js";
import { fade } from "../draw/colours.js";
import { WHOLE_RUN_CALM, leftOut, overUpdates, stairs } from "../draw/curves.js";
import { currentMark, epochTicks, hasMinibatches, insideUpdate, ofHalves, plannedOf } from "../draw/halves.js";
import { logTicks, powerOf } from "../draw/log-axis.js";
import { extent } from "../draw/ranges.js";
import { followPointer } from "../draw/pointed.js";
import { readout } from "../draw/readout.js";
import { betaOf, rateOf } from "../state/followers.js";
import { hasClip, meansInWords, scalar, setting } from "../state/snapshot.js";
import { VIEWED_TOP, viewedLook, viewedMark } from "../draw/viewed.js";
import { acrossUpdates, shownAnew, valuesAt } from "../draw/zoomed.js";

/** @import { Panel, PanelContext, PanelView, SeriesView, Snapshot, Span, State, Theme } from "../types.js" */
/** @import { Curve, Curves } from "../draw/halves.js" */
/** @import { Follower } from "../state/followers.js" */

const POINTS = 128; // of a curve over updates, in buckets

const KLS = /** @type {const} */ ([
  { column: "kl_exact", name: "KL", swatch: "swatch-kl-exact", title: "Mean of KL(π_old‖π_θ) from the distributions themselves" },
  {
    column: "kl_k3",
    name: "k3",
    swatch: "swatch-kl-k3",
    title: "Mean of (r − 1) − log r: an estimate that is never negative; target_kl is compared with it",
  },
  { column: "kl_k1", name: "k1", swatch: "swatch-kl-k1", title: "Mean of −log r: an estimate that may be negative" },
]);
/** Held and pulled back lie on each other; the clip fraction is the line above both. */
const FRACTIONS = /** @type {const} */ ([
  { column: "held_fraction", name: "held", swatch: "swatch-held", title: "Share of samples whose policy gradient the clip has set to zero" },
  { column: "pulled_back_fraction", name: "pulled back", swatch: "swatch-pulledBack", title: "Share outside of the clip range whose gradient flows" },
  {
    column: "clip_fraction",
    name: "clip fraction",
    swatch: "swatch-clip-fraction",
    title: "Share with r outside of the clip range, held or not: what libraries log",
  },
]);
const ROUNDING = 1e-9; // of shares that are subtracted
const COLUMNS = [...KLS, ...FRACTIONS].map(({ column }) => column);
/** Of the whole rollout, after the last step: what β follows. */
const DRIVER = "final_kl_exact";
const OF_BETA = "β, on the right axis: doubled after an update whose KL, after its last step, lies above the band of the target, halved below it";
const OF_ALPHA =
  "α of the last step, on the right axis: before each step it is raised where the minibatch's KL lies below the band of the desired KL, lowered above it";

/** @type {Panel} */
export const kl = {
  name: "KL and clipping",
  title: "KL and clipping",
  hint: "How far π_θ has moved, and what the clip does about it",
  ideas: ["policy", "clip", "ratio"],
  calm: WHOLE_RUN_CALM,
  probes: ["minibatches"],
  extras: ["minibatches", "series"],
  compares: "beside",
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const chart = new Chart(body, { name: kl.name, traces, layout }, context);
  const footer = h("div", {});
  body.append(footer);
  const write = readout(footer, [
    ...KLS.map(({ name, swatch, title }) => ({ label: name, swatch, room: 8, title })),
    {
      label: "stops at",
      swatch: "swatch-kl-target",
      room: 6,
      title: "target KL, as many times as this training loop allows: the epochs end once k3 exceeds it",
    },
    { label: "clip fraction", swatch: "swatch-clip-fraction", title: FRACTIONS[2].title },
    { label: "= held", swatch: "swatch-held", title: FRACTIONS[0].title },
    { label: "+ pulled back", swatch: "swatch-pulledBack", title: FRACTIONS[1].title },
    { label: "+ not held", title: "Share that a clip would hold; this objective has none" },
    { label: "+ of Â = 0", title: "Share with r outside of the clip range whose advantage is exactly 0: it pushes nowhere, and nothing holds it" },
    { label: "shown", room: 17, title: "What the numbers before this are of; each minibatch was measured before its step" },
    {
      label: "KL after the last step",
      swatch: "swatch-kl-final",
      room: 8,
      title: "Mean of KL(π_old‖π_θ) over the whole rollout under the final weights",
    },
    { label: "β", swatch: "swatch-beta", wide: true, title: OF_BETA },
    { label: "α", swatch: "swatch-alpha", wide: true, title: OF_ALPHA },
  ]);
  const acrossRange = context.range("across");
  const ranges = { kl: context.range("kl"), share: context.range("share"), upper: context.range("upper"), lower: context.range("lower") };
  const isOther = shownAnew();
  /** @type {SeriesView | null} */
  let rows = null;
  const follow = followPointer(chart, context, {
    plots: [
      ["xaxis", "yaxis"],
      ["xaxis3", "yaxis2"],
    ],
    says: (update) =>
      rows
        ? valuesAt(
            rows,
            update,
            [KLS[0], KLS[1], FRACTIONS[2]].map(({ column, name }) => [name, column]),
          )
        : [],
  });

  return {
    needs: ["series", "snapshot", "theme", "zoom"],
    ready: ({ series, snapshot }) => (series.length || hasMinibatches(snapshot) ? true : "the first loss"),
    draw(state) {
      const { series, snapshot } = state;
      rows = series;
      const theme = context.theme();
      if (isOther(state)) {
        [acrossRange, ...Object.values(ranges)].forEach((range) => range.reset());
        chart.reset();
      }
      const past = curvesOf(series, state.zoom);
      const inside = insideUpdate(snapshot, COLUMNS);
      const target = limit(snapshot, state.run);
      const [beta, alpha] = [snapshot && betaOf(snapshot), snapshot && rateOf(snapshot)];
      const driver = beta ? overUpdates(series, DRIVER, state.zoom, POINTS) : NOTHING;
      const all = [past, inside.curves];
      const kls = all.flatMap((curves) => KLS.map(({ column }) => curves[column].y));
      const patience = runsFreely(state) ? undefined : 1;
      const up = ranges.kl.fit(...extent([0, target ?? 0, beta?.band[1] ?? 0, alpha?.band[1] ?? 0], driver.y, ...kls), patience);
      const share = ranges.share.fit(...extent([0], ...all.map(({ clip_fraction }) => clip_fraction.y)), patience);
      const across = acrossUpdates(state, acrossRange);
      // Beside the KL; where both follow it, α stands below.
      const upper = followed(state, beta ?? alpha);
      const lower = followed(state, beta && alpha);
      const [right, below] = [ranges.upper.fit(...around(upper), patience), ranges.lower.fit(...around(lower), patience)];
      write(snapshot ? [...numbers(snapshot, state.run), beta?.told ?? null, alpha?.told ?? null] : []);
      const within = [0.5, plannedOf(state) + 0.5];
      const drawing = chart.draw(
        [
          ...all.flatMap((curves) => [...KLS.map(({ column }) => curves[column]), ...stacked(curves)].map(drawn)),
          level(target, across),
          level(target, within),
          currentMark(inside.current, up),
          currentMark(inside.current, share),
          viewedMark(state, across, up),
          { ...viewedMark(state, across, share), text: [] },
          band(beta, across),
          band(alpha, within),
          drawn(driver),
          drawn(beta ? upper : NOTHING),
          drawn(beta ? NOTHING : upper),
          drawn(lower),
        ],
        {
          xaxis: { range: across, showticklabels: false },
          xaxis2: { range: within, ...epochTicks(snapshot), showticklabels: false },
          xaxis3: { range: across },
          xaxis4: { range: within, ...epochTicks(snapshot) },
          yaxis: { range: up },
          yaxis2: { range: share },
          yaxis3: { range: right, visible: upper.x.length > 0, choose: logTicks, tickfont: { color: beta ? theme.clip : theme.loss } },
          yaxis4: { range: below, visible: lower.x.length > 0, choose: logTicks, tickfont: { color: theme.loss } },
        },
      );
      follow();
      return drawing;
    },
    resize: () => chart.resize(),
    note: (state) => leftOut(state, POINTS),
    table: (state) => ofHalves(state, [...COLUMNS, ...ofFollowers(state.snapshot)]),
    summary: ({ snapshot, run }) => (snapshot ? inWords(snapshot, run) : ""),
  };
}

/**
 * Fractions lie on each other, so all of them are thinned to the same updates: those where the clip fraction turns.
 *
 * @param {SeriesView} series
 * @param {Span | null} span
 * @returns {Curves}
 */
function curvesOf(series, span) {
  const kls = KLS.map(({ column }) => [column, overUpdates(series, column, span, POINTS)]);
  const turns = overUpdates(series, "clip_fraction", span, POINTS).x;
  const shares = FRACTIONS.map(({ column }) => {
    const values = series.column(column);
    return [column, { x: turns, y: turns.map((update) => values[update - series.first]) }];
  });
  return Object.fromEntries([...kls, ...shares]);
}

/** Held, and pulled back on top of it, and the clip fraction, each with its own value to be read. @param {Curves} curves */
function stacked({ held_fraction: held, pulled_back_fraction: back, clip_fraction: clip }) {
  return [held, { x: back.x, y: back.y.map((value, at) => value + held.y[at]), own: back.y }, clip];
}

/** @param {Curve & { own?: number[] }} curve */
function drawn(curve) {
  const { x, y } = stairs(curve);
  return { x, y, customdata: curve.own ? stairs({ x: curve.x, y: curve.own }).y : y };
}

const NOTHING = { x: [], y: [] };

/** What follows the KL, by its power of ten and with its own value to be read. @param {State} state @param {Follower | null} follower @returns {Curve & { own: number[] }} */
function followed({ series, zoom }, follower) {
  const { x, y } = follower ? overUpdates(series, follower.column, zoom, POINTS) : NOTHING;
  return { x, y: y.map(powerOf), own: y };
}

/** The range of a curve of powers, with some room. @param {Curve} curve @returns {[number, number]} */
function around({ y }) {
  const [low, high] = extent(y);
  return [low - 0.15, high + 0.15];
}

/** Of the KL, where what follows it stays. @param {Follower | null} follower @param {readonly number[]} range */
function band(follower, [from, to]) {
  if (!follower) return NOTHING;
  const [low, high] = follower.band;
  return { x: [from, from, to, to], y: [low, high, high, low] };
}

/** What a saved table has beyond the KLs: what follows them, and by what. @param {Snapshot | null} snapshot */
function ofFollowers(snapshot) {
  const rate = snapshot && rateOf(snapshot) ? ["learning_rate", "learning_rate_raised", "learning_rate_lowered", "learning_rate_pinned"] : [];
  return [...(snapshot && betaOf(snapshot) ? [DRIVER, "kl_coef"] : []), ...rate];
}

/** A level line; none where there is none. @param {number | null} y @param {readonly number[]} range */
const level = (y, range) => (y === null ? { x: [], y: [] } : { x: [...range], y: [y, y] });

/** Where the epochs are stopped, as far as that is known. @param {Snapshot | null} snapshot @param {State["run"]} run */
function limit(snapshot, run) {
  const target = snapshot && setting(snapshot, "target_kl");
  const margin = klMarginOf(run);
  return target === null || margin === null ? null : margin * target;
}

/** @param {Theme} theme */
function traces(theme) {
  const klLines = [
    { color: theme.policy, width: 2.5 },
    { color: theme.ink, width: 1.5, dash: "longdash" },
    { color: theme.inkSoft, width: 1.5, dash: "dot" },
  ];
  /** @param {string} colour @param {string} shape */
  const hatched = (colour, shape) => ({ shape, fgcolor: theme.panel, bgcolor: colour, size: 5, solidity: 0.25 });
  const shares = [
    { line: { width: 0 }, fill: "tozeroy", fillpattern: hatched(theme.held, "/") },
    { line: { width: 0 }, fill: "tonexty", fillpattern: hatched(theme.pulledBack, "\\") },
    { line: { color: theme.clip, width: 2 } },
  ];
  const columns = [
    ["x", "x3"],
    ["x2", "x4"],
  ].flatMap(([top, bottom]) => [
    ...klLines.map((line, index) => ({ line, xaxis: top, yaxis: "y", hovertemplate: `${KLS[index].name} %{customdata:.3~g}<extra></extra>` })),
    ...shares.map((look, index) => ({
      ...look,
      xaxis: bottom,
      yaxis: "y2",
      hovertemplate: `${FRACTIONS[index].name} %{customdata:.1%}<extra></extra>`,
    })),
  ]);
  const limits = ["x", "x2"].map((xaxis) => ({
    xaxis,
    yaxis: "y",
    line: { color: theme.danger, width: 1.5, dash: "dash" },
    hovertemplate: "the epochs stop at k3 > %{y:.3~g}<extra></extra>",
  }));
  const here = { fill: "toself", line: { width: 0 }, fillcolor: fade(theme.ink, 0.12), hoverinfo: "skip" };
  const marks = [
    { ...here, xaxis: "x2", yaxis: "y" },
    { ...here, xaxis: "x4", yaxis: "y2" },
    { ...viewedLook(theme), xaxis: "x", yaxis: "y" },
    { ...viewedLook(theme), xaxis: "x3", yaxis: "y2" },
  ];
  const bands = ["x", "x2"].map((xaxis) => ({ ...here, xaxis, yaxis: "y", fillcolor: fade(theme.inside, 0.16) }));
  const ofAlpha = { line: { color: theme.loss, width: 3 }, hovertemplate: "α %{customdata:.3~g}<extra></extra>" };
  const followers = [
    {
      line: { color: theme.policy, width: 1.5, dash: "dash" },
      xaxis: "x",
      yaxis: "y",
      hovertemplate: "KL after the last step %{customdata:.3~g}<extra></extra>",
    },
    { line: { color: theme.clip, width: 2 }, xaxis: "x", yaxis: "y3", hovertemplate: "β %{customdata:.3~g}<extra></extra>" },
    { ...ofAlpha, xaxis: "x", yaxis: "y3" },
    { ...ofAlpha, xaxis: "x3", yaxis: "y4" },
  ];
  return [...columns, ...limits, ...marks, ...bands, ...followers].map((trace) => ({
    mode: "lines",
    ...trace,
    line: { shape: "hvh", ...trace.line },
  }));
}

/** @param {Theme} theme */
function layout(theme) {
  const left = { domain: [0, 0.57], nticks: 4, kind: "count", unifiedhovertitle: { text: "update %{x:,.0f}" } };
  const right = { domain: [0.65, 1], unifiedhovertitle: { text: "minibatch %{x:.0f}" } };
  const zero = { nticks: 4, zeroline: true, zerolinecolor: theme.inkSoft, zerolinewidth: 1 };
  return {
    margin: { l: 50, r: 10, t: VIEWED_TOP, b: 36 },
    xaxis: { ...left, anchor: "y" },
    xaxis2: { ...right, anchor: "y" },
    xaxis3: { ...left, anchor: "y2", title: axisTitle("update") },
    xaxis4: { ...right, anchor: "y2", title: axisTitle("its epochs") },
    yaxis: { ...zero, domain: [0.54, 1], title: axisTitle("KL") },
    yaxis2: { ...zero, domain: [0, 0.46], kind: "share", title: axisTitle("share") },
    yaxis3: { overlaying: "y", domain: [0.54, 1], side: "right", anchor: "x", showgrid: false, visible: false },
    yaxis4: { overlaying: "y2", domain: [0, 0.46], side: "right", anchor: "x3", showgrid: false, visible: false },
  };
}

/** @param {Snapshot} snapshot @param {State["run"]} run */
function numbers(snapshot, run) {
  const share = (/** @type {string} */ name) => percent(scalar(snapshot, name));
  const [clip, held, back] = ["clip_fraction", "held_fraction", "pulled_back_fraction"].map((name) => scalar(snapshot, name));
  const rest = clip === null || held === null || back === null ? null : Math.max(0, clip - held - back);
  const stop = limit(snapshot, run);
  return [
    ...KLS.map(({ column }) => compact(scalar(snapshot, column))),
    stop === null ? null : number(stop),
    share("clip_fraction"),
    hasClip(snapshot) ? share("held_fraction") : null,
    share("pulled_back_fraction"),
    ...(hasClip(snapshot) ? [null, rest !== null && rest > ROUNDING ? percent(rest) : null] : [percent(rest), null]),
    scopeOf(snapshot.header, "means"),
    after(snapshot),
  ];
}

/** The exact KL under the final weights, once they are. @param {Snapshot} snapshot */
const after = (snapshot) => (scalar(snapshot, "final_kl_exact") === null ? null : compact(scalar(snapshot, "final_kl_exact")));

/** @param {Snapshot} snapshot @param {State["run"]} run */
function inWords(snapshot, run) {
  const kls = KLS.map(({ column, name }) => `${name} ${number(scalar(snapshot, column))}`);
  const shares = FRACTIONS.map(({ column, name }) => `${name} ${percent(scalar(snapshot, column))}`);
  const stop = limit(snapshot, run);
  const target = stop === null ? "" : ` The epochs stop where k3 exceeds ${number(stop)}.`;
  const final = after(snapshot) === null ? "" : ` Under the final weights, over the whole rollout: KL ${after(snapshot)}.`;
  const told = [betaOf(snapshot), rateOf(snapshot)].map((one) => (one ? ` ${one.column === "kl_coef" ? "β" : "α"}: ${one.told}.` : "")).join("");
  return `KL of π_old and π_θ (${meansInWords(snapshot)}): ${kls.join(", ")}.${final}${target}${told} Of the samples: ${shares.join(", ")}.`;
}

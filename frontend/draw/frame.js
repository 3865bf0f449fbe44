// What stands around a chart's data: grid, axes with their ticks and titles, marks and words. In SVG, from Plotly's
// attributes and in the places that Plotly would choose; drawn anew only where one of them changes.

import { LEADING, label, sizeOf, svg } from "./markup.js";
import { AXIS, anchorOf, axisName, downwards, rightwards } from "./places.js";
import { linesIn } from "../ui/text.js";

/** @import { Attributes } from "./chart.js" */
/** @import { Look } from "./markup.js" */
/** @import { Axes, Scale } from "./places.js" */

/**
 * @typedef {object} Place of a value on the page
 * @property {Axes} axes
 * @property {Attributes} layout
 * @property {number} width of the chart
 * @property {number} height
 *
 * @typedef {{ from: number, to: number }} Reach in CSS pixels
 */

const STANDOFF = 0.2; // between an axis and its labels, in sizes of type
const MIDDLE = 0.35; // from a line's base to its middle, in sizes of type
const BASE = 0.25; // from a point to the base of its words, above it or beside it, in sizes of type
const CAPITAL = 0.7; // a capital's height, in sizes of type
const DASHES = { dot: 1, dash: 3, longdash: 5 }; // Plotly's, in widths of the line

/**
 * @param {Attributes} layout with ticks for each axis that has labels
 * @param {Axes} axes
 * @param {[string, string][]} plots pairs of axes that share a plot
 * @param {number} width
 * @param {number} height
 * @returns {{ below: SVGElement[], above: SVGElement[] }} of the data
 */
export function frameOf(layout, axes, plots, width, height) {
  const place = { axes, layout, width, height };
  const names = Object.keys(axes).filter((name) => layout[name].visible !== false);
  const shapes = (/** @type {string} */ layer) =>
    (layout.shapes ?? [])
      .filter((/** @type {Attributes} */ shape) => (shape.layer ?? "above") === layer && shape.visible !== false)
      .flatMap((/** @type {Attributes} */ shape) => shapeOf(shape, place));
  return {
    below: [
      ...shapes("below"),
      ...names.flatMap((name) => grid(name, plots, place)),
      ...names.flatMap((name) => zeroLine(name, plots, place)),
      ...shapes("between"),
      ...names.flatMap((name) => line(name, names, place)),
      ...names.flatMap((name) => ticks(name, place)),
      ...names.flatMap((name) => title(name, place)),
    ],
    above: [...shapes("above"), ...(layout.annotations ?? []).flatMap((/** @type {Attributes} */ one) => annotation(one, place))],
  };
}

/** Which axes share a plot: those of a trace, and those that are anchored to each other. @param {Attributes[]} traces @param {Attributes} layout */
export function plotsOf(traces, layout) {
  /** @type {[string, string][]} */
  const pairs = traces.map(({ xaxis = "x", yaxis = "y" }) => [axisName(xaxis), axisName(yaxis)]);
  for (const [name, axis] of Object.entries(layout)) {
    if (!AXIS.test(name)) continue;
    const other = anchorOf(name, axis);
    pairs.push(name.startsWith("x") ? [name, other] : [other, name]);
  }
  return [...new Map(pairs.map((pair) => [pair.join(), pair])).values()];
}

/** Words at points of traces. @param {Attributes[]} traces with their data @param {Axes} axes @param {string} family */
export const wordsOf = (traces, axes, family) =>
  traces.flatMap(({ x, y, xaxis = "x", yaxis = "y", text, textposition, textfont }) => {
    if (!text?.length || !textfont) return [];
    const [across, up] = [scaleOf(axisName(xaxis), axes), scaleOf(axisName(yaxis), axes)];
    const look = { family, size: textfont.size, colour: textfont.color, halo: textfont.halo };
    const anchor = textposition.endsWith("left") ? "end" : "start";
    const down = textposition.startsWith("top") ? -BASE : BASE;
    return [...text.keys()].flatMap((index) =>
      text[index] ? [label(text[index], { x: across(x[index]), y: up(y[index]) + down * look.size, anchor }, look)] : [],
    );
  });

/** @param {string} name @param {Axes} axes @returns {Scale} from a value to CSS pixels from the chart's corner */
function scaleOf(name, axes) {
  const { offset } = axes[name];
  const scale = (name.startsWith("x") ? rightwards : downwards)(axes[name]);
  return (value) => offset + scale(value);
}

/** @param {string} name @param {Axes} axes @returns {Reach} */
const reachOf = (name, axes) => ({ from: axes[name].offset, to: axes[name].offset + axes[name].length });

/** The plots that the lines of an axis run through. @param {string} name @param {[string, string][]} plots @param {Place} place @returns {Reach[]} */
function through(name, plots, { axes, layout }) {
  const others = plots.flatMap(([x, y]) => (x === name ? [y] : y === name ? [x] : []));
  return others.filter((other) => !layout[other].overlaying).map((other) => reachOf(other, axes));
}

/** Lines across the plots of an axis, at some places of it. @param {string} name @param {number[]} at @param {Reach[]} reaches */
const acrossPlots = (name, at, reaches) =>
  at.flatMap((here) => reaches.map(({ from, to }) => (name.startsWith("x") ? `M${here},${from}V${to}` : `M${from},${here}H${to}`))).join("");

/** @param {string} d @param {string} stroke @param {number} width */
const crisp = (d, stroke, width) => (d ? [svg("path", { d, stroke, "stroke-width": width, fill: "none", "shape-rendering": "crispEdges" })] : []);

/** @param {string} name @param {[string, string][]} plots @param {Place} place */
function grid(name, plots, place) {
  const axis = place.layout[name];
  if (axis.showgrid === false) return [];
  const { from, to } = reachOf(name, place.axes);
  const scale = scaleOf(name, place.axes);
  const at = (axis.tickvals ?? [])
    .filter((/** @type {number} */ value) => !(value === 0 && axis.zeroline))
    .map(scale)
    .filter((/** @type {number} */ here) => here > from + 1 && here < to - 1);
  return crisp(acrossPlots(name, at, through(name, plots, place)), axis.gridcolor, 1);
}

/** @param {string} name @param {[string, string][]} plots @param {Place} place */
function zeroLine(name, plots, place) {
  const axis = place.layout[name];
  const [low, high] = place.axes[name].range;
  if (!axis.zeroline || low > 0 || high < 0) return [];
  return crisp(acrossPlots(name, [scaleOf(name, place.axes)(0)], through(name, plots, place)), axis.zerolinecolor, axis.zerolinewidth);
}

/** On which side of its anchor the middle of an axis's line lies, and where. @param {string} name @param {Place} place */
function lineAt(name, { axes, layout }) {
  const { from, to } = reachOf(anchorOf(name, layout[name]), axes);
  if (name.startsWith("x")) return { at: to + 0.5, side: 1 };
  return layout[name].side === "right" ? { at: to + 0.5, side: 1 } : { at: from - 0.5, side: -1 };
}

/** @param {string} name @param {string[]} names @param {Place} place */
function line(name, names, place) {
  const { from, to } = reachOf(name, place.axes);
  const { at } = lineAt(name, place);
  if (name.startsWith("y")) return crisp(`M${at},${from}V${to}`, place.layout[name].linecolor, 1);
  // It fills the corners between itself and the lines of y axes.
  const beside = names
    .filter((other) => other.startsWith("y") && anchorOf(other, place.layout[other]) === name)
    .map((other) => lineAt(other, place).side);
  return crisp(`M${from - Number(beside.includes(-1))},${at}H${to + Number(beside.includes(1))}`, place.layout[name].linecolor, 1);
}

/** @param {Attributes} layout @param {Attributes} [own] @returns {Look} */
const lookOf = ({ font }, own) => ({ family: font.family, size: own?.size ?? font.size, colour: own?.color ?? font.color });

/** The labels of an axis that are in sight. @param {string} name @param {Place} place */
function labelsOf(name, { axes, layout }) {
  const { tickvals = [], ticktext = [], showticklabels } = layout[name];
  if (showticklabels === false) return [];
  const { from, to } = reachOf(name, axes);
  const scale = scaleOf(name, axes);
  return [...tickvals.keys()]
    .map((index) => ({ at: scale(tickvals[index]), text: String(ticktext[index]) }))
    .filter(({ at }) => at > from - 0.5 && at < to + 0.5);
}

/** @param {string} name @param {Place} place */
function ticks(name, place) {
  const look = lookOf(place.layout, place.layout[name].tickfont);
  const { at, side } = lineAt(name, place);
  const away = at + side * (0.5 + STANDOFF * look.size);
  return labelsOf(name, place).map((one) =>
    name.startsWith("x")
      ? label(one.text, { x: one.at, y: away + look.size, anchor: "middle" }, look)
      : label(one.text, { x: away, y: one.at + MIDDLE * look.size, anchor: side > 0 ? "start" : "end" }, look),
  );
}

/** How far the labels of an axis reach from it. @param {string} name @param {Place} place */
function depth(name, place) {
  const look = lookOf(place.layout, place.layout[name].tickfont);
  const texts = labelsOf(name, place).map(({ text }) => text);
  if (!texts.length) return 0;
  const beside = 0.5 + STANDOFF * look.size;
  if (name.startsWith("y")) return beside + Math.max(...texts.map((text) => sizeOf(text, look).width));
  const lines = Math.max(...texts.map((text) => text.split("<br>").length));
  return beside + (1 + (lines - 1) * LEADING) * look.size + linesIn(look.family, look.size).descent;
}

/** @param {string} name @param {Place} place */
function title(name, place) {
  const { layout, axes, width, height } = place;
  const { text, standoff = 0, font } = layout[name].title ?? {};
  if (!text) return [];
  const look = lookOf(layout, font);
  const { from, to } = reachOf(name, axes);
  const middle = (from + to) / 2;
  const { at, side } = lineAt(name, place);
  const away = depth(name, place) + standoff - 0.5;
  const size = sizeOf(text, look);
  // Not beyond the chart's edge; and half a title says nothing.
  const whole = name.startsWith("x") ? width : height;
  if (size.width > whole) return [];
  const along = Math.min(Math.max(middle, size.width / 2), whole - size.width / 2);
  if (name.startsWith("x")) {
    const y = Math.min(at + away + CAPITAL * look.size, height - (size.height - size.ascent));
    return [label(text, { x: along, y, anchor: "middle" }, look)];
  }
  const x = at + side * (away + MIDDLE * look.size);
  return [label(text, { x: Math.min(Math.max(x, size.ascent), width), y: along, anchor: "middle", upright: true }, look)];
}

/**
 * Where something lies that refers to the chart ("paper"), to a plot ("x2 domain") or to an axis ("x2").
 *
 * @param {string | undefined} ref default: the first axis
 * @param {"x" | "y"} letter
 * @param {Place} place
 * @returns {{ scale: Scale, within: Reach | null }} within: it is to be seen there only
 */
function referred(ref, letter, { axes, layout, width, height }) {
  const [first, domain] = (ref ?? letter).split(" ");
  const { l, r, t, b } = layout.margin;
  const whole = letter === "x" ? { from: l, to: width - r } : { from: t, to: height - b };
  const reach = first === "paper" ? whole : reachOf(axisName(first), axes);
  if (first !== "paper" && !domain) return { scale: scaleOf(axisName(first), axes), within: reach };
  const long = reach.to - reach.from;
  return { scale: letter === "x" ? (share) => reach.from + share * long : (share) => reach.to - share * long, within: null };
}

/** @param {Attributes} shape @param {Place} place */
function shapeOf({ type, xref, yref, x0, x1, y0, y1, line: { color, width = 2, dash } = {}, fillcolor }, place) {
  const [across, up] = [referred(xref, "x", place), referred(yref, "y", place)];
  const [left, right] = [across.scale(x0), across.scale(x1)];
  const [bottom, top] = [up.scale(y0), up.scale(y1)];
  /** @param {Reach | null} within @param {number} from @param {number} to */
  const outside = (within, from, to) => within && (Math.max(from, to) < within.from - 0.5 || Math.min(from, to) > within.to + 0.5);
  if (outside(across.within, left, right) || outside(up.within, top, bottom)) return [];
  if (type === "line") {
    const unit = DASHES[/** @type {keyof typeof DASHES} */ (dash)] * Math.max(width, 3);
    return [svg("path", { d: `M${left},${bottom}L${right},${top}`, stroke: color, "stroke-width": width, "stroke-dasharray": unit || undefined })];
  }
  const [x, y] = [clamped(across.within, left, right), clamped(up.within, top, bottom)];
  return [svg("rect", { x: x.from, y: y.from, width: x.to - x.from, height: y.to - y.from, fill: fillcolor })];
}

/** @param {Reach | null} within @param {number} one @param {number} other @returns {Reach} */
const clamped = (within, one, other) => ({
  from: Math.max(within?.from ?? -Infinity, Math.min(one, other)),
  to: Math.min(within?.to ?? Infinity, Math.max(one, other)),
});

/** How much of its size something without an anchor of its own lies before its place. @param {string | undefined} anchor @param {string | undefined} ref @param {number} at */
function before(anchor, ref, at) {
  const shares = { left: 0, top: 0, center: 0.5, middle: 0.5, right: 1, bottom: 1 };
  if (anchor) return shares[/** @type {keyof typeof shares} */ (anchor)];
  return !ref?.match(/paper|domain/) ? 0.5 : at < 1 / 3 ? 0 : at > 2 / 3 ? 1 : 0.5;
}

/** @param {Attributes} annotation a text without an arrow @param {Place} place */
function annotation({ text, x, y, xref, yref, xanchor, yanchor, xshift = 0, yshift = 0, font, bgcolor, borderpad = 1 }, place) {
  const [across, up] = [referred(xref, "x", place), referred(yref, "y", place)];
  const [left, top] = [place.axes[axisName(xref ?? "x")]?.type === "log" ? across.scale(10 ** x) : across.scale(x), up.scale(y)];
  /** @param {Reach | null} within @param {number} at */
  const outside = (within, at) => within && (at < within.from - 0.5 || at > within.to + 0.5);
  if (outside(across.within, left) || outside(up.within, top)) return [];
  const look = lookOf(place.layout, font);
  const size = sizeOf(text, look);
  const edge = 1 + borderpad;
  const [width, height] = [Math.round(size.width + 2 * edge), Math.round(size.height + 2 * edge)];
  const upwards = yanchor ? before(yanchor, yref, y) : 1 - before(undefined, yref, y);
  const corner = {
    x: Math.round(left + xshift - before(xanchor, xref, x) * width),
    y: Math.round(top - yshift - upwards * height),
  };
  const words = label(text, { x: corner.x + edge + size.width / 2, y: corner.y + edge + size.ascent, anchor: "middle" }, look);
  if (!bgcolor) return [words];
  return [svg("rect", { x: corner.x + 0.5, y: corner.y + 0.5, width: width - 1, height: height - 1, fill: bgcolor }), words];
}

// Where in a chart its axes lie, and values on them: in CSS pixels, by Plotly's rules and names, so that what is drawn
// here and what Plotly lays over it lie in the same places.

/** @import { Layout } from "./fit.js" */

/**
 * @typedef {object} Axis
 * @property {number} offset from the chart's left or upper edge
 * @property {number} length
 * @property {[number, number]} range of a logarithmic axis: powers of ten
 * @property {string} [type] "log", or else linear
 *
 * @typedef {{ [name: string]: Axis }} Axes "xaxis", "yaxis2", …
 * @typedef {(value: number) => number} Scale from a value to CSS pixels from the corner of the plot
 */

export const AXIS = /^([xy])axis\d*$/;

/** The name of an axis in a layout, "xaxis2", by that in a trace, "x2". @param {string} short */
export const axisName = (short) => short.replace(/^[xy]/, "$&axis");

/** What an axis is anchored to, by its name in a layout. @param {string} name @param {{ anchor?: string }} axis */
export const anchorOf = (name, { anchor }) => axisName(anchor ?? (name.startsWith("x") ? "y" : "x"));

/**
 * @param {Layout} layout with margins, and a range for every axis
 * @param {number} width of the chart
 * @param {number} height
 * @returns {Axes}
 */
export function axesOf(layout, width, height) {
  const { l, r, t, b } = layout.margin;
  const [wide, high] = [Math.max(1, width - l - r), Math.max(1, height - t - b)];
  return Object.fromEntries(
    Object.entries(layout).flatMap(([name, axis]) => {
      if (!AXIS.test(name)) return [];
      const { domain: [from, to] = [0, 1] } = axis.overlaying ? layout[axisName(axis.overlaying)] : axis;
      const { range, type } = axis;
      const place = name.startsWith("x")
        ? { offset: l + from * wide, length: (to - from) * wide }
        : { offset: t + (1 - to) * high, length: (to - from) * high };
      return [[name, { ...place, range, type }]];
    }),
  );
}

/** @param {Axis} axis @returns {Scale} from the left */
export function rightwards({ range: [from, to], length, type }) {
  const unit = length / (to - from);
  return type === "log" ? (value) => (Math.log10(value) - from) * unit : (value) => (value - from) * unit;
}

/** The same for an axis that points up: from the top. @param {Axis} axis @returns {Scale} */
export function downwards(axis) {
  const up = rightwards(axis);
  return (value) => axis.length - up(value);
}

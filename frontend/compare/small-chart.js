// One of the small multiples, painted: the runs thin, their mean strong, with the band of the middle half of them.

import { ticksIn } from "../draw/axis.js";
import { fade } from "../draw/colours.js";
import { returned } from "../state/format.js";

/** @import { Surface } from "../draw/svg-canvas.js" */
/** @import { ComparedCurve, ComparedGroup, Theme } from "../types.js" */

/**
 * @typedef {{ last: number, range: readonly [number, number] }} Axes of all charts
 *
 * @typedef {object} Shown
 * @property {ComparedGroup | null} group
 * @property {{ id: string, curve: ComparedCurve }[]} curves
 * @property {string | null} strong the run that is pointed at
 * @property {string} nothing what is said where there is no curve
 *
 * @typedef {{ left: number, right: number, top: number, bottom: number }} Box in device pixels
 * @typedef {{ x: (step: number) => number, y: (value: number) => number, box: Box }} Scale
 */

const EDGE = { left: 40, right: 44, top: 9, bottom: 20 }; // the number at the end of the curve stands on the right
const BAND = 0.24;
const TYPE = 11;

/** Where a value lies on it. @param {Pick<Surface, "width" | "height" | "ratio">} surface @param {Axes} axes @returns {Scale} */
export function scaleOf({ width, height, ratio }, { last, range: [low, high] }) {
  const box = { left: EDGE.left * ratio, right: width - EDGE.right * ratio, top: EDGE.top * ratio, bottom: height - EDGE.bottom * ratio };
  return {
    box,
    x: (step) => box.left + (step / last) * (box.right - box.left),
    y: (value) => box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top),
  };
}

/** @param {Surface} surface @param {Shown} shown @param {Axes} axes @param {Theme} theme */
export function paintSmall(surface, { group, curves, strong, nothing }, axes, theme) {
  const { pen, width, height } = surface;
  if (!width || !height) return;
  const scale = scaleOf(surface, axes);
  pen.fillStyle = theme.panel;
  pen.fillRect(0, 0, width, height);
  paintAxes(surface, axes, scale, theme);
  if (group?.lower && group.upper) {
    path(surface, scale, [...group.steps, ...[...group.steps].reverse()], [...group.upper, ...[...group.lower].reverse()]);
    pen.closePath();
    pen.fillStyle = fade(theme.policy, BAND);
    pen.fill();
  }
  for (const { id, curve } of curves) {
    if (id === strong) continue;
    stroke(surface, scale, curve.steps, curve.returns, fade(theme.inkSoft, strong === null ? 0.55 : 0.3), theme.name === "projector" ? 1 : 0.8);
  }
  if (group) stroke(surface, scale, group.steps, group.values, theme.policy, 2.6);
  const pointed = curves.find(({ id }) => id === strong);
  if (pointed) stroke(surface, scale, pointed.curve.steps, pointed.curve.returns, theme.ink, 2);
  if (group?.steps.length) paintEnd(surface, group, scale, theme);
  else if (!curves.length) write(surface, nothing, (scale.box.left + scale.box.right) / 2, (scale.box.top + scale.box.bottom) / 2, theme, "center");
}

/** @param {Surface} surface @param {Axes} axes @param {Scale} scale @param {Theme} theme */
function paintAxes(surface, { last, range }, { x, y, box }, theme) {
  const { pen, ratio } = surface;
  const size = (/** @type {string} */ text) => 0.62 * TYPE * text.length;
  const up = ticksIn(range, { length: (box.bottom - box.top) / ratio, each: () => TYPE, between: 12, before: TYPE, after: TYPE }, 4);
  const along = ticksIn([0, last], { length: (box.right - box.left) / ratio, each: size, between: 14, before: 40, after: 40 }, 3, "count");
  pen.lineWidth = ratio;
  pen.strokeStyle = theme.grid;
  up.tickvals.forEach((value, at) => {
    line(surface, box.left, y(value), box.right, y(value));
    write(surface, up.ticktext[at], box.left - 5 * ratio, y(value), theme, "right");
  });
  pen.strokeStyle = theme.inkSoft;
  line(surface, box.left, box.bottom, box.right, box.bottom);
  along.tickvals.forEach((value, at) => {
    line(surface, x(value), box.bottom, x(value), box.bottom + 3 * ratio);
    write(surface, along.ticktext[at], x(value), box.bottom + 12 * ratio, theme, value === 0 ? "left" : "center");
  });
}

/** A dot where the curve ends, and how high. @param {Surface} surface @param {ComparedGroup} group @param {Scale} scale @param {Theme} theme */
function paintEnd(surface, { steps, values }, { x, y }, theme) {
  const { pen, ratio } = surface;
  const [step, value] = [Number(steps.at(-1)), Number(values.at(-1))];
  pen.fillStyle = theme.policy;
  const half = 2.5 * ratio;
  pen.fillRect(x(step) - half, y(value) - half, 2 * half, 2 * half);
  pen.font = `700 ${(TYPE + 1) * ratio}px ${theme.font}`;
  pen.fillStyle = theme.policy;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  pen.fillText(returned(value), x(step) + 6 * ratio, y(value));
}

/** @param {Surface} surface @param {string} text @param {number} x @param {number} y @param {Theme} theme @param {"left" | "center" | "right"} align */
function write({ pen, ratio }, text, x, y, theme, align) {
  pen.font = `${TYPE * ratio}px ${theme.font}`;
  pen.fillStyle = theme.inkSoft;
  pen.textAlign = align;
  pen.textBaseline = "middle";
  pen.fillText(text, x, y);
}

/** @param {Surface} surface @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
function line({ pen }, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

/** @param {Surface} surface @param {Scale} scale @param {number[]} steps @param {number[]} values */
function path({ pen }, { x, y }, steps, values) {
  pen.beginPath();
  steps.forEach((step, at) => (at ? pen.lineTo(x(step), y(values[at])) : pen.moveTo(x(step), y(values[at]))));
}

/** @param {Surface} surface @param {Scale} scale @param {number[]} steps @param {number[]} values @param {string} colour @param {number} width */
function stroke(surface, scale, steps, values, colour, width) {
  const { pen, ratio } = surface;
  pen.strokeStyle = colour;
  pen.lineWidth = width * ratio;
  path(surface, scale, steps, values);
  pen.stroke();
}

/** The run whose curve is nearest to a place, if one is near. @param {Scale} scale @param {Shown["curves"]} curves @param {number} x in device pixels @param {number} y @param {number} reach */
export function nearest(scale, curves, x, y, reach) {
  const [, run] = curves.reduce(
    ([least, id], one) => {
      const distance = Math.min(...one.curve.steps.map((step, at) => Math.hypot(scale.x(step) - x, scale.y(one.curve.returns[at]) - y)));
      return distance < least ? [distance, one.id] : [least, id];
    },
    [reach, /** @type {string | null} */ (null)],
  );
  return run;
}

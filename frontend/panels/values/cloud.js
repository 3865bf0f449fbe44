// The samples of the panel Values: read from a snapshot, painted as dots on a canvas, and found again under the pointer.

import { fade } from "../../draw/colours.js";
import { matrix } from "../../state/snapshot.js";

/** @import { Selection, Snapshot, Theme } from "../../types.js" */
/** @import { Canvas } from "../../draw/canvas.js" */

/**
 * @typedef {object} Sample
 * @property {number} environment
 * @property {number} step
 * @property {number} target V_targ
 * @property {number} before V_old
 * @property {number} now V
 * @property {boolean} inMinibatch
 *
 * @typedef {object} Frame
 * @property {readonly [number, number]} x range of the axis
 * @property {readonly [number, number]} y
 * @property {{ x: number, y: number, width: number, height: number }} box of the plot, in device pixels
 */

const RADIUS = 2.25; // CSS pixels
const MANY = 1500; // samples from which dots are smaller

/** The transitions of a snapshot with the probes `values` and `samples`. @param {Snapshot} snapshot @returns {Sample[]} */
export function samplesOf(snapshot) {
  const target = matrix(snapshot, "value_target");
  if (!target) return [];
  const { value, value_now: now, region, in_minibatch: member, environments } = snapshot.arrays;
  /** @type {Sample[]} */
  const found = [];
  for (let at = 0; at < target.values.length; at++) {
    if (region?.[at] === 0) continue; // no transition
    const row = Math.floor(at / target.columns);
    found.push({
      environment: environments?.[row] ?? row,
      step: at - row * target.columns,
      target: target.values[at],
      before: value?.[at] ?? NaN,
      now: now?.[at] ?? NaN,
      inMinibatch: member?.[at] !== 0,
    });
  }
  return found;
}

export class ValueCloud {
  /** @type {Sample[]} */ samples = [];
  /** @type {Sample | null} */ selected = null;
  dimmed = 0;
  /** @type {Frame | null} */ #frame = null;

  /** @param {Canvas} canvas */
  constructor(canvas) {
    this.canvas = canvas;
  }

  /** Takes over the transitions of a snapshot. @param {Snapshot} snapshot @param {Selection | null} selection */
  read(snapshot, selection) {
    this.samples = samplesOf(snapshot);
    this.dimmed = this.samples.filter(({ inMinibatch }) => !inMinibatch).length;
    this.selected = this.samples.find(({ environment, step }) => environment === selection?.environment && step === selection.step) ?? null;
  }

  /** @param {"target" | "before" | "now"} name */
  column(name) {
    return this.samples.map((sample) => sample[name]);
  }

  /** The way of the selected sample, as a curve. */
  moved() {
    const { selected } = this;
    return selected ? { x: [selected.target, selected.target], y: [selected.before, selected.now] } : { x: [], y: [] };
  }

  /** @param {Frame} frame @param {Theme} theme */
  draw(frame, theme) {
    const { pen, ratio } = this.canvas;
    this.#frame = frame;
    this.canvas.clear();
    pen.save();
    pen.beginPath();
    pen.rect(frame.box.x, frame.box.y, frame.box.width, frame.box.height);
    pen.clip();
    const radius = (this.samples.length > MANY ? RADIUS * 0.7 : RADIUS) * ratio;
    pen.lineWidth = 0.9 * ratio;
    for (const inMinibatch of [false, true]) {
      const some = this.samples.filter((sample) => sample.inMinibatch === inMinibatch);
      const opacity = inMinibatch ? 1 : 0.25;
      this.#dots(some, "before", radius);
      pen.strokeStyle = fade(theme.inkSoft, 0.6 * opacity);
      pen.stroke();
      this.#dots(some, "now", radius);
      pen.fillStyle = fade(theme.value, 0.6 * opacity);
      pen.fill();
    }
    if (this.selected) this.#mark(this.selected, radius, theme);
    pen.restore();
  }

  /** One path of all: far cheaper than one each. @param {Sample[]} samples @param {"before" | "now"} name @param {number} radius */
  #dots(samples, name, radius) {
    const { pen } = this.canvas;
    pen.beginPath();
    for (const sample of samples) {
      const [x, y] = this.#place(sample, name);
      pen.moveTo(x + radius, y);
      pen.arc(x, y, radius, 0, 2 * Math.PI);
    }
  }

  /** @param {Sample} sample @param {number} radius @param {Theme} theme */
  #mark(sample, radius, theme) {
    const { pen, ratio } = this.canvas;
    for (const [name, size] of /** @type {const} */ ([
      ["before", 2],
      ["now", 3],
    ])) {
      const [x, y] = this.#place(sample, name);
      pen.beginPath();
      pen.arc(x, y, radius * size, 0, 2 * Math.PI);
      pen.fillStyle = name === "now" ? theme.value : theme.panel;
      pen.fill();
      pen.lineWidth = 2 * ratio;
      pen.strokeStyle = theme.ink;
      pen.stroke();
    }
  }

  /** In device pixels. @param {Sample} sample @param {"before" | "now"} name @returns {[number, number]} */
  #place(sample, name) {
    const { x, y, box } = /** @type {Frame} */ (this.#frame);
    return [box.x + ((sample.target - x[0]) / (x[1] - x[0])) * box.width, box.y + ((y[1] - sample[name]) / (y[1] - y[0])) * box.height];
  }

  /**
   * The sample whose dot, of before or of now, is nearest to a point.
   *
   * @param {number} x in device pixels
   * @param {number} y
   * @param {number} reach no farther than that
   */
  nearest(x, y, reach) {
    if (!this.#frame) return null;
    /** @type {Sample | null} */
    let found = null;
    let closest = reach * reach;
    for (const sample of this.samples) {
      for (const name of /** @type {const} */ (["now", "before"])) {
        const [left, top] = this.#place(sample, name);
        const distance = (left - x) ** 2 + (top - y) ** 2;
        if (distance < closest) [found, closest] = [sample, distance];
      }
    }
    return found;
  }

  /** The dots for a saved picture, where Plotly draws them. @param {Theme} theme */
  asTraces(theme) {
    const x = this.column("target");
    return [
      { x, y: this.column("before"), mode: "markers", marker: { symbol: "circle-open", color: theme.inkSoft, size: 4 } },
      { x, y: this.column("now"), mode: "markers", marker: { color: theme.value, size: 4, opacity: 0.6 } },
    ];
  }
}

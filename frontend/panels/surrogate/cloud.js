// The samples of the panel Surrogate: read from a snapshot, painted on their curves, and found again under the pointer.

import { clippedPolicyLoss, penaltyTerm } from "../../ppo/what-if.js";
import { fade } from "../../draw/colours.js";
import { colourOf, regionOf } from "../../ppo/regions.js";
import { setting } from "../../state/snapshot.js";

/** @import { Selection, Snapshot, Theme } from "../../types.js" */
/** @import { Edges } from "../../ppo/clip-range.js" */
/** @import { Batch } from "../../ppo/what-if.js" */
/** @import { Canvas } from "../../draw/canvas.js" */
/** @import { Region } from "../../ppo/regions.js" */

/** @typedef {"good" | "bad"} Side Â > 0 or Â < 0 */

/** @typedef {{ all: number, inside: number, held: number, pulledBack: number, unheld: number }} Counts */

/**
 * @typedef {object} Sample
 * @property {number} environment
 * @property {number} step
 * @property {number} r
 * @property {number} advantage Â as used in the loss
 * @property {Side} side
 * @property {Region} region
 * @property {number} at its place in the arrays of the snapshot
 * @property {number} penalty β·KL of its state; 0 under objectives without
 * @property {number} y its objective for |Â| = 1: on the curve of its side, or below it by the penalty
 *
 * @typedef {object} Frame
 * @property {readonly [number, number]} x range of the axis
 * @property {readonly [number, number]} y
 * @property {{ x: number, y: number, width: number, height: number }} box of the plot, in device pixels
 */

export const SIDES = /** @type {const} */ (["good", "bad"]);
const SIZE = 3; // CSS pixels, half of a mark
const LAYER = 0.3; // opacity of one mark of those that lie on each other
const LAYERS = 6; // of them on one spot: a further one would not be seen any more, and is not painted

/**
 * The objective of one sample per unit of |Â|, as a function of r. The plain policy gradient has log π, which is log r
 * and something that r does not change: it is drawn so that all objectives meet at r = 1, where their slopes are the same.
 * The KL penalty is no function of r, but of all probabilities in the sample's state: it is not in here.
 *
 * @param {string} objective
 * @param {number} r
 * @param {1 | -1} sign of Â
 * @param {Edges} edges of the clip range
 */
export function objectiveOf(objective, r, sign, edges) {
  if (objective === "clip") return -clippedPolicyLoss(r, sign, edges);
  return sign * (hasLog(objective) ? 1 + Math.log(r) : r);
}

/** Whether an objective has log π in place of the ratio. @param {string} objective */
export const hasLog = (objective) => objective === "reinforce" || objective === "actor_critic";

/**
 * Those whose advantage has been used and pushes somewhere.
 *
 * @param {Snapshot} snapshot
 * @param {Batch} batch of that snapshot
 * @param {Edges} edges
 * @returns {Sample[]}
 */
export function samplesOf(snapshot, { objective, ratio, advantages, regions, members, kl }, edges) {
  const columns = snapshot.header.arrays.ratio?.shape[1] ?? 1;
  const { environments } = snapshot.arrays;
  const beta = objective === "kl_penalty" ? setting(snapshot, "kl_coef") : null;
  /** @type {Sample[]} */
  const found = [];
  for (let at = 0; at < ratio.length; at++) {
    const advantage = advantages[at];
    if (regions[at] === 0 || members?.[at] === 0 || Number.isNaN(advantage) || advantage === 0) continue;
    const row = Math.floor(at / columns);
    const penalty = beta !== null && kl && !Number.isNaN(kl[at]) ? penaltyTerm(kl[at], beta) : 0;
    found.push({
      environment: environments?.[row] ?? row,
      step: at - row * columns,
      at,
      r: ratio[at],
      advantage,
      side: advantage > 0 ? "good" : "bad",
      region: regionOf(regions[at]),
      penalty,
      y: objectiveOf(objective, ratio[at], advantage > 0 ? 1 : -1, edges) - penalty / Math.abs(advantage),
    });
  }
  return found;
}

export class SurrogateCloud {
  /** @type {Sample[]} */ samples = [];
  drawn = 0;
  beyond = 0; // the axes
  /** @type {Sample | null} */ marked = null; // the selected one, where it is in sight
  /** @type {Sample | null} */ #selected = null;
  /** @type {{ sample: Sample, x: number, y: number }[]} */ #places = [];
  /** @type {Map<string, ImageBitmap>} */ #stamps = new Map(); // of every mark that was needed

  /** @param {Canvas} canvas */
  constructor(canvas) {
    this.canvas = canvas;
  }

  /** Takes over the samples of the batch on show. @param {Snapshot} snapshot @param {Batch} batch @param {Edges} edges @param {Selection | null} selection */
  read(snapshot, batch, edges, selection) {
    this.samples = samplesOf(snapshot, batch, edges);
    this.#selected = this.samples.find(({ environment, step }) => environment === selection?.environment && step === selection.step) ?? null;
  }

  /**
   * How many samples of a side there are, by region.
   *
   * @param {Side} side
   * @param {ArrayLike<number>} [codes] regions other than those in use, for all samples of the snapshot
   */
  counts(side, codes) {
    /** @type {Counts} */
    const found = { all: 0, inside: 0, held: 0, pulledBack: 0, unheld: 0 };
    for (const sample of this.samples) {
      if (sample.side !== side) continue;
      found.all += 1;
      const { key } = codes ? regionOf(codes[sample.at]) : sample.region;
      found[/** @type {"inside"} */ (key)] += 1;
    }
    return found;
  }

  /**
   * @param {Record<Side, Frame>} frames
   * @param {(sample: Sample) => number} height of a sample on its axis
   * @param {Theme} theme
   */
  draw(frames, height, theme) {
    this.canvas.clear();
    this.#places = [];
    this.beyond = 0;
    for (const sample of this.samples) {
      const { x, y, box } = frames[sample.side];
      const left = (sample.r - x[0]) / (x[1] - x[0]);
      const down = (y[1] - height(sample)) / (y[1] - y[0]);
      if (left >= 0 && left <= 1 && down >= 0 && down <= 1) {
        this.#places.push({ sample, x: box.x + left * box.width, y: box.y + down * box.height });
      } else this.beyond += 1;
    }
    this.drawn = this.#places.length;
    this.#cloud(theme);
    for (const key of /** @type {const} */ (["unheld", "pulledBack", "held"])) this.#marks(key, theme);
    this.#ring(frames, theme);
  }

  /** Around the selected one, and not over the numbers of an axis. @param {Record<Side, Frame>} frames @param {Theme} theme */
  #ring(frames, theme) {
    const place = this.#places.find(({ sample }) => sample === this.#selected);
    this.marked = place?.sample ?? null;
    if (!place) return;
    const { pen, ratio } = this.canvas;
    const { x, y, width, height } = frames[place.sample.side].box;
    pen.save();
    pen.beginPath();
    pen.rect(x, y, width, height);
    pen.clip();
    pen.beginPath();
    pen.arc(place.x, place.y, (SIZE + 3) * ratio, 0, 2 * Math.PI);
    pen.lineWidth = 2 * ratio;
    pen.strokeStyle = theme.ink;
    pen.stroke();
    pen.restore();
  }

  /** Those inside, each by itself: where many lie on each other it is denser. @param {Theme} theme */
  #cloud(theme) {
    const { pen, ratio } = this.canvas;
    const size = Math.round(2 * SIZE * ratio);
    pen.fillStyle = theme.inside;
    pen.globalAlpha = LAYER;
    this.#spots("inside", LAYERS, (x, y) => pen.fillRect(x - (size >> 1), y - (size >> 1), size, size));
    pen.globalAlpha = 1;
  }

  /**
   * Where samples of a region lie, in whole pixels, a spot at most so many times.
   *
   * @param {Region["key"]} key
   * @param {number} most
   * @param {(x: number, y: number) => void} paint
   */
  #spots(key, most, paint) {
    const { width, height } = this.canvas;
    const layers = new Uint8Array((width + 1) * (height + 1));
    for (const { sample, x, y } of this.#places) {
      if (sample.region.key !== key) continue;
      const [left, top] = [Math.round(x), Math.round(y)];
      if (layers[top * (width + 1) + left]++ < most) paint(left, top);
    }
  }

  /** One mark, stamped at every place: a path with a thousand crosses costs many times as much. @param {keyof typeof SHAPES} key @param {Theme} theme */
  #marks(key, theme) {
    const { pen, ratio } = this.canvas;
    const colour = fade(colourOf(theme, key), 0.9);
    const name = [key, colour, ratio].join();
    const stamp = this.#stamps.get(name) ?? inked(key, colour, ratio);
    this.#stamps.set(name, stamp);
    const half = stamp.width / 2;
    this.#spots(key, 1, (x, y) => pen.drawImage(stamp, x - half, y - half));
  }

  /**
   * @param {number} x in device pixels
   * @param {number} y
   * @param {number} reach no farther than that
   */
  nearest(x, y, reach) {
    /** @type {Sample | null} */
    let found = null;
    let closest = reach * reach;
    for (const place of this.#places) {
      const distance = (place.x - x) ** 2 + (place.y - y) ** 2;
      if (distance < closest) [found, closest] = [place.sample, distance];
    }
    return found;
  }

  /** The samples for a saved picture, where Plotly draws them. @param {(sample: Sample) => number} height @param {Theme} theme */
  asTraces(height, theme) {
    const symbols = { inside: "circle", unheld: "circle", pulledBack: "triangle-up", held: "x-thin-open" };
    return SIDES.flatMap((side) =>
      Object.entries(symbols).map(([key, symbol]) => {
        const some = this.samples.filter((sample) => sample.side === side && sample.region.key === key);
        const axes = side === "good" ? {} : { xaxis: "x2", yaxis: "y2" };
        const marker = { symbol, size: 5, color: colourOf(theme, /** @type {Region["key"]} */ (key)), line: { width: key === "held" ? 1.5 : 0 } };
        return { ...axes, x: some.map(({ r }) => r), y: some.map(height), mode: "markers", marker, opacity: 0.5 };
      }),
    );
  }
}

/** @param {keyof typeof SHAPES} key @param {string} colour @param {number} ratio device pixels per unit */
function inked(key, colour, ratio) {
  const half = Math.ceil((SIZE + 1.5) * ratio);
  const stamp = new OffscreenCanvas(2 * half, 2 * half);
  const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (stamp.getContext("2d"));
  SHAPES[key](pen, half, half, SIZE * ratio);
  pen.lineWidth = 1.25 * ratio;
  pen.strokeStyle = pen.fillStyle = colour;
  if (key === "held") pen.stroke();
  else pen.fill();
  return stamp.transferToImageBitmap();
}

/** Regions differ by more than their colour. @type {Record<"held" | "pulledBack" | "unheld", (pen: OffscreenCanvasRenderingContext2D, x: number, y: number, size: number) => void>} */
const SHAPES = {
  unheld(pen, x, y, size) {
    pen.moveTo(x + size, y);
    pen.arc(x, y, size, 0, 2 * Math.PI);
  },
  held(pen, x, y, size) {
    pen.moveTo(x - size, y - size);
    pen.lineTo(x + size, y + size);
    pen.moveTo(x - size, y + size);
    pen.lineTo(x + size, y - size);
  },
  pulledBack(pen, x, y, size) {
    pen.moveTo(x, y - 1.3 * size);
    pen.lineTo(x + 1.2 * size, y + size);
    pen.lineTo(x - 1.2 * size, y + size);
    pen.closePath();
  },
};

// Every episode as a dot, on a canvas under the chart: Plotly would need seconds for 20,000 of them. New dots are added to
// those that are there; only a new frame draws all again.

/** @import { EpisodesView } from "../types.js" */
/** @import { Canvas } from "./canvas.js" */

/**
 * @typedef {object} Frame
 * @property {readonly [number, number]} x range of the axis
 * @property {readonly [number, number]} y
 * @property {{ x: number, y: number, width: number, height: number }} box of the plot, in the canvas's pixels
 * @property {string} colour
 * @property {string} across column that is drawn across
 */

const SIZE = 3; // CSS pixels
const OPACITY = 0.4;
const LAYERS = 5; // dots on one spot: a further one would not be seen any more, and is not painted

export class DotCloud {
  drawn = 0; // episodes, whether in sight or not
  #key = "";
  #revision = -1;
  #last = { x: NaN, y: NaN }; // of the episodes drawn
  /** @type {EpisodesView | null} */ #episodes = null;
  #across = "step";
  #layers = new Uint8Array(0);

  /** @param {Canvas} canvas */
  constructor(canvas) {
    this.canvas = canvas;
  }

  /** The canvas is empty again. */
  forget() {
    this.#key = "";
  }

  /** All episodes, for a chart. */
  points() {
    const column = (/** @type {string} */ name) => [...(this.#episodes?.column(name) ?? [])];
    return { x: column(this.#across), y: column("episodic_return") };
  }

  /** @param {EpisodesView} episodes @param {Frame} frame */
  draw(episodes, frame) {
    const x = episodes.column(frame.across);
    const y = episodes.column("episodic_return");
    const key = JSON.stringify(frame);
    if (key === this.#key && episodes.revision === this.#revision) return;
    if (key !== this.#key || !this.#continues(x, y)) this.#begin();
    this.#add(x, y, frame);
    this.#key = key;
    this.#revision = episodes.revision;
    this.#episodes = episodes;
    this.#across = frame.across;
    this.#last = { x: x[x.length - 1], y: y[y.length - 1] };
  }

  /**
   * Whether what is drawn is the beginning of what is to be drawn: a gap that was fetched later comes in between.
   *
   * @param {Float64Array} x
   * @param {Float64Array} y
   */
  #continues(x, y) {
    const last = this.drawn - 1;
    return last < 0 || (last < x.length && x[last] === this.#last.x && y[last] === this.#last.y);
  }

  #begin() {
    this.drawn = 0;
    this.canvas.clear();
    this.#layers = new Uint8Array(this.canvas.width * this.canvas.height);
  }

  /** @param {Float64Array} x @param {Float64Array} y @param {Frame} frame */
  #add(x, y, { x: [left, right], y: [bottom, top], box, colour }) {
    const { pen, ratio, width } = this.canvas;
    const size = Math.round(SIZE * ratio);
    const half = size >> 1;
    const acrossScale = box.width / (right - left);
    const upScale = box.height / (top - bottom);
    pen.fillStyle = colour;
    pen.globalAlpha = OPACITY;
    for (let index = this.drawn; index < x.length; index++) {
      const across = Math.round(box.x + (x[index] - left) * acrossScale);
      const down = Math.round(box.y + (top - y[index]) * upScale);
      const inside = across >= box.x && across <= box.x + box.width && down >= box.y && down <= box.y + box.height;
      if (!inside) continue;
      const spot = down * width + across;
      if (this.#layers[spot] >= LAYERS) continue;
      this.#layers[spot]++;
      pen.fillRect(across - half, down - half, size, size);
    }
    pen.globalAlpha = 1;
    this.drawn = x.length;
  }
}

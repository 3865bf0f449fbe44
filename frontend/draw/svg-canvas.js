// What is painted on a canvas, as vectors: the same painting code writes an SVG document through this instead.

/** @import { Canvas } from "./canvas.js" */

const SVG = "http://www.w3.org/2000/svg";

/** What painting code needs of a canvas. @typedef {Pick<Canvas, "pen" | "width" | "height" | "ratio" | "clear" | "hatching" | "mosaic">} Surface */

/** @param {string} name @param {Record<string, string | number>} attributes those that are empty are left out */
function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== "") element.setAttribute(key, String(value));
  return element;
}

const ANCHORS = { left: "start", start: "start", center: "middle", right: "end", end: "end" };
const BASELINES = { top: "text-before-edge", middle: "central" };

const ruler = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));

/** The part of CanvasRenderingContext2D that the panels paint with. */
class SvgPen {
  fillStyle = "black";
  strokeStyle = "black";
  lineWidth = 1;
  globalAlpha = 1;
  font = "";
  textAlign = /** @type {keyof typeof ANCHORS} */ ("start");
  textBaseline = /** @type {keyof typeof BASELINES} */ ("middle");
  #dash = "";
  #path = "";
  #transform = "";
  /** @type {string[]} */ #transforms = [];

  /** @param {SVGElement} root */
  constructor(root) {
    this.root = root;
  }

  /** @param {string} name @param {Record<string, string | number>} attributes */
  #add(name, attributes) {
    return this.root.appendChild(make(name, { ...attributes, opacity: this.globalAlpha, transform: this.#transform }));
  }

  get #outlined() {
    return { fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth, "stroke-dasharray": this.#dash };
  }

  /** @param {number} x @param {number} y @param {number} width @param {number} height */
  fillRect(x, y, width, height) {
    this.#add("rect", { x, y, width, height, fill: this.fillStyle, "shape-rendering": "crispEdges" });
  }

  /** @param {number} x @param {number} y @param {number} width @param {number} height */
  strokeRect(x, y, width, height) {
    this.#add("rect", { x, y, width, height, ...this.#outlined });
  }

  beginPath() {
    this.#path = "";
  }

  /** @param {number} x @param {number} y */
  moveTo(x, y) {
    this.#path += `M${x} ${y}`;
  }

  /** @param {number} x @param {number} y */
  lineTo(x, y) {
    this.#path += `L${x} ${y}`;
  }

  closePath() {
    this.#path += "Z";
  }

  fill() {
    this.#add("path", { d: this.#path, fill: this.fillStyle });
  }

  stroke() {
    this.#add("path", { d: this.#path, ...this.#outlined });
  }

  /** @param {number[]} lengths */
  setLineDash(lengths) {
    this.#dash = lengths.join(" ");
  }

  /** @param {string} text @param {number} x @param {number} y */
  fillText(text, x, y) {
    const look = { "text-anchor": ANCHORS[this.textAlign], "dominant-baseline": BASELINES[this.textBaseline], style: `font: ${this.font}` };
    this.#add("text", { x, y, fill: this.fillStyle, ...look }).textContent = text;
  }

  /** @param {string} text */
  measureText(text) {
    ruler.font = this.font;
    return ruler.measureText(text);
  }

  save() {
    this.#transforms.push(this.#transform);
  }

  restore() {
    this.#transform = this.#transforms.pop() ?? "";
  }

  /** @param {number} x @param {number} y */
  translate(x, y) {
    this.#transform += `translate(${x} ${y})`;
  }

  /** @param {number} angle */
  rotate(angle) {
    this.#transform += `rotate(${(180 * angle) / Math.PI})`;
  }
}

/** @implements {Surface} */
export class SvgCanvas {
  #root = /** @type {SVGElement} */ (make("svg", {}));
  #patterns = 0;

  /** @param {Canvas} canvas whose size it takes @param {string} background */
  constructor({ width, height, ratio, density }, background) {
    this.width = width;
    this.height = height;
    this.ratio = ratio;
    const size = { width: width / density, height: height / density, viewBox: `0 0 ${width} ${height}` };
    for (const [key, value] of Object.entries(size)) this.#root.setAttribute(key, String(value));
    const pen = new SvgPen(this.#root);
    this.pen = /** @type {CanvasRenderingContext2D} */ (/** @type {unknown} */ (pen));
    this.background = background;
    this.clear();
  }

  clear() {
    this.#root.replaceChildren(make("rect", { width: this.width, height: this.height, fill: this.background }));
  }

  /** @type {Canvas["hatching"]} */
  hatching(colour, slope, spacing, thickness) {
    const id = `hatching-${++this.#patterns}`;
    const tile = make("pattern", { id, width: spacing, height: spacing, patternUnits: "userSpaceOnUse" });
    for (const shift of [-spacing, 0, spacing]) {
      const [y1, y2] = slope === "/" ? [2 * spacing, -spacing] : [-spacing, 2 * spacing];
      tile.append(make("line", { x1: shift - spacing, x2: shift + 2 * spacing, y1, y2, stroke: colour, "stroke-width": thickness }));
    }
    this.#root.append(tile);
    return /** @type {CanvasPattern} */ (/** @type {unknown} */ (`url(#${id})`));
  }

  /** A rectangle for each run of one colour. @type {Canvas["mosaic"]} */
  mosaic({ data, width: columns, height: rows }, left, top, width, height) {
    const [wide, high] = [width / columns, height / rows];
    const channels = (/** @type {number} */ at) => [...data.subarray(4 * at, 4 * at + 4)];
    for (let row = 0; row < rows; row++) {
      for (let from = 0, to = 0; from < columns; from = to) {
        const [red, green, blue, opacity] = channels(row * columns + from);
        while (to < columns && channels(row * columns + to).join() === [red, green, blue, opacity].join()) to++;
        this.pen.fillStyle = `rgb(${red}, ${green}, ${blue})`;
        this.pen.globalAlpha = opacity / 255;
        if (opacity) this.pen.fillRect(left + from * wide, top + row * high, (to - from) * wide, high);
      }
    }
    this.pen.globalAlpha = 1;
  }

  /** The document. */
  get text() {
    return new XMLSerializer().serializeToString(this.#root);
  }
}

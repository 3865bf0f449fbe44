// A chart of a panel, described by Plotly's attributes and drawn without it: what stands around the data in SVG
// (draw/frame.js), anew where ranges or size change, which they do in steps, and the data on a canvas (draw/sketch.js).
// Plotly is laid over it where somebody looks closely: draw/closer.js.

import { offerDrawing } from "../ui/drawn.js";
import { measureIn } from "../ui/text.js";
import { Begun } from "./begun.js";
import { Canvas } from "./canvas.js";
import { axisLook, look, magnified } from "./chart-look.js";
import { Closer, pictureOf } from "./closer.js";
import { fit } from "./fit.js";
import { flagged } from "./flags.js";
import { frameOf, plotsOf, wordsOf } from "./frame.js";
import { svg } from "./markup.js";
import { AXIS, axesOf } from "./places.js";
import { loadPlotly } from "./plotly.js";
import { sketch } from "./sketch.js";

/** @import { PanelContext, Theme } from "../types.js" */
/** @import { Axes } from "./places.js" */

/**
 * @typedef {{ [key: string]: any }} Attributes Plotly's own, by its names
 *
 * @typedef {object} ChartSpec
 * @property {string} name what the chart is called where it is saved or read aloud
 * @property {(theme: Theme) => Attributes[]} traces without data; `draw` gives them theirs by position
 * @property {(theme: Theme) => Attributes} layout axes and margins; the rest has one look everywhere
 * @property {(theme: Theme) => Attributes[]} [saved] further traces of a saved picture: what a canvas under the
 *   chart shows on the page
 * @property {() => void} [zoomed] called when somebody has zoomed, moved or reset the axes
 */

const LINGERS = 150; // milliseconds of a pointer that is not only passing by
const OURS = ["kind", "choose", "first", "names"]; // of an axis: what draw/fit.js reads, and Plotly does not know

export { axisTitle } from "./chart-look.js";

export class Chart {
  /** @type {Theme | null} */ #theme = null;
  /** @type {Attributes[]} */ #data = [];
  /** @type {Attributes} */ #frame = {};
  /** @type {Attributes} */ #laidOut = {};
  /** @type {Axes} */ #axes = {};
  #key = "";
  /** @type {{ [axis: string]: [number, number] } | null} */ #zoom = null; // a reader has chosen: it stays until it is reset
  #sized = false;
  #size = { width: 0, height: 0 }; // CSS pixels; 0: it has had no room yet
  #visited = false; // the pointer or the focus is in it, or a finger was
  #tapped = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #lingering;
  /** @type {Closer | null} */ #closer = null;
  /** @type {Begun | null} */ #begun = null; // by a hand that was quicker than Plotly
  #laid = 0; // how often what stands around the data was
  #followed = -1; // the one that Plotly lies over; -1: it lags behind, or is not there

  /**
   * @param {HTMLElement} parent
   * @param {ChartSpec} spec
   * @param {PanelContext} context
   */
  constructor(parent, spec, context) {
    this.spec = spec;
    this.context = context;
    this.element = document.createElement("div");
    this.element.className = "chart";
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", spec.name);
    parent.append(this.element);
    const layer = () => this.element.appendChild(svg("svg", { class: "around" }));
    this.below = layer();
    this.canvas = new Canvas(this.element, "sketch");
    this.above = layer();
    for (const event of ["pointerenter", "pointerleave", "focusin", "focusout"]) {
      this.element.addEventListener(event, () => this.#look());
    }
    this.element.addEventListener("mousedown", (event) => this.#press(event));
    this.element.addEventListener("click", (event) => {
      if (/** @type {PointerEvent} */ (event).pointerType === "touch") this.#tap();
    });
    offerDrawing(this.element, () => this.#drawing());
  }

  /**
   * @param {Attributes[]} data per trace, what changes: x, y, text, customdata
   * @param {Attributes} frame what changes of the layout, which should be seldom: per axis ("xaxis", "yaxis2", …)
   *   range, and tickvals and ticktext where the axis is not to choose its own (draw/fit.js); shapes; annotations;
   *   flags, which stand above the plot (draw/flags.js)
   */
  draw(data, frame) {
    const theme = this.context.theme();
    const key = JSON.stringify(frame);
    const sameFrame = this.#sized && theme === this.#theme && key === this.#key;
    this.#data = data;
    this.#frame = frame;
    this.#theme = theme;
    this.#key = key;
    if (!sameFrame) this.#lay();
    this.#sketch();
    if (this.#followed >= 0) void this.#follow();
  }

  /** The element has a new size: the next draw takes it. */
  resize() {
    this.#sized = false;
  }

  /** In CSS pixels; asks the browser only where the size has changed. */
  get width() {
    return this.#sized ? this.#size.width : this.element.clientWidth;
  }

  /** Likewise. */
  get height() {
    return this.#sized ? this.#size.height : this.element.clientHeight;
  }

  /** What is shown of an axis, a reader's zoom included. @param {string} axis @returns {[number, number]} */
  shown(axis) {
    return this.#axes[axis]?.range ?? this.#frame[axis]?.range ?? [0, 1]; // there is none where it has had no room yet
  }

  /**
   * What of two linear axes is under the pointer; null outside of their plot.
   *
   * @param {MouseEvent} event
   * @param {string} across
   * @param {string} up
   */
  under({ clientX, clientY }, across, up) {
    const [x, y] = [this.#axes[across], this.#axes[up]];
    if (!x || !y) return null;
    const { left, top } = this.element.getBoundingClientRect();
    const [right, down] = [(clientX - left - x.offset) / x.length, (clientY - top - y.offset) / y.length];
    if (right < 0 || right > 1 || down < 0 || down > 1) return null;
    return { x: x.range[0] + right * (x.range[1] - x.range[0]), y: y.range[1] - down * (y.range[1] - y.range[0]) };
  }

  /** Where the drawing between two axes lies, in CSS pixels from the chart's corner. @param {string} across @param {string} up */
  plot(across, up) {
    const [x, y] = [this.#axes[across], this.#axes[up]];
    if (!x || !y) return { x: 0, y: 0, width: 0, height: 0 }; // it has had no room yet
    return { x: x.offset, y: y.offset, width: x.length, height: y.length };
  }

  /** Gives a reader's zoom up. */
  reset() {
    if (this.#zoom) this.#rezoom(null);
  }

  /** @param {{ [axis: string]: [number, number] } | null} ranges */
  #rezoom(ranges) {
    this.#zoom = ranges;
    if (!this.#theme) return;
    this.#lay();
    this.#sketch();
    if (this.#followed >= 0 && ranges)
      this.#followed = this.#laid; // Plotly has them already
    else if (this.#followed >= 0) void this.#follow();
    this.spec.zoomed?.();
  }

  /** What stands around the data, for the size that there is. */
  #lay() {
    if (!this.#sized) {
      const { width, height } = this.element.getBoundingClientRect();
      if (width < 1 || height < 1) return;
      this.#sized = true;
      this.#size = { width, height };
      this.canvas.fit();
    }
    const theme = /** @type {Theme} */ (this.#theme);
    const [width, height] = [Math.round(this.#size.width), Math.round(this.#size.height)]; // as Plotly does
    this.#laid++;
    this.#laidOut = this.#layout(theme);
    this.#axes = axesOf(this.#laidOut, width, height);
    const { below, above } = frameOf(this.#laidOut, this.#axes, plotsOf(this.spec.traces(theme), this.#laidOut), width, height);
    for (const [layer, parts] of /** @type {const} */ ([
      [this.below, below],
      [this.above, above],
    ])) {
      layer.setAttribute("font-family", theme.font);
      layer.replaceChildren(...parts);
    }
  }

  #sketch() {
    if (!this.#sized) return;
    const traces = this.#traces(/** @type {Theme} */ (this.#theme));
    sketch(this.canvas, traces, this.#axes);
    // Words at points: there are some only while somebody looks back.
    this.above.querySelector(".words")?.remove();
    const words = wordsOf(traces, this.#axes, /** @type {Theme} */ (this.#theme).font);
    if (words.length) this.above.append(svg("g", { class: "words" }, ...words));
    // For scripts and tests, by Plotly's names.
    Object.assign(this.element, { data: traces, layout: this.#laidOut, axes: this.#axes });
  }

  #look() {
    this.#visit(this.#tapped || this.element.matches(":hover, :focus-visible, :has(:focus-visible)"));
  }

  /** @param {boolean} visited */
  #visit(visited) {
    if (visited === this.#visited) return;
    this.#visited = visited;
    clearTimeout(this.#lingering);
    if (visited) this.#lingering = setTimeout(() => void this.#comeCloser(), LINGERS);
    else if (!this.#begun) this.#fallBehind();
  }

  /** A finger does not hover: it has been here until it touches something else. */
  #tap() {
    if (this.#tapped) return;
    this.#tapped = true;
    const leave = (/** @type {Event} */ event) => {
      if (this.element.contains(/** @type {Node} */ (event.target))) return;
      removeEventListener("pointerdown", leave, { capture: true });
      this.#tapped = false;
      this.#visit(false); // some browsers take it for pointed at until the finger is up again
    };
    addEventListener("pointerdown", leave, { capture: true });
    this.#visit(true);
  }

  /** @param {MouseEvent} event what lies over the chart takes it, unless that is not there yet, or lags behind */
  #press(event) {
    if ("closer" in this.element.dataset || event.button !== 0) return;
    event.preventDefault(); // nothing is dragged and no text is chosen on the way
    this.#begun = new Begun(event, this.element);
    clearTimeout(this.#lingering);
    void this.#comeCloser();
  }

  async #comeCloser() {
    this.#closer ??= new Closer(this.element, {
      zoom: (ranges) => this.#rezoom(ranges),
      reset: () => this.reset(),
      save: (format) => this.#ask(format),
    });
    try {
      await loadPlotly();
      this.element.removeAttribute("title");
      if ((this.#visited || this.#begun) && this.#sized) await this.#follow();
    } catch (error) {
      this.#begun = null;
      this.element.title = `No numbers under the pointer and no zoom: ${error instanceof Error ? error.message : error}`;
    }
  }

  #fallBehind() {
    this.#followed = -1;
    delete this.element.dataset.closer;
  }

  /** Plotly takes what is drawn. */
  async #follow() {
    const closer = /** @type {Closer} */ (this.#closer);
    if (closer.busy) return;
    if (this.#followed === this.#laid) return closer.animate(this.#data);
    this.#followed = this.#laid;
    await closer.show(this.#traces(/** @type {Theme} */ (this.#theme)), this.#layout(/** @type {Theme} */ (this.#theme)));
    if (this.#followed < 0) return;
    this.element.dataset.closer = "";
    const begun = this.#begun;
    this.#begun = null;
    if (begun) closer.takeOver(begun);
    if (begun && !this.#visited) this.#fallBehind(); // it is over, or goes on beyond the chart
  }

  /** @param {Theme} theme */
  #traces(theme) {
    return magnified(this.spec.traces(theme), theme.scale).map((/** @type {Attributes} */ trace, /** @type {number} */ index) => ({
      x: [],
      y: [],
      ...trace,
      ...this.#data[index],
    }));
  }

  /** @param {Theme} theme @returns {Attributes} */
  #layout(theme) {
    const own = this.spec.layout(theme);
    /** @type {Attributes} */
    const layout = { ...look(theme), ...own, ...this.#frame };
    for (const name of Object.keys(own).filter((key) => AXIS.test(key))) {
      layout[name] = { ...axisLook(theme), ...own[name], ...this.#frame[name] };
      layout[name].range = [...(this.#zoom?.[name] ?? layout[name].range ?? [0, 1])]; // Plotly writes a zoom into the very array that it is given
    }
    const { width, height } = this.#size;
    const { ticks, margin, domains } = fit(layout, width / theme.scale, height / theme.scale, measureIn(theme.font, layout.font.size));
    for (const [name, chosen] of Object.entries(ticks)) Object.assign(layout[name], chosen, { tickmode: "array" });
    for (const [name, domain] of Object.entries(domains)) layout[name].domain = domain;
    for (const axis of Object.values(layout).filter((part) => part?.range)) for (const name of OURS) delete axis[name];
    const { flags = [], ...whole } = { ...magnified({ ...layout, margin }, theme.scale), width, height };
    const above = flagged(flags, axesOf(whole, width, height).xaxis, width, whole.font);
    return above.length ? { ...whole, annotations: [...(whole.annotations ?? []), ...above] } : whole;
  }

  /** Whoever saves what the panel shows adds where it comes from: ui/saver.js. @param {"png" | "svg"} format */
  #ask(format) {
    this.element.dispatchEvent(new CustomEvent("save", { detail: format, bubbles: true }));
  }

  /** What is drawn, as vectors. @returns {Promise<import("../ui/drawn.js").Drawing | null>} */
  async #drawing() {
    if (!this.#sized) return null;
    const theme = this.context.theme();
    const markup = await pictureOf([...(this.spec.saved?.(theme) ?? []), ...this.#traces(theme)], this.#layout(theme));
    return { ...this.#size, markup };
  }
}

// The one wrapper around Plotly. `Plotly.react` draws the frame around the data (ticks, marks, size, theme), and
// `Plotly.relayout`, three times as fast, where only ranges change, which they do in steps. The data are Plotly's as
// well, by `Plotly.animate`, where somebody can look closely: at rest, and under the pointer or the focus. While a run
// goes on by itself they are sketched on a canvas inside of the same frame, which leaves the processor to the training.

import { offerDrawing } from "../ui/drawn.js";
import { measureIn } from "../ui/text.js";
import { Canvas } from "./canvas.js";
import { fit } from "./fit.js";
import { sketch } from "./sketch.js";

/** @import { PanelContext, Theme } from "../types.js" */

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

const AT_ONCE = { frame: { duration: 0, redraw: false }, transition: { duration: 0 }, mode: "immediate" };

const AXIS = /^[xy]axis\d*$/;
const FITTED = ["tickvals", "ticktext", "domain"]; // of an axis: what follows from its range
const OURS = ["kind", "choose", "first", "names"]; // of an axis: what draw/fit.js reads, and Plotly does not know

export class Chart {
  /** @type {Theme | null} */ #theme = null;
  /** @type {Attributes[]} */ #data = [];
  /** @type {Attributes} */ #frame = {};
  #key = "";
  #ranges = "";
  #rescaling = false; // the change of ranges that Plotly reports is the chart's own
  #drawn = () => {};
  #zoomed = false; // a reader has chosen the ranges: they stay until they are reset
  #started = false;
  #sized = false;
  #size = { width: 1, height: 1 }; // CSS pixels
  #visited = false; // the pointer or the focus is in it
  #sketched = false; // the data are on the canvas, and not Plotly's
  /** @type {Canvas | null} */ #canvas = null;

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
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", spec.name);
    parent.append(this.element);
    for (const event of ["pointerenter", "pointerleave", "focusin", "focusout"]) {
      this.element.addEventListener(event, () => {
        this.#visited = this.element.matches(":hover, :focus-within");
        context.redraw();
      });
    }
    offerDrawing(this.element, () => this.#drawing());
  }

  /**
   * @param {Attributes[]} data per trace, what changes: x, y, text, customdata
   * @param {Attributes} frame what changes of the layout, which should be seldom: per axis ("xaxis", "yaxis2", …)
   *   range, and tickvals and ticktext where the axis is not to choose its own (draw/fit.js); shapes; annotations
   * @returns {void | Promise<void>} resolves once it is drawn, still in the same frame: Plotly does most of its work
   *   in microtasks, which a measurement of this call alone would miss
   */
  draw(data, frame) {
    const theme = this.context.theme();
    const sketched = this.context.running && !this.#visited;
    // Plotly leaves a line standing that has lost its last point, unless all is drawn anew; a sketch is always anew.
    const lost = sketched ? [] : data.map(({ x }) => !x?.length);
    const key = JSON.stringify([frame, lost], (name, value) => (name === "range" ? undefined : value));
    const ranges = rangesOf(frame);
    const rangesKey = JSON.stringify(ranges);
    const sameFrame = this.#started && this.#sized && theme === this.#theme && key === this.#key && sketched === this.#sketched;
    const rescaled = sameFrame && !this.#zoomed && rangesKey !== this.#ranges;
    this.#data = data;
    this.#frame = frame;
    this.#theme = theme;
    this.#key = key;
    this.#ranges = rangesKey;
    this.#sketched = sketched;
    if (rescaled) this.#rescale({ ...ranges, ...this.#labels(theme) });
    if (sameFrame && !sketched) return this.#animate();
    if (!sameFrame) this.#react();
    this.#sketch();
  }

  /** The element has a new size: the next draw takes it. */
  resize() {
    this.#sized = false;
  }

  /** In CSS pixels; asks the browser only where the size has changed. */
  get width() {
    return this.#sized ? this.#size.width : this.element.clientWidth;
  }

  /** What is shown of an axis, a reader's zoom included. @param {string} axis @returns {[number, number]} */
  shown(axis) {
    const { layout } = /** @type {any} */ (this.element);
    return layout ? layout[axis].range : (this.#frame[axis]?.range ?? [0, 1]); // there is none where it has had no room yet
  }

  /**
   * What of two linear axes is under the pointer; null outside of their plot.
   *
   * @param {MouseEvent} event
   * @param {string} across
   * @param {string} up
   */
  under({ clientX, clientY }, across, up) {
    if (!this.#started) return null;
    const { left, top } = this.element.getBoundingClientRect();
    const { [across]: x, [up]: y } = /** @type {any} */ (this.element)._fullLayout;
    const [right, down] = [(clientX - left - x._offset) / x._length, (clientY - top - y._offset) / y._length];
    if (right < 0 || right > 1 || down < 0 || down > 1) return null;
    return { x: x.range[0] + right * (x.range[1] - x.range[0]), y: y.range[1] - down * (y.range[1] - y.range[0]) };
  }

  /** @returns {Promise<void>} */
  #animate() {
    this.#drawn(); // what this one overtakes will not be drawn any more
    const { promise, resolve } = withResolvers();
    this.#drawn = resolve;
    const frame = { data: this.#data, traces: this.#data.map((_, index) => index) };
    // Plotly rejects an animation that the next one overtakes: nothing is lost, since only the newest counts.
    Plotly.animate(this.element, frame, AT_ONCE).catch(resolve);
    // Plotly's loop would turn once more, and a draw before that would be put off to it: later than the scheduler
    // says, and outside of its budget.
    const loop = /** @type {any} */ (this.element)._transitionData;
    cancelAnimationFrame(loop._animationRaf);
    loop._animationRaf = null;
    return promise;
  }

  /** Where the drawing between two axes lies, in CSS pixels from the chart's corner. @param {string} across @param {string} up */
  plot(across, up) {
    if (!this.#started) return { x: 0, y: 0, width: 0, height: 0 }; // it has had no room yet
    const { [across]: x, [up]: y } = /** @type {any} */ (this.element)._fullLayout;
    return { x: x._offset, y: y._offset, width: x._length, height: y._length };
  }

  /** @param {Attributes} changes by Plotly's names */
  #rescale(changes) {
    this.#rescaling = true;
    void Plotly.relayout(this.element, changes).finally(() => (this.#rescaling = false));
  }

  /** What follows from the ranges, by Plotly's names. @param {Theme} theme @returns {Attributes} */
  #labels(theme) {
    const layout = this.#layout(theme);
    const axes = Object.entries(layout).flatMap(([name, axis]) =>
      AXIS.test(name) ? FITTED.flatMap((key) => (axis[key] ? [[`${name}.${key}`, axis[key]]] : [])) : [],
    );
    return { ...Object.fromEntries(axes), "margin.l": layout.margin.l, "margin.r": layout.margin.r };
  }

  #react() {
    const { width, height } = this.element.getBoundingClientRect();
    if (width < 1 || height < 1) return;
    this.#sized = true;
    this.#size = { width, height };
    const theme = /** @type {Theme} */ (this.#theme);
    const layout = { ...this.#layout(theme), width, height };
    Plotly.react(this.element, this.#sketched ? this.#empty(theme) : this.#traces(theme), layout, this.#config());
    if (!this.#started) this.#start();
    this.#canvas?.fit();
  }

  #start() {
    this.#started = true;
    this.#canvas = new Canvas(this.element, "sketch");
    // Over Plotly's grid, and under its labels.
    this.element.querySelector(".main-svg")?.after(this.#canvas.element);
    const events = /** @type {any} */ (this.element);
    events.on("plotly_transitioning", () => this.#drawn());
    events.on("plotly_doubleclick", () => this.reset());
    events.on("plotly_relayout", () => {
      if (this.#rescaling) return;
      this.#zoomed = true;
      this.#rescale(this.#labels(/** @type {Theme} */ (this.#theme))); // other ticks have room now
      this.spec.zoomed?.();
    });
  }

  /** Puts the newest data on the canvas, or clears it where they are Plotly's. */
  #sketch() {
    if (!this.#canvas) return;
    const { _fullLayout: axes } = /** @type {any} */ (this.element);
    sketch(this.#canvas, this.#sketched ? this.#traces(/** @type {Theme} */ (this.#theme)) : [], axes);
    this.element.dataset.drawnBy = this.#sketched ? "canvas" : "plotly";
  }

  /** @param {Theme} theme */
  #empty(theme) {
    return this.spec.traces(theme).map((trace) => ({ ...trace, x: [], y: [] }));
  }

  /** @param {Theme} theme */
  #traces(theme) {
    return magnified(this.spec.traces(theme), theme.scale).map((/** @type {Attributes} */ trace, /** @type {number} */ index) => ({
      ...trace,
      ...this.#data[index],
    }));
  }

  /** @param {Theme} theme */
  #layout(theme) {
    /** @type {Attributes} */
    const layout = { ...look(theme), ...this.spec.layout(theme), ...this.#frame };
    for (const [name, own] of Object.entries(this.spec.layout(theme))) {
      if (!AXIS.test(name)) continue;
      layout[name] = { ...axisLook(theme), ...own, ...this.#frame[name] };
      const range = this.#zoomed ? this.shown(name) : layout[name].range;
      if (range) layout[name].range = [...range]; // Plotly writes a zoom into the very array that it is given
    }
    const { width, height } = this.#size;
    const { ticks, margin, domains } = fit(layout, width / theme.scale, height / theme.scale, measureIn(theme.font, layout.font.size));
    for (const [name, chosen] of Object.entries(ticks)) Object.assign(layout[name], chosen, { tickmode: "array" });
    for (const [name, domain] of Object.entries(domains)) layout[name].domain = domain;
    for (const axis of Object.values(layout).filter((part) => part?.range)) for (const name of OURS) delete axis[name];
    return magnified({ ...layout, margin }, theme.scale);
  }

  #config() {
    /** @param {string} title @param {object} icon @param {() => void} click */
    const button = (title, icon, click) => ({ name: title, title, icon, click });
    const { camera, disk, home } = Plotly.Icons;
    return {
      displaylogo: false,
      displayModeBar: "hover",
      doubleClick: false,
      showTips: false,
      modeBarButtons: [
        ["zoom2d", "pan2d", button("Reset zoom", home, () => this.reset())],
        [button("Save as PNG", camera, () => this.#ask("png")), button("Save as SVG", disk, () => this.#ask("svg"))],
      ],
    };
  }

  /** Gives a reader's zoom up. */
  reset() {
    this.#zoomed = false;
    this.#react();
    this.spec.zoomed?.();
  }

  /** Whoever saves what the panel shows adds where it comes from: ui/saver.js. @param {"png" | "svg"} format */
  #ask(format) {
    this.element.dispatchEvent(new CustomEvent("save", { detail: format, bubbles: true }));
  }

  /** What is drawn, as vectors. @returns {Promise<import("../ui/drawn.js").Drawing | null>} */
  async #drawing() {
    if (!this.#started) return null;
    const theme = this.context.theme();
    const { width, height } = this.#size;
    const figure = { data: [...(this.spec.saved?.(theme) ?? []), ...this.#traces(theme)], layout: { ...this.#layout(theme), width, height } };
    const address = await Plotly.toImage(/** @type {any} */ (figure), { format: "svg", width, height });
    return { width, height, markup: decodeURIComponent(address.slice(address.indexOf(",") + 1)) };
  }
}

/** By Plotly's names. @param {Attributes} frame @returns {Record<string, number[]>} */
const rangesOf = (frame) =>
  Object.fromEntries(Object.entries(frame).flatMap(([name, { range }]) => (AXIS.test(name) && range ? [[`${name}.range`, [...range]]] : [])));

/** @returns {{ promise: Promise<void>, resolve: () => void }} */
function withResolvers() {
  let resolve = () => {};
  const promise = new Promise((/** @type {(value: void) => void} */ settle) => (resolve = settle));
  return { promise, resolve };
}

/** Which numbers are sizes, by the name of what they belong to. @type {Record<string, string[]>} */
const SIZES = {
  font: ["size"],
  tickfont: ["size"],
  textfont: ["size"],
  line: ["width"],
  margin: ["l", "r", "t", "b"],
  title: ["standoff"],
  marker: ["size"],
};

/**
 * Attributes with larger type, wider margins and thicker lines.
 *
 * @param {any} part
 * @param {number} scale
 * @param {string} name of the part
 * @returns {any}
 */
function magnified(part, scale, name = "") {
  if (scale === 1 || part === null || typeof part !== "object" || ArrayBuffer.isView(part)) return part;
  if (Array.isArray(part)) return typeof part[0] === "object" ? part.map((item) => magnified(item, scale)) : part;
  const sizes = SIZES[name] ?? [];
  return Object.fromEntries(
    Object.entries(part).map(([key, value]) => [
      key,
      sizes.includes(key) && typeof value === "number" ? scale * value : magnified(value, scale, key),
    ]),
  );
}

/** What all charts have in common. @param {Theme} theme */
function look(theme) {
  return {
    font: { family: theme.font, size: 12, color: theme.inkSoft },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 52, r: 12, t: 10, b: 42 },
    showlegend: false,
    dragmode: "zoom",
    hovermode: "x unified",
    hoverdistance: 30,
    hoverlabel: { bgcolor: theme.panel, bordercolor: theme.line, font: { size: 12, color: theme.ink } },
    modebar: { bgcolor: theme.panel, color: theme.inkSoft, activecolor: theme.accent },
  };
}

/** @param {Theme} theme */
function axisLook(theme) {
  return {
    gridcolor: theme.grid,
    linecolor: theme.line,
    zeroline: false,
    ticks: "",
    automargin: false,
    tickangle: 0,
  };
}

/** An axis title: quiet, and close to its axis. @param {string} text */
export const axisTitle = (text) => ({ text, standoff: 6, font: { size: 12 } });

// Plotly over a chart, for somebody who looks closely: numbers under the pointer, zoom, and its row of buttons. It lies
// over the drawing in the same places and is invisible apart from these (panels.css), so that nothing moves as it comes.

import { AXIS } from "./places.js";
import { loadPlotly } from "./plotly.js";

/** @import { Begun } from "./begun.js" */
/** @import { Attributes } from "./chart.js" */

/**
 * @typedef {object} Doings what a reader does in it
 * @property {(ranges: { [axis: string]: [number, number] }) => void} zoom
 * @property {() => void} reset
 * @property {(format: "png" | "svg") => void} save
 */

const AT_ONCE = { frame: { duration: 0, redraw: false }, transition: { duration: 0 }, mode: "immediate" };

const ENDS = ["pointerup", "pointercancel"]; // of a drag: a finger's may become a scroll

export class Closer {
  #started = false;
  /** @type {Attributes | null} */ #config = null;
  busy = false; // somebody drags, who would lose what was begun

  /** @param {HTMLElement} parent @param {Doings} doings */
  constructor(parent, doings) {
    this.doings = doings;
    this.element = document.createElement("div");
    this.element.className = "closer";
    parent.append(this.element);
    this.element.addEventListener("pointerdown", () => this.#hold());
  }

  /** Until the hand lets go. */
  #hold() {
    this.busy = true;
    const end = () => {
      this.busy = false;
      for (const type of ENDS) removeEventListener(type, end);
    };
    for (const type of ENDS) addEventListener(type, end);
  }

  /** What was begun before Plotly was there. @param {Begun} begun */
  takeOver(begun) {
    if (!begun.over) this.#hold();
    begun.repeat();
  }

  /** Once Plotly is loaded. @param {Attributes[]} traces with their data @param {Attributes} layout with its size */
  async show(traces, layout) {
    const { annotations, shapes, ...rest } = layout; // these are drawn, and nothing can be done with them
    const dragmode = this.#laidOut?.dragmode ?? layout.dragmode;
    this.#config ??= this.#configured(); // once: with another one Plotly begins anew, and a button loses the focus
    await Plotly.react(this.element, traces, { ...rest, dragmode }, this.#config);
    if (!this.#started) this.#start();
  }

  /** Other data in the same places. @param {Attributes[]} data */
  animate(data) {
    const frame = { data, traces: data.map((_, index) => index) };
    // Plotly rejects an animation that the next one overtakes: nothing is lost, since only the newest counts.
    Plotly.animate(this.element, frame, AT_ONCE).catch(() => {});
  }

  /** @returns {Attributes | undefined} */
  get #laidOut() {
    return /** @type {any} */ (this.element).layout;
  }

  #start() {
    this.#started = true;
    const events = /** @type {any} */ (this.element);
    events.on("plotly_doubleclick", () => this.doings.reset());
    for (const event of ["plotly_relayout", "plotly_relayouting"]) {
      events.on(event, (/** @type {Attributes} */ changes) => {
        if (this.element.querySelector(".zoombox")) return; // it is not chosen yet
        if (Object.keys(changes).some((key) => key.includes("range"))) this.doings.zoom(this.#ranges(changes));
      });
    }
  }

  /** @param {Attributes} changes while somebody drags they are not in the layout yet @returns {{ [axis: string]: [number, number] }} */
  #ranges(changes) {
    const laidOut = /** @type {Attributes} */ (this.#laidOut);
    return Object.fromEntries(
      Object.entries(laidOut)
        .filter(([name]) => AXIS.test(name))
        .map(([name, { range }]) => [name, [changes[`${name}.range[0]`] ?? range[0], changes[`${name}.range[1]`] ?? range[1]]]),
    );
  }

  #configured() {
    /** @param {string} title @param {object} icon @param {() => void} click */
    const button = (title, icon, click) => ({ name: title, title, icon, click });
    const { camera, disk, home } = Plotly.Icons;
    const { reset, save } = this.doings;
    return {
      displaylogo: false,
      displayModeBar: "hover",
      doubleClick: false,
      showTips: false,
      modeBarButtons: [
        ["zoom2d", "pan2d", button("Reset zoom", home, reset)],
        [button("Save as PNG", camera, () => save("png")), button("Save as SVG", disk, () => save("svg"))],
      ],
    };
  }
}

/** As vectors. @param {Attributes[]} data @param {Attributes} layout with its size @returns {Promise<string>} an `<svg>` */
export async function pictureOf(data, layout) {
  await loadPlotly();
  const { width, height } = layout;
  const address = await Plotly.toImage(/** @type {any} */ ({ data, layout }), { format: "svg", width, height });
  return decodeURIComponent(address.slice(address.indexOf(",") + 1));
}

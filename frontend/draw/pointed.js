// In a chart over updates: a line at the update that somebody points at, in this chart or in another one, and what this
// one has there. In the chart under the pointer Plotly says that.

import { h, setHidden, setText } from "../ui/dom.js";

/** @import { PanelContext } from "../types.js" */
/** @import { Chart } from "./chart.js" */
/** @import { Pointed } from "../state/pointed.js" */

/**
 * @typedef {object} OverUpdates
 * @property {[string, string][]} plots pairs of axes, "xaxis" and "yaxis", that have updates across
 * @property {(update: number) => number} [place] of an update on the axis across; default: the update
 * @property {(place: number) => number} [updateAt] the other way round
 * @property {(update: number) => string[]} says what the chart has there, a line each; none: nothing
 */

/**
 * @param {Chart} chart
 * @param {PanelContext} context
 * @param {OverUpdates} about
 * @returns {() => void} shows it where it lies now: to be called where the chart has been drawn anew
 */
export function followPointer(chart, context, { plots, place = (update) => update, updateAt = Math.round, says }) {
  const lines = plots.map(() => h("i", { class: "pointed", hidden: true }));
  const tag = h("p", { class: "pointed-tag", hidden: true });
  chart.element.append(...lines, tag);

  /** Where the pointer is, if it is here. @type {PointerEvent | null} */
  let pointer = null;

  chart.element.addEventListener("pointermove", (event) => {
    pointer = event;
    point(event);
  });
  chart.element.addEventListener("pointerleave", () => {
    pointer = null;
    context.pointed.point(null);
  });
  context.pointed.listen(show);

  /** @param {PointerEvent} event */
  function point(event) {
    const at = plots.map(([across, up]) => chart.under(event, across, up)).find((one) => one !== null);
    const update = at ? updateAt(at.x) : NaN;
    context.pointed.point(Number.isNaN(update) ? null : { update, by: chart });
  }

  /** @param {Pointed} pointed */
  function show(pointed) {
    const at = pointed && chart.element.isConnected ? place(pointed.update) : NaN;
    plots.forEach(([across, up], index) => {
      const box = chart.plot(across, up);
      const [low, high] = chart.shown(across);
      const isIn = at >= low && at <= high && box.width > 0;
      setHidden(lines[index], !isIn);
      if (isIn) {
        const x = box.x + ((at - low) / (high - low)) * box.width;
        Object.assign(lines[index].style, { transform: `translate(${x}px, ${box.y}px)`, height: `${box.height}px` });
      }
      if (index === 0) showTag(isIn && pointed?.by !== chart ? says(pointed?.update ?? 0) : [], box, (at - low) / (high - low));
    });
    chart.element.dataset.pointed = lines.some((line) => !line.hidden) && pointed ? String(pointed.update) : "";
  }

  /** @param {string[]} words @param {{ x: number, y: number, width: number }} box of the plot @param {number} share of its width */
  function showTag(words, box, share) {
    setHidden(tag, !words.length);
    if (!words.length) return;
    setText(tag, words.join("\n"));
    const x = box.x + share * box.width;
    const [left, right] = share > 0.5 ? ["auto", `calc(100% - ${x - 4}px)`] : [`${x + 4}px`, "auto"];
    Object.assign(tag.style, { left, right, top: `${box.y + 2}px` });
  }

  return () => {
    if (pointer) point(pointer); // at rest, and another update has come to lie there
    const pointed = context.pointed.now();
    if (pointed) show(pointed);
  };
}

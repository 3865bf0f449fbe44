// Under the timeline: which of its updates the charts show. One drags across it, or moves either end by the keyboard.

import { count } from "../state/format.js";
import { spanBetween } from "../state/zoom.js";
import { h, setAttribute, setHidden, setText } from "../ui/dom.js";

/** @import { Span } from "../types.js" */

/** @typedef {{ last: number, at(update: number): number, updateAt(x: number): number }} Scale of the track: `at` in CSS pixels */

const STEPS = 100; // of an arrow key, over what the charts show
const HINT = "Drag here to zoom all charts over updates. Double click, or Escape: all updates.";
const GRIP = 6; // CSS pixels on either side of an end that take hold of it

/**
 * @param {(span: Span | null) => void} zoom
 * @returns {{ lane: HTMLElement, whole: HTMLElement, draw(span: Span | null, scale: Scale): void }} `whole`: says what is
 *   shown, and gives it up
 */
export function createBrush(zoom) {
  /** @type {Span | null} */
  let span = null;
  /** @type {Scale} */
  let scale = { last: 1, at: () => 0, updateAt: () => 0 };
  const shade = h("i", { class: "span" });
  const hint = h("span", { class: "hint", "aria-hidden": "true" }, "drag to zoom the charts");
  const [first, second] = [end("from", "Charts from update"), end("to", "Charts to update")];
  const lane = h("div", { class: "brush", title: HINT, ondblclick: () => choose(null) }, hint, shade, first, second);
  const whole = h("button", { type: "button", class: "whole-run", hidden: true, title: "Show all updates in the charts (Escape)" });
  whole.addEventListener("click", () => {
    choose(null);
    first.focus();
  });
  lane.addEventListener("pointerdown", press);

  /** Known at once: the next key may come before anything is drawn. @param {Span | null} next */
  function choose(next) {
    span = next;
    zoom(next);
  }

  /** @returns {Span} what the charts show */
  const shown = () => span ?? { from: 0, to: scale.last };

  /** @param {"from" | "to"} which @param {string} label */
  function end(which, label) {
    const handle = h("div", { class: `end ${which}`, role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 0 });
    handle.addEventListener("keydown", (event) => {
      const { from, to } = shown();
      const far = event.shiftKey ? 1 : Math.max(1, Math.round((to - from) / STEPS));
      const now = which === "from" ? from : to;
      /** @type {Record<string, number>} */
      const places = { ArrowLeft: now - far, ArrowDown: now - far, ArrowRight: now + far, ArrowUp: now + far };
      Object.assign(places, { PageDown: now - 10 * far, PageUp: now + 10 * far, Home: 0, End: scale.last });
      if (!(event.key in places)) return;
      event.preventDefault();
      const next = Math.min(scale.last, Math.max(0, places[event.key]));
      // An end stays on its side of the other one.
      choose(which === "from" ? spanBetween(Math.min(next, to - 2), to, scale.last) : spanBetween(from, Math.max(next, from + 2), scale.last));
    });
    return handle;
  }

  /** @param {PointerEvent} event */
  function press(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    const { left } = lane.getBoundingClientRect();
    const place = (/** @type {PointerEvent} */ { clientX }) => Math.min(scale.last, Math.max(0, scale.updateAt(clientX - left)));
    const move = movement(event.clientX - left, place(event));
    lane.setPointerCapture(event.pointerId);
    const go = (/** @type {PointerEvent} */ next) => {
      if (Math.abs(next.clientX - event.clientX) > 2 || dragged) choose(move(place(next)));
      dragged ||= Math.abs(next.clientX - event.clientX) > 2;
    };
    let dragged = false;
    const stop = () => {
      lane.removeEventListener("pointermove", go);
      for (const type of ["pointerup", "pointercancel"]) lane.removeEventListener(type, stop);
    };
    lane.addEventListener("pointermove", go);
    for (const type of ["pointerup", "pointercancel"]) lane.addEventListener(type, stop);
  }

  /**
   * What a drag that begins here does: it moves an end or the whole span, or begins another one.
   *
   * @param {number} x
   * @param {number} begin the update there
   * @returns {(update: number) => Span | null}
   */
  function movement(x, begin) {
    const { last } = scale;
    if (!span) return (update) => spanBetween(begin, update, last);
    const { from, to } = span;
    if (Math.abs(x - scale.at(from)) <= GRIP) return (update) => spanBetween(update, to, last);
    if (Math.abs(x - scale.at(to)) <= GRIP) return (update) => spanBetween(from, update, last);
    if (begin < from || begin > to) return (update) => spanBetween(begin, update, last);
    return (update) => {
      const by = Math.round(Math.min(last - to, Math.max(-from, update - begin)));
      return spanBetween(from + by, to + by, last);
    };
  }

  return {
    lane,
    whole,
    draw(next, nextScale) {
      span = next;
      scale = nextScale;
      const { from, to } = shown();
      const [left, right] = [scale.at(Math.min(from, scale.last)), scale.at(Math.min(to, scale.last))];
      Object.assign(shade.style, { left: `${left}px`, width: `${Math.max(2, right - left)}px` });
      for (const [handle, update, x] of /** @type {const} */ ([
        [first, from, left],
        [second, to, right],
      ])) {
        handle.style.left = `${x}px`;
        setAttribute(handle, "aria-valuemax", String(scale.last));
        setAttribute(handle, "aria-valuenow", String(update));
        setAttribute(handle, "aria-valuetext", `update ${count(update)}`);
      }
      lane.toggleAttribute("data-zoomed", span !== null);
      setHidden(hint, span !== null);
      setHidden(whole, span === null);
      setText(whole, span ? `${spanInWords(span)} ×` : "");
      setAttribute(whole, "aria-label", span ? `Charts show ${spanInWords(span)}: show all` : "Show all updates");
    },
  };
}

/** @param {Span} span */
export const spanInWords = ({ from, to }) => `updates ${count(from)}–${count(to)}`;

// Words below a drawing keep the lines that they have needed for as long as the run goes on: a number that needs another
// one every now and then would take it from the drawing each time, which is then laid out anew.

import { runsFreely } from "../state/motion.js";

/** @import { State } from "../types.js" */

/** Parts of a panel's body that are as high as what they say. */
const WORDS = ".readout, .footer, .caption, .choice, .cosines";
const DRAWINGS = ".chart, .layers";
/** Of a drawing, in pixels: where words would leave it less, they keep no more room than they need. */
const LEAST = 110;

/** @param {State} state */
export function createSteadyWords(state) {
  /** @type {Set<HTMLElement>} */
  const held = new Set();
  /** Bodies that have no room to spare at the size that they have. @type {WeakSet<Element>} */
  const tight = new WeakSet();

  /** @param {Element} element */
  function release(element) {
    if (element instanceof HTMLElement && held.delete(element)) element.style.minHeight = "";
  }

  return {
    /** Told of every part of a panel, and of its body, that has another size. @param {ResizeObserverEntry} entry */
    resized({ target, borderBoxSize: [{ blockSize: height }] }) {
      const body = target.parentElement;
      if (target.matches(".body")) {
        tight.delete(target);
        for (const part of target.children) release(part);
      } else if (body && target.matches(DRAWINGS) && height < LEAST && [...body.children].some((part) => held.has(/** @type {any} */ (part)))) {
        tight.add(body);
        for (const part of body.children) release(part);
      }
      if (!(target instanceof HTMLElement) || !target.matches(WORDS) || !runsFreely(state)) return;
      if (body && tight.has(body)) return;
      if (height <= parseFloat(target.style.minHeight || "0")) return;
      target.style.minHeight = `${height}px`;
      held.add(target);
    },
    /** The run may have come to rest. */
    draw() {
      if (!runsFreely(state)) held.forEach(release);
    },
  };
}

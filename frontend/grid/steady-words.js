// Words below a drawing keep the lines that they have needed for as long as the run goes on: a number that needs another
// one every now and then would take it from the drawing each time, which is then laid out anew.

import { runsFreely } from "../state/motion.js";

/** @import { State } from "../types.js" */

/** Parts of a panel's body that are as high as what they say. */
const WORDS = ".readout, .footer, .caption, .choice, .cosines";

/** @param {State} state */
export function createSteadyWords(state) {
  /** @type {Set<HTMLElement>} */
  const held = new Set();

  /** @param {Element} element */
  function release(element) {
    if (element instanceof HTMLElement && held.delete(element)) element.style.minHeight = "";
  }

  return {
    /** Told of every part of a panel, and of its body, that has another size. @param {ResizeObserverEntry} entry */
    resized({ target, borderBoxSize: [{ blockSize: height }] }) {
      if (target.matches(".body")) for (const part of target.children) release(part);
      if (!(target instanceof HTMLElement) || !target.matches(WORDS) || !runsFreely(state)) return;
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

// The span of updates that all charts over updates show. It goes with the page's address; another run begins with all of
// its updates, and who comes back to one finds it as it was.

/** @import { Page } from "./page.js" */
/** @import { Span } from "../types.js" */

const NARROWEST = 2; // updates
const WRITTEN = /^(\d{1,9})-(\d{1,9})$/;

/** @param {Span | null} one @param {Span | null} other */
export const isSame = (one, other) => one === other || (one !== null && other !== null && one.from === other.from && one.to === other.to);

/** @param {Page} page */
export function createZoom({ state, touch, subscribe }) {
  let run = state.run?.id ?? null;
  /** Of runs that were left, such as the one at hand while an example of the guide is on show. @type {Map<string, Span | null>} */
  const left = new Map();

  /** @param {Span | null} span */
  function show(span) {
    if (isSame(span, state.zoom)) return;
    state.zoom = span;
    touch("zoom");
  }

  subscribe((topics) => {
    if (!topics.includes("run")) return;
    const now = state.run?.id ?? null;
    if (now === null || now === run) return;
    if (run !== null) {
      left.set(run, state.zoom);
      show(left.get(now) ?? null);
    } // else it is the first one, which a link's span is of
    run = now;
  });

  return { show };
}

/**
 * Whole updates, in order, not too few, and of those that there are; null where those are all.
 *
 * @param {number} one
 * @param {number} other
 * @param {number} last of the run
 * @returns {Span | null}
 */
export function spanBetween(one, other, last) {
  const [low, high] = [Math.min(one, other), Math.max(one, other)].map(Math.round);
  const from = Math.max(0, Math.min(low, last - NARROWEST));
  const to = Math.min(last, Math.max(high, from + NARROWEST));
  return from <= 0 && to >= last ? null : { from, to };
}

/** As an address has it. @param {Span} span */
export const written = ({ from, to }) => `${from}-${to}`;

/** @param {string} text @returns {Span | null} null: it is none */
export function readSpan(text) {
  const [, from, to] = WRITTEN.exec(text) ?? [];
  return from !== undefined && Number(to) - Number(from) >= NARROWEST ? { from: Number(from), to: Number(to) } : null;
}

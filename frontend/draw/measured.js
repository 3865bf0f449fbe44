// What a measurement costs; and since expensive probes are missing from most snapshots at full speed, what they found last
// stays on show, with the update that it is of.

import { number, percent } from "../state/format.js";
import { atFullSpeed } from "../state/motion.js";

/** @import { Snapshot, State } from "../types.js" */

export class Measured {
  /** @type {Snapshot | null} */ #last = null;
  /** @type {string | null} */ #run = null;

  /** @param {string} array that the probe gives whenever it measures @param {string} awaited what it waits for */
  constructor(array, awaited) {
    this.array = array;
    this.awaited = awaited;
  }

  /**
   * What is to be drawn: the snapshot on show where it was measured, else, in the present, the last one that was.
   *
   * @param {State} state
   * @returns {Snapshot | null}
   */
  of({ snapshot, past, run }) {
    if ((run?.id ?? null) !== this.#run) this.#last = null;
    this.#run = run?.id ?? null;
    const measured = snapshot?.arrays[this.array] ? snapshot : null;
    if (past) return measured;
    if (measured) this.#last = measured;
    return this.#last;
  }

  /** @param {State} state */
  ready(state) {
    if (this.of(state)) return true;
    return state.past ? "a moment at which this was measured: at full speed that is not every one" : this.awaited;
  }
}

/** Which moment something was measured at, in words. @param {Snapshot} snapshot */
export function momentInWords({ header: { update, phase, epoch, minibatch } }) {
  if (phase === "update") return `update ${update}, its end`;
  if (phase === "epoch") return `update ${update}, epoch ${epoch}`;
  const place = `minibatch ${minibatch} of epoch ${epoch}`;
  return `update ${update}, ${place}${phase === "step" ? ", after its step" : ""}`;
}

/**
 * A line under the drawing: which moment it is of, where that is not the one on show, what else is to be said, the cost.
 *
 * @param {State} state
 * @param {Snapshot} drawn
 * @param {string} probe
 * @param {string} [about]
 */
export function captionOf(state, drawn, probe, about = "") {
  const when = drawn === state.snapshot ? "" : momentInWords(drawn);
  return [when, about, costInWords(state, drawn, probe)].filter(Boolean).join(" · ");
}

/**
 * "2.1 ms per measurement", and at full speed what share of the time that is. On Stage nobody asks for it.
 *
 * @param {State} state
 * @param {Snapshot} drawn
 * @param {string} probe
 */
function costInWords(state, { header }, probe) {
  const seconds = header.costs?.[probe];
  if (seconds === undefined || state.view.layout === "stage") return "";
  const cost = `${number(1000 * seconds, 2)}\u00a0ms per measurement`;
  const share = header.shares?.[probe];
  return share !== undefined && atFullSpeed(state) ? `${cost}, ${percent(share)} of the time` : cost;
}

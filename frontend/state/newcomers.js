// Runs that begin while a page stands at one that is over, such as a script that is started again: nobody would see them.

import { isOver, OVER } from "./ended.js";
import { titleOf } from "./called.js";

/** @import { RunBrief, State } from "../types.js" */

/** @returns {{ newest(state: State): RunBrief | null, pass(state: State): void }} `newest`: of those that nobody was told of; `pass`: somebody was */
export function createNewcomers() {
  let atHand = "";
  /** That were there when the page came to the run at hand. @type {Set<string> | null} */
  let known = null;

  /** @param {State} state */
  const take = ({ runs }) => void (known = runs.length ? new Set(runs.map(({ id }) => id)) : null);

  return {
    newest(state) {
      const { run, runs, others } = state;
      if (run && run.id !== atHand) {
        atHand = run.id;
        known = null;
      }
      if (known === null) take(state);
      if (!run || state.recorded || state.held || !isOver(state)) return null;
      const beside = others.map((other) => other.run?.id);
      // Those of a sweep come one after the other, and are looked at together.
      const fresh = runs.filter(({ id, sweep }) => id !== run.id && sweep === null && !known?.has(id) && !beside.includes(id));
      return fresh.reduce((/** @type {RunBrief | null} */ one, other) => (one && one.created > other.created ? one : other), null);
    },
    pass: take,
  };
}

/** @param {RunBrief} run */
export const newcomerInWords = (run) => `A new run has begun${OVER.has(run.state) ? ", and has ended" : ""}: ${titleOf(run)}. `;

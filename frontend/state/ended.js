// Runs that are over: nothing goes on in them, and nobody can be asked for anything more. A stalled one may come back.

import { ENDED } from "../wire.js";

/** @import { RunState, State } from "../types.js" */

/** @type {Set<string>} */
export const OVER = new Set(ENDED);

/** @param {State} state @returns {RunState | null} */
export const runState = (state) => state.status?.state ?? state.run?.state ?? null;

/** Whether nothing of the run on show will be measured any more. @param {State} state */
export const isOver = (state) => state.held !== null || OVER.has(runState(state) ?? "");

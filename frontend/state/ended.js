// Runs that are over: nothing goes on in them, and nobody can be asked for anything more.

/** @import { RunState, State } from "../types.js" */

/** @type {Set<string>} */
export const OVER = new Set(["finished", "stopped", "failed", "killed", "out_of_memory", "stalled"]);

/** @param {State} state @returns {RunState | null} */
export const runState = (state) => state.status?.state ?? state.run?.state ?? null;

/** Whether nothing of the run on show will be measured any more. @param {State} state */
export const isOver = (state) => state.held !== null || OVER.has(runState(state) ?? "");

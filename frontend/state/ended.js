// Runs that are over: nothing goes on in them, and nobody can be asked for anything more. A stalled one may come back.

import { ENDED } from "../wire.js";

/** @import { RunState, State } from "../types.js" */

/** @type {Set<string>} */
export const OVER = new Set(ENDED);

/** @param {Pick<State, "run" | "status">} state @returns {RunState | null} */
export const runState = (state) => state.status?.state ?? state.run?.state ?? null;

/** Whether its process has ended. @param {Pick<State, "run" | "status">} state */
export const isGone = ({ run, status }) => status?.gone ?? run?.gone ?? false;

/** Whether nothing of the run on show will be measured any more. @param {State} state */
export const isOver = (state) => state.held !== null || OVER.has(runState(state) ?? "");

/** Whether more of it is to come to this page: what is newest is live then. @param {State} state */
export const goesOn = (state) => state.run !== null && !state.recorded && state.connection.state === "open" && !isOver(state);

/** Whether it has made all its steps: it goes on only with more of them. @param {{ state: string }} run that is kept */
export const hasFinished = ({ state }) => state === "finished";

/** Before which update it goes on as it is; null: nothing is left to do, or nothing was kept to go on from. @param {{ state: string, resumes_at: number | null } | undefined} run that is kept */
export const resumesAt = (run) => (run && !hasFinished(run) ? run.resumes_at : null);

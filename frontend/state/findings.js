// What is wrong with the run on show: what the trainer has found, and why a run has halted where it found nothing.

import { runState } from "./ended.js";

/** @import { Finding, State } from "../types.js" */

/** @type {Record<string, string>} */
const TITLES = {
  paused: "The run has halted",
  failed: "The run failed",
  killed: "The training process was killed",
  out_of_memory: "Out of memory",
  stalled: "The training process does not answer",
};

/** The gravest first. @param {Pick<State, "snapshot" | "status" | "run" | "past">} state @returns {Finding[]} */
export function findingsOf(state) {
  const found = state.snapshot?.header.findings ?? [];
  const cause = state.past ? null : (state.status?.cause ?? state.run?.cause);
  const title = TITLES[runState(/** @type {State} */ (state)) ?? ""];
  if (!cause || !title || found.some(({ severity }) => severity === "error")) return found;
  const { summary, remedy } = cause;
  const since = state.status?.update ?? state.run?.update ?? 0;
  return [{ name: "cause", title, severity: "error", summary, cause: "", remedy: remedy ?? "", setting: null, since }, ...found];
}

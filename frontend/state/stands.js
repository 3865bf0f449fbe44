// How a run stands, in the one word that the bar and every list have for it.

import { runState } from "./ended.js";

/** @import { State } from "../types.js" */

/** Where the word is not the state itself. @type {Record<string, string>} */
const WORDS = { out_of_memory: "out of memory", kept: "from the disk" };

/** @param {string} state of a run of this server, or one that only a list has: of a sweep, of a folder */
export const stateInWords = (state) => WORDS[state] ?? state;

const UNDER_WAY = new Set(["starting", "running", "paused", "stalled"]);

/** The same of a run as it lies on the disk: what goes on there does so elsewhere. @param {string} state */
export const keptInWords = (state) => (UNDER_WAY.has(state) ? "in use elsewhere" : stateInWords(state));

/** Of the run on show; of one that is shown from the disk, how it ended. Empty where there is none. @param {Pick<State, "run" | "status">} state */
export function standsInWords({ run, status }) {
  const now = runState({ run, status });
  if (now === "kept" && run?.kept) return keptInWords(run.kept.state);
  return now === null ? "" : stateInWords(now);
}

// What this page may do now, and if not, why not, in words for a button's title.

import { runsOn } from "../state/motion.js";

/** @import { State } from "../types.js" */

export const WATCHING = "You are watching. To control, open the link printed in the terminal.";
export const RECORDED = "This run was recorded: Step, Back and Play go through it, and nothing is trained.";
export const ANOTHER_LEADS = "Another tab controls this run.";

const OVER = new Set(["finished", "stopped", "failed", "killed", "out_of_memory", "stalled"]);

/** @param {State} state */
export const runState = (state) => state.status?.state ?? state.run?.state ?? null;

/** What goes through a recording as well. */
const REPLAYED = new Set(["play", "pause", "step"]);

const BADLY = new Set(["failed", "killed", "out_of_memory", "stalled", "stopped"]);

/** Whether the run ended in a way that needs a word of explanation. @param {State} state */
export const endedBadly = (state) => BADLY.has(runState(state) ?? "");

/** Whether a restart would throw away what a run that still goes on has learned. @param {State} state */
export function losesTraining(state) {
  const now = runState(state);
  return now !== null && !OVER.has(now) && (state.status?.update ?? state.run?.update ?? 0) > 0;
}

/**
 * Why this page cannot control anything; null where it can.
 *
 * @param {State} state
 */
export function whyNoControl(state) {
  if (state.recorded) return RECORDED;
  if (state.connection.state !== "open") return "Not connected to the server.";
  if (state.role !== "controller") return WATCHING;
  if (!state.lease.holder) return `${ANOTHER_LEADS} Take control first.`;
  return null;
}

/** @typedef {"play" | "pause" | "step" | "restart" | "set" | "redo" | "keep"} Action */

/**
 * Why `action` is not possible now; null where it is.
 *
 * @param {State} state
 * @param {Action} action
 * @returns {string | null}
 */
export function whyNot(state, action) {
  const now = runState(state);
  const noControl = whyNoControl(state);
  if (noControl && !(state.recorded && REPLAYED.has(action))) return noControl;
  if (now === null) return "There is no run.";
  if (action === "restart") return null;
  if (OVER.has(now)) return "The run has ended. Restart begins a new one.";
  if (now === "starting" && action !== "set") return "The trainer is starting.";
  if (runsOn(state) && action === "play") return "The run is running.";
  if (runsOn(state) && action === "step") return "The run is running. Pause it first.";
  if (now === "paused" && action === "pause") return "The run is paused.";
  return null;
}

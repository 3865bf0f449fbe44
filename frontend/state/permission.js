// What this page may do now, and if not, why not, in words for a button's title.

import { CONNECTING } from "./awaited.js";
import { OVER, isGone, isOver, runState } from "./ended.js";
import { count } from "./format.js";
import { runsOn } from "./motion.js";
import { inThePast } from "./time-travel.js";

/** @import { State } from "../types.js" */

export const WATCHING = "You are watching. To control, open the link printed in the terminal.";
export const RECORDED = "This run was recorded: Step, Back and Play go through it, and nothing is trained.";
const ANOTHER_LEADS = "Another tab controls this run.";
const ANOTHER_WILL = "Another tab controls this run once its training loop answers again.";

export const HELD = "The server was started anew, and this run ended with the old one. Show the new run first.";
const RECORDING_ENDS = "The recording ends here. Go back with ←.";
const TRIED = "A new run is being tried out.";

/** Why nothing more is possible with a run that is over. @type {Record<string, string>} */
const ENDS = {
  finished: "The run has finished: it has made all its steps.",
  stopped: "The run was stopped.",
  failed: "The run failed, and its training process is gone.",
  killed: "The training process was killed.",
  out_of_memory: "The training process ran out of memory.",
  deleted: "The run has been deleted from the disk.",
  kept: "This run is shown from the disk, and nothing is trained: Back, Step and the timeline go through it.",
};

const STALLED = "The training process has not come back for a while. Wait for it, or restart: that ends it.";
const LOOP_STALLED = "The training loop has not answered for a while: nothing can be asked of it until it does.";

/** What our own trainer alone can do. @type {Record<string, string>} */
const NOT_ATTACHED = {
  restart: "This run's training loop is somebody else's: it is begun anew where it was begun.",
  redo: "This run's training loop cannot make an update a second time.",
};

/** Why a setting of a loop that is not ours stays as it is; null where it can be moved. @param {State} state @param {string} name */
export function whyFixed({ run }, name) {
  if (!run?.attached || run.attached.changeable.includes(name)) return null;
  if (name === "learning_rate" && run.settings.anneal_learning_rate)
    return "This run's training loop lets α fall by itself: what is set here would be written over.";
  return "This run's training loop is somebody else's, and does not take this setting from outside: change it in the script.";
}

/** The same below its slider. @param {State} state @param {string} name of a setting that is fixed */
export const fixedInShort = ({ run }, name) =>
  name === "learning_rate" && run?.settings.anneal_learning_rate ? "falls by itself" : "set in the script";

/** What goes through a recording as well. */
const REPLAYED = new Set(["play", "pause", "step"]);

export const PAUSES = "Pauses when this rollout is whole.";

const BADLY = new Set(["failed", "killed", "out_of_memory", "stalled", "stopped", "deleted"]);

/** Whether the run ended, or hangs, in a way that needs a word of explanation; of one that has finished, the server may have one. @param {State} state */
export function needsExplaining(state) {
  const now = runState(state) ?? "";
  return state.held === null && (BADLY.has(now) || (now === "finished" && !!(state.status ?? state.run)?.cause));
}

/** How far the run is: its state says so only when that changes, and at full speed its moments are the newest word. @param {Pick<State, "status" | "newest" | "run">} state */
export const updateOf = ({ status, newest, run }) => Math.max(status?.update ?? run?.update ?? 0, newest?.header.update ?? 0);

/** How many updates of the run at hand a new one would end, and take from the page. @param {State} state */
const updatesAtHand = (state) =>
  runState(state) === null || isGone(state) || (needsExplaining(state) && runState(state) !== "stalled") ? 0 : updateOf(state);

/** Whether a new run would throw away what the one at hand has learned. @param {State} state */
export const losesTraining = (state) => updatesAtHand(state) > 0;

/** What a new run costs, for whoever is about to begin one; empty where nothing is lost. @param {State} state */
export function lossInWords(state) {
  const updates = updatesAtHand(state);
  if (!updates) return "";
  const ends = "The run at hand ends as soon as the new one has proved that it trains";
  if (state.run?.stored && !state.run.unwritten) return `${ends}. What is kept of it stays on the disk: one can go on with it.`;
  const what = updates === 1 ? "its one update and what it has learned are" : `its ${count(updates)} updates and what they have taught it are`;
  return `${ends}; ${what} gone then.`;
}

/**
 * Why this page cannot begin anything beside the run at hand, whoever leads that; null where it can.
 *
 * @param {State} state
 */
export function whyNothingBeside(state) {
  if (state.recorded) return RECORDED;
  if (state.held) return HELD;
  if (state.connection.state === "connecting") return CONNECTING;
  if (state.connection.state !== "open") return "Not connected to the server.";
  if (state.role !== "controller") return WATCHING;
  return null;
}

/**
 * Why this page cannot control anything; null where it can.
 *
 * @param {State} state
 */
export function whyNoControl(state) {
  const reason = whyNothingBeside(state);
  if (reason) return reason;
  if (!state.run) return "There is no run yet.";
  const another = whoLeads(state);
  return another && `${another} Take control first.`;
}

/** Who controls the run at hand, where it is another page; null: this one, or nobody can: its training loop is elsewhere and over. @param {State} state */
export function whoLeads(state) {
  if (state.lease.holder || (state.run?.attached && isOver(state))) return null;
  return state.run?.attached && runState(state) === "stalled" ? ANOTHER_WILL : ANOTHER_LEADS;
}

/** What would choose between two outcomes by the way. @type {Set<string>} */
const DECIDES = new Set(["play", "step", "redo"]);

/**
 * Whether it is yet to be heard what can be done with a run: it was only just asked for, or its training has yet to begin.
 * (Of one that cannot be reached, nothing comes.)
 *
 * @param {State} state
 */
export function isComing({ recorded, held, connection, awaited, status }) {
  if (recorded || held || awaited) return false;
  return connection.state === "connecting" || (connection.state === "open" && (status === null || status.state === "starting"));
}

/** @param {State} state */
const undecided = ({ comparison }) =>
  `Update ${count(comparison?.header.update)} has two outcomes, and none is chosen yet. Keep one of them first, as it was or the new one.`;

/** @param {State} state */
const whyNotTried = ({ trial }) => (trial && !trial.refused ? TRIED : null);

/** Why this page cannot begin a run beside the one at hand now; null where it can. @param {State} state */
export const whyNotBeside = (state) => whyNothingBeside(state) ?? whyNotTried(state);

/** @typedef {"play" | "pause" | "step" | "restart" | "set" | "redo" | "keep" | "end"} Action */

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
  const repeats = action === "redo" && state.run?.attached?.repeats;
  if (state.run?.attached && action in NOT_ATTACHED && !repeats) return NOT_ATTACHED[action] ?? null;
  if (action === "end") return null;
  if (action === "restart") return whyNotTried(state);
  if (OVER.has(now)) return state.run?.attached ? (ENDS[now] ?? null) : `${ENDS[now]} Restart begins a new one.`;
  if (now === "starting" && action !== "set") return "The trainer is starting.";
  if (now === "stalled" && action !== "set" && action !== "pause") return state.run?.attached ? LOOP_STALLED : STALLED;
  if (state.activity?.name === "redo") return "The update at hand is being made a second time. Wait, or cancel it.";
  if (state.comparison && DECIDES.has(action)) return undecided(state);
  if (runsOn(state) && action === "play" && !state.status?.pausing) return "The run is running.";
  if (action === "pause" && state.status?.pausing) return PAUSES;
  if (runsOn(state) && action === "step") return "The run is running. Pause it first.";
  if (now === "paused" && action === "pause") return "The run is paused.";
  return null;
}

/**
 * The same at the moment on show: in the past, Step goes through what is kept, whatever the run does meanwhile; at the end of a
 * recording, nothing is left to go through.
 *
 * @param {State} state
 * @param {Action} action
 */
export function whyNotHere(state, action) {
  if (action === "step" && !state.recorded && inThePast(state)) return null;
  if (action === "step" && state.recorded && !inThePast(state)) return RECORDING_ENDS;
  return whyNot(state, action);
}

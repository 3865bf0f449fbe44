// What takes its time: a rollout, an update that is made twice, a new run that is tried out.

import { OVER } from "./ended.js";
import { count } from "./format.js";
import { atFullSpeed } from "./motion.js";

/** @import { Activity, Doing, Header, State, Trial } from "../types.js" */

const LONG = 1000; // milliseconds: at full speed what is over sooner would only flicker
const SLOW = 2; // seconds, from which it is said how long a single step has taken

/**
 * What is going on after another word of it has come.
 *
 * @param {Activity | null} before
 * @param {Header} progress
 * @param {number} now on performance.now()'s clock
 * @returns {Activity | null}
 */
export function activityAfter(before, { activity, update }, now) {
  if (!activity) return null;
  const goesOn = before !== null && before.name === activity.name && before.update === update && activity.done >= before.done;
  return { ...activity, update, at: now, since: goesOn ? before.since : now };
}

/**
 * Whether a word of where the trainer is tells nothing new. A trainer at rest gives one each second: a sign of life, for
 * which nothing is to be drawn.
 *
 * @param {Header} before the last such word
 * @param {Header} now
 * @param {number} newest sequence of the newest snapshot: a word after it takes its place, whatever it says
 */
export function repeats(before, now, newest) {
  const said = (/** @type {Header} */ header) => JSON.stringify({ ...header, sequence: 0 });
  return before.sequence > newest && !now.activity && said(before) === said(now);
}

/**
 * What is worth being told; null where nothing is.
 *
 * @param {State} state
 * @param {number} now
 * @returns {Activity | null}
 */
export function underWay(state, now = performance.now()) {
  const { activity, status, progress, newest } = state;
  if (!activity || state.held || OVER.has(status?.state ?? "")) return null;
  if (activity.name === "redo") return activity;
  if (activity.name === "evaluating") return state.past || now - activity.since < LONG ? null : activity;
  if (activity.name !== "collecting") return null;
  const goesOn = status?.state === "running" || status?.state === "stalled";
  const isOver = !goesOn || (newest?.header.sequence ?? -1) > (progress?.sequence ?? -1);
  if (isOver || state.past) return null;
  const isFirst = (newest?.header.update ?? 0) === 0; // there is nothing else to look at
  return atFullSpeed(state) && !isFirst && !status.pausing && now - activity.since < LONG && activity.seconds < SLOW ? null : activity;
}

/** How long the unit at hand takes already, in seconds. @param {Activity} activity @param {number} now */
const taken = ({ seconds, at }, now) => seconds + (now - at) / 1000;

/** "step 37 of 128", the one that is being made. @param {Doing} doing */
export const stepInWords = ({ done, of }) => `step ${count(Math.min(done + 1, of))} of ${count(of)}`;

/**
 * @param {Activity} activity
 * @param {number} now
 * @returns {string} in a sentence, or two
 */
export function inWords(activity, now = performance.now()) {
  if (activity.name === "redo")
    return `Making update ${activity.update} a second time: ${Math.floor((100 * activity.done) / (activity.of || 1))}\u00a0% of it is done.`;
  if (activity.name === "evaluating")
    return `Evaluating the policy of update ${activity.update}: ${count(activity.done)} of ${count(activity.of)} episodes have ended. Training waits.`;
  const seconds = taken(activity, now);
  const slow = seconds > SLOW ? ` This step has taken ${Math.floor(seconds)}\u00a0s so far.` : "";
  return `Collecting: ${stepInWords(activity)}.${slow}`;
}

const FORGOTTEN = 5000; // milliseconds without a word, after which a new run that another page asked for is not on trial any more

/**
 * @param {Trial | null} before
 * @param {Doing} doing
 * @param {number} now
 * @returns {Trial} this page's own where it has one
 */
export const trialAfter = (before, { seconds }, now) =>
  before?.heard === Infinity && !before.refused
    ? before
    : { since: before && !before.refused ? before.since : now - 1000 * seconds, heard: now, refused: null, place: "page" };

/** Whether nothing has been heard for long of what another page asked for. @param {Trial | null} trial @param {number} now */
export const isForgotten = (trial, now = performance.now()) => trial !== null && !trial.refused && now - trial.heard > FORGOTTEN;

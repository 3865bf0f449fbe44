// The last whole update. A run that is paused mostly halts right after a rollout, where nothing of the new update can be
// seen yet: until it goes on, the update before stays on show.

import { count } from "./format.js";

/** @import { Phase, State, Status } from "../types.js" */

/** Where an update has only begun. @type {Set<Phase>} */
const BEGUN = new Set(["rollout", "advantages"]);

/**
 * Whether a run that went on was paused before the first minibatch of an update. Who steps there, or goes there in slow
 * motion, wants to see just that.
 *
 * @param {Status | null} before
 * @param {Status} now
 * @param {boolean} was what this said last
 */
export function isInterrupted(before, now, was) {
  if (now.state !== "paused" || now.cause || !BEGUN.has(now.phase)) return false;
  if (before?.state === "paused") return was;
  return typeof before?.pace !== "number" && (before?.playing === true || before?.pausing === true);
}

/**
 * The state as panels and formula show it: with the last whole update, where the one at hand has only begun.
 *
 * @param {State} state
 * @returns {State | null} null where what is on show is the moment at hand
 */
export function instead(state) {
  const { interrupted, past, whole, snapshot } = state;
  if (!interrupted || past || !whole || !snapshot || !BEGUN.has(snapshot.header.phase)) return null;
  return whole.header.run === snapshot.header.run ? { ...state, snapshot: whole } : null;
}

/** What is shown instead, in a word or two. @param {State} shown */
export const nameOf = ({ snapshot }) => `update ${count(snapshot?.header.update)}`;

/** The same in a sentence. @param {State} shown @param {State} state */
export const whyInWords = (shown, { snapshot }) =>
  `Update ${count(snapshot?.header.update)} has only its rollout so far: the panels show update ${count(shown.snapshot?.header.update)}, the last whole one, dimmed.`;

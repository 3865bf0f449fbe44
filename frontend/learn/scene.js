// Scenes: the moment that a chapter speaks of, and how a run is stepped to one where its reader asks for it.

import { count } from "../state/format.js";
import { updateOf } from "../state/permission.js";

/** @import { Phase, State, Status, StepSize } from "../types.js" */

/**
 * @typedef {object} Scene where in an update the chapter begins
 * @property {Phase} phase
 * @property {"last"} [epoch] the last one; else the first
 *
 * @typedef {object} Means
 * @property {() => Promise<void>} pause
 * @property {(size: StepSize) => Promise<void>} step resolves once the run is at rest again
 *
 * @typedef {Pick<Status, "update" | "phase" | "epoch" | "minibatch">} Place
 */

/** @type {Phase[]} */
const ORDER = ["rollout", "advantages", "loss", "gradient", "step", "epoch", "update"];
const TRIES = 2; // ends of updates passed in vain
const PATIENCE = 5000; // milliseconds after a step has been granted and the run is at rest
const LOOK = 20;

/**
 * Pauses the run and steps it to the scene.
 *
 * @param {Scene} scene
 * @param {State} state with the run at hand
 * @param {() => boolean} holds whether it is still wished for
 * @param {Means} means
 * @throws {Error} the run does not come to it
 */
export async function walk(scene, state, holds, means) {
  if (state.status?.state === "running") await means.pause();
  for (let passed = 0; holds();) {
    // The status is the newest word; the snapshot that belongs to it may not be drawn yet.
    const from = state.status;
    if (!from || isAt(from, scene, state.run?.settings)) return;
    if (passed === TRIES)
      throw new Error("Two updates did not come to this moment: their epochs ended early. Switch the target KL off, then try again.");
    await means.step(sizeTowards(scene, from));
    const to = await comeFrom(from, state);
    if (!to) throw new Error("The run did not go on, so it is not at this moment.");
    if (to.phase === "update") passed++;
  }
}

/**
 * Where the run has come to rest: on a busy machine its word may come a while after the step was granted.
 *
 * @param {Status} from
 * @param {State} state
 * @returns {Promise<Status | null>} null where it does not go on
 */
async function comeFrom(from, state) {
  for (let waited = 0; waited < PATIENCE; waited += LOOK) {
    const { status } = state;
    if (!status || status.cause) return null;
    if (status.state !== "running" && !isSame(from, status)) return status;
    await new Promise((resolve) => setTimeout(resolve, LOOK));
  }
  return null;
}

/**
 * Whether a moment is the one that a scene is set at. An epoch that ended early is the last of its update.
 *
 * @param {Place} place
 * @param {Scene} scene
 * @param {{ epochs?: unknown, minibatches?: unknown }} [lengths] of its update
 */
export function isAt({ phase, epoch, minibatch, update }, scene, { epochs, minibatches } = {}) {
  if (phase !== scene.phase || update === 0) return false;
  if (scene.epoch === "last") return epoch >= Number(epochs) || minibatch < Number(minibatches ?? 0);
  return phase === "update" || epoch * minibatch <= 1;
}

/** @param {Place} one @param {Place} other */
export const isSame = (one, other) =>
  one.update === other.update && one.phase === other.phase && one.epoch === other.epoch && one.minibatch === other.minibatch;

/** @type {Record<Phase, string>} */
const WORDS = {
  ready: "before its first step",
  rollout: "its rollout collected",
  advantages: "its advantages estimated",
  loss: "the loss of its first minibatch",
  gradient: "the gradient of its first minibatch",
  step: "after its first step",
  epoch: "the end of its last epoch",
  update: "its end",
};

/** @param {Place} place */
export const placeInWords = ({ update, phase }) => `update ${update}, ${WORDS[phase]}`;

/**
 * What has become of the run at hand while an example is on show.
 *
 * @param {Pick<State, "status" | "newest" | "run">} atHand
 * @param {boolean} touched whether the guide has stepped it because it was asked to
 */
export function ofTheRunAtHand(atHand, touched) {
  const { status } = atHand;
  const update = count(updateOf(atHand));
  const first = touched ? "" : "Your run is not touched";
  if (status?.state === "running") return touched ? `Your run trains on: update ${update}.` : `${first}. It trains on meanwhile: update ${update}.`;
  return touched ? `Your run waits at update ${update} (${status?.state ?? ""}).` : `${first} (${status?.state ?? ""}, update ${update}).`;
}

/**
 * How far to step: to the end of the update where the scene lies behind, then towards it.
 *
 * @param {Scene} scene
 * @param {Place} place
 * @returns {StepSize}
 */
function sizeTowards(scene, { phase, epoch, minibatch }) {
  const inside = phase !== "update" && phase !== "ready";
  const missed = inside && (epoch * minibatch > 1 || ORDER.indexOf(phase) > ORDER.indexOf(scene.phase));
  if (scene.phase === "update" || (missed && scene.epoch !== "last")) return "update";
  return scene.epoch === "last" ? "epoch" : "phase";
}

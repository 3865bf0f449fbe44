// Setting a scene: the run is brought to the moment that a chapter speaks of, where the reader has asked for it. Who may not
// control the run, or has a recorded one, is shown the newest such moment that is kept; so is who has not asked.

import { whyNot } from "../controls/permission.js";
import { runsOn } from "../state/motion.js";

/** @import { Moment, Phase, State, Status, StepSize } from "../types.js" */
/** @import { Scene } from "./chapters.js" */

/**
 * @typedef {object} Means
 * @property {() => Promise<void>} pause
 * @property {(size: StepSize) => Promise<void>} step resolves once the run is at rest again
 * @property {() => void} live
 * @property {(wanted: (moment: Moment, last: number) => boolean) => Promise<boolean>} find shows the newest kept moment of
 *   that kind; `last` is the last epoch of its update
 *
 * @typedef {object} Wish
 * @property {boolean} walks whether the run may be paused and stepped
 * @property {() => boolean} holds whether it is still wished for
 *
 * @typedef {Pick<Status, "update" | "phase" | "epoch" | "minibatch">} Place
 */

/** @type {Phase[]} */
const ORDER = ["rollout", "advantages", "loss", "gradient", "step", "epoch", "update"];
const TRIES = 2; // ends of updates passed in vain
const PATIENCE = 5000; // milliseconds after a step has been granted and the run is at rest
const LOOK = 20;

/**
 * @param {Scene} scene
 * @param {State} state
 * @param {Wish} wish
 * @param {Means} means
 * @throws {Error} there is no such moment, or the run does not come to it
 */
export async function setScene(scene, state, wish, means) {
  if (wish.walks && whyNot(state, "set") === null) return walk(scene, state, wish, means);
  const { status } = state;
  if (status && !state.recorded && !runsOn(state) && isAt(status, scene, state.run?.settings)) return means.live();
  if (!(await means.find((moment, last) => isAt(moment, scene, { epochs: last })))) {
    throw new Error("No such moment is kept: it appears once whoever leads the run has stepped through an update.");
  }
}

/** @param {Scene} scene @param {State} state @param {Wish} wish @param {Means} means */
async function walk(scene, state, wish, means) {
  means.live();
  if (state.status?.state === "running") await means.pause();
  for (let passed = 0; wish.holds(); ) {
    // The status is the newest word; the snapshot that belongs to it may not be drawn yet.
    const from = state.status;
    if (!from || isAt(from, scene, state.run?.settings)) return;
    if (passed === TRIES) throw new Error("The scene was not reached in two updates: their epochs ended early. Switch the target KL off, then set the scene again.");
    await means.step(sizeTowards(scene, from));
    const to = await comeFrom(from, state);
    if (!to) throw new Error("The run did not go on, so the scene is not set.");
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
export const isSame = (one, other) => one.update === other.update && one.phase === other.phase && one.epoch === other.epoch && one.minibatch === other.minibatch;

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

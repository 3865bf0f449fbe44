// Setting a scene: the run is brought to the moment that a chapter speaks of. Who may not control it, or has a recorded
// run, is shown the newest such moment that is kept.

import { whyNot } from "../controls/permission.js";

/** @import { Moment, Phase, State, Status, StepSize } from "../types.js" */
/** @import { Scene } from "./chapters.js" */

/**
 * @typedef {object} Means
 * @property {() => Promise<void>} pause
 * @property {(size: StepSize) => Promise<void>} step resolves once the run is at rest again
 * @property {() => void} live
 * @property {(wanted: (moment: Moment, last: number) => boolean) => Promise<boolean>} find shows the newest kept moment of
 *   that kind; `last` is the last epoch of its update
 */

/** @type {Phase[]} */
const ORDER = ["rollout", "advantages", "loss", "gradient", "step", "epoch", "update"];
const MOST = 200; // steps: something is wrong if a scene is further away

/**
 * @param {Scene} scene
 * @param {State} state
 * @param {Means} means
 * @throws {Error} there is no such moment
 */
export async function setScene(scene, state, means) {
  if (whyNot(state, "set") === null) await walk(scene, state, means);
  else if (!(await means.find((moment, last) => isAt(moment, scene, last)))) {
    throw new Error("No such moment is kept: it appears once whoever leads the run has stepped through an update.");
  }
}

/** @param {Scene} scene @param {State} state @param {Means} means */
async function walk(scene, state, means) {
  means.live();
  if (state.status?.state === "running") await means.pause();
  for (let steps = 0; steps < MOST; steps++) {
    // The status is the newest word; the snapshot that belongs to it may not be drawn yet.
    const { status } = state;
    if (!status || isAt(status, scene, Number(state.run?.settings.epochs))) return;
    await means.step(sizeTowards(scene, status));
  }
}

/** @param {Pick<Status, "update" | "phase" | "epoch" | "minibatch">} place @param {Scene} scene @param {number} epochs */
const isAt = ({ phase, epoch, minibatch, update }, scene, epochs) =>
  phase === scene.phase && update > 0 && (scene.epoch === "last" ? epoch >= epochs : phase === "update" || epoch * minibatch <= 1);

/**
 * How far to step: to the end of the update where the scene lies behind, then towards it.
 *
 * @param {Scene} scene
 * @param {Status} status
 * @returns {StepSize}
 */
function sizeTowards(scene, { phase, epoch, minibatch }) {
  const inside = phase !== "update" && phase !== "ready";
  const missed = inside && (epoch * minibatch > 1 || ORDER.indexOf(phase) > ORDER.indexOf(scene.phase));
  if (scene.phase === "update" || (missed && scene.epoch !== "last")) return "update";
  return scene.epoch === "last" ? "epoch" : "phase";
}

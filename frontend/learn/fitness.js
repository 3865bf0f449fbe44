// Which moments of a run have the point of a chapter.

import { whyNoControl } from "../state/permission.js";
import { isAt } from "./scene.js";

/** @import { Moment, Snapshot, State } from "../types.js" */
/** @import { Chapter } from "./chapters.js" */

/**
 * Whether a moment of a run has the point of a chapter, and can be tried what the chapter offers: only the last update can
 * be made twice, once it is finished, by who leads, and not while two outcomes wait already.
 *
 * @param {Chapter} chapter
 * @param {State} atHand
 */
export function fitness(chapter, atHand) {
  const { run, status, comparison } = atHand;
  const able = whyNoControl(atHand) === null && status?.state === "paused" && !status.cause && comparison === null;
  return {
    /** @param {Moment} moment @param {number} last of its update's epochs */
    wanted: (moment, last) => isAt(moment, chapter.scene, { epochs: last }) && (!chapter.task.trial || (able && moment.update === status.update)),
    /** @param {Snapshot} snapshot */
    shows: (snapshot) => run !== null && chapter.shows(snapshot, run),
  };
}

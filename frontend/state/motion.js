import { isOver } from "./ended.js";

/** @import { State } from "../types.js" */
/** @import { Page } from "./page.js" */

const READABLE = 2; // phases a second, up to which slow motion is drawn as carefully as a run at rest

/**
 * Whether the run goes on and on: not at rest, and not on its way to the end of a single step.
 *
 * @param {State} state
 */
export const runsOn = ({ status, stepping }) => status?.state === "running" && !stepping;

/** Whether it stands still, or is about to: what begins in its place waits, too. @param {State} state */
export const comesToRest = ({ status }) => status?.state !== "running" || !status.playing || status.pausing;

/**
 * Whether what is on show goes by too fast to be looked at closely.
 *
 * @param {State} state
 */
export const runsFreely = (state) => state.scrubbing || (runsOn(state) && state.past === null && !inSlowMotion(state));

/** Whether the run goes on at full speed, so that its phases cannot be followed. @param {State} state */
export const atFullSpeed = (state) => runsFreely(state) && !state.scrubbing && typeof state.status?.pace !== "number";

/** @param {State} state */
export const inSlowMotion = ({ status }) => typeof status?.pace === "number" && status.pace <= READABLE;

/**
 * Touches the topic `motion` whenever the answer changes, or the run is over: charts are drawn in another way then.
 *
 * @param {Page} store
 */
export function tellMotion({ state, subscribe, touch }) {
  let [freely, over] = [runsFreely(state), isOver(state)];
  subscribe(() => {
    if (freely === runsFreely(state) && over === isOver(state)) return;
    [freely, over] = [runsFreely(state), isOver(state)];
    touch("motion");
  });
}

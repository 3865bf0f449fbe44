/** @import { State } from "../types.js" */

/**
 * Whether the run goes on and on: not at rest, and not on its way to the end of a single step.
 *
 * @param {State} state
 */
export const runsFreely = ({ status, stepping }) => status?.state === "running" && !stepping;

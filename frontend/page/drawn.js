// What of the page is drawn anew by what: each part by the topics that it shows, the panels apart.

/** @import { State, Topic } from "../types.js" */
/** @import { createScheduler } from "./scheduler.js" */

/** @typedef {{ draw(state: State): void }} Part */

/** What tells where the run is. @type {Topic[]} */
const WHERE = ["run", "status", "snapshot"];
const LEGIBLE = 150; // milliseconds between two draws while the run goes on: numbers that change faster cannot be read
const CALM = 250;

/**
 * What each part shows.
 *
 * @satisfies {Record<string, { needs: Topic[], calm?: number }>}
 */
const SHOWS = {
  bar: { needs: [...WHERE, "connection", "past", "others"] },
  notices: { needs: [...WHERE, "connection"] },
  newRun: { needs: ["connection", "run", "status"] },
  branch: { needs: ["connection", "run", "status"] },
  comparison: { needs: ["run", "theme"] },
  returns: { needs: ["theme", "connection"] },
  beside: { needs: [...WHERE, "connection", "past", "others", "view"], calm: LEGIBLE },
  guide: { needs: [...WHERE, "view", "preview", "selection"], calm: CALM },
  apply: { needs: [...WHERE, "connection", "progress", "past"] },
  pipeline: { needs: [...WHERE, "progress", "connection"], calm: LEGIBLE },
  runs: { needs: ["run", "status", "connection", "others"] },
  timeline: { needs: [...WHERE, "connection", "series", "theme", "zoom"], calm: LEGIBLE },
  formula: { needs: [...WHERE, "preview"], calm: LEGIBLE },
  sliders: { needs: [...WHERE, "connection", "past"] },
};

/**
 * In the order in which they are drawn.
 *
 * @param {Pick<ReturnType<typeof createScheduler>, "add">} scheduler
 * @param {Record<keyof typeof SHOWS, Part>} parts
 * @returns {Record<keyof typeof SHOWS, () => void>} has a part drawn anew
 */
export function connectParts(scheduler, parts) {
  const named = /** @type {[keyof typeof SHOWS, { needs: Topic[], calm?: number }][]} */ (Object.entries(SHOWS));
  const redraws = named.map(([name, shows]) => [name, scheduler.add({ ...shows, draw: parts[name].draw })]);
  return Object.fromEntries(redraws);
}

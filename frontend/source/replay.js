// Showing a recorded run: its newest state at once, the rest by Step, Back, Play and the timeline.

import { keptOf, loadRecording } from "./recording.js";
import { Episodes, Series } from "../state/series.js";
import { createTimeTravel } from "../state/time-travel.js";

/** @import { Recording } from "./recording.js" */
/** @import { Store } from "../state/store.js" */
/** @import { createReceiver } from "./receive.js" */
/** @import { State, Status } from "../types.js" */

const USUAL_PACE = 6; // phases a second, where full speed is chosen

/** A recorded run as the state holds it, at rest at its end. @param {Recording} recording @returns {Partial<State>} */
export function stateOf({ run, snapshots, series: rows }) {
  const [series, episodes] = [new Series(), new Episodes()];
  series.extend(run.update);
  for (const { header, arrays } of rows) {
    const fresh = series.write(header.first, header.columns, /** @type {Float64Array} */ (arrays.rows), header.amends === true);
    if (arrays.episodes && header.episode_columns) episodes.write(header.episode_columns, /** @type {Float64Array} */ (arrays.episodes), fresh);
  }
  const last = snapshots[snapshots.length - 1];
  const nothing = { stepping: false, interrupted: false, past: null, scrubbing: false, comparison: null, picture: null, progress: null, activity: null, preview: null, selection: null };
  return { ...nothing, recorded: true, run, status: atRest(run.update), snapshot: last, newest: last, whole: null, changes: [...run.changes], series, episodes };
}

/** @param {number} update @returns {Status} */
const atRest = (update) => ({ state: "paused", update, phase: "update", epoch: 0, minibatch: 0, sequence: null, pending: {}, cause: null });

/**
 * The ways through a recorded run that is on show.
 *
 * @param {Recording} recording
 * @param {Pick<Store, "state" | "touch">} store
 */
export function createPlayer(recording, store) {
  const { state, touch } = store;
  const travel = createTimeTravel(/** @type {Store} */ (store), keptOf(recording));
  const status = atRest(recording.run.update);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {"running" | "paused"} now */
  function say(now) {
    if (state.run !== recording.run) return;
    state.status = { ...status, state: now, pace: now === "running" ? (state.view.pace ?? USUAL_PACE) : null };
    touch("status");
  }

  function stop() {
    clearTimeout(timer);
    say("paused");
  }

  async function goOn() {
    await travel.forward("phase");
    if (state.past) timer = setTimeout(goOn, 1000 / (state.view.pace ?? USUAL_PACE));
    else stop();
  }

  return {
    travel,
    async play() {
      if (!state.past) await travel.goTo(0);
      say("running");
      await goOn();
    },
    pause: stop,
    async step() {
      if (!state.past) throw new Error("The recording ends here. Go back with ←.");
      await travel.forward(state.view.stepSize);
    },
  };
}

/**
 * @param {string} name
 * @param {Store} store
 * @param {ReturnType<typeof createReceiver>} receiver
 * @throws {Error} there is no such recording
 */
export async function replay(name, store, receiver) {
  const { state, touch } = store;
  const recording = await loadRecording(name);
  Object.assign(state, stateOf(recording), { role: "viewer", connection: { state: "open", retryAt: null } });
  touch("run", "status", "snapshot", "series", "connection");
  if (recording.picture) receiver.frame(recording.picture);
  const player = createPlayer(recording, { state: store.atHand, touch });
  await player.travel.goTo(0);
  return player;
}

// Showing a recorded run: its newest state at once, the rest by Step, Back, Play and the timeline.

import { keptOf, loadRecording } from "../net/recording.js";
import { PROTOCOL } from "../net/socket.js";
import { createTimeTravel } from "../state/time-travel.js";

/** @import { Store } from "../state/store.js" */
/** @import { createReceiver } from "../state/receive.js" */

const USUAL_PACE = 6; // phases a second, where full speed is chosen

/**
 * @param {string} name
 * @param {Store} store
 * @param {ReturnType<typeof createReceiver>} receiver
 * @throws {Error} there is no such recording
 */
export async function replay(name, store, receiver) {
  const { state } = store;
  const recording = await loadRecording(name);
  const travel = createTimeTravel(store, keptOf(recording));
  const { run, snapshots, series, picture } = recording;
  state.recorded = true;
  receiver.message({ type: "hello", protocol: PROTOCOL, server_epoch: "recorded", run });
  state.role = "viewer";
  const status = { state: "paused", update: run.update, phase: "update", epoch: 0, minibatch: 0, sequence: null, pending: {}, cause: null };
  receiver.message({ type: "state", run: run.id, ...status });
  for (const frame of [...series, snapshots[snapshots.length - 1], ...(picture ? [picture] : [])]) receiver.frame(/** @type {any} */ (frame));
  store.commit();
  await travel.goTo(0);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {"running" | "paused"} now */
  function say(now) {
    receiver.message({ type: "state", run: run.id, ...status, state: now, pace: now === "running" ? state.view.pace ?? USUAL_PACE : null });
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

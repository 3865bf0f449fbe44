// A recorded run: its newest state at once, the rest by Step, Back, Play and the timeline. Nothing is trained, and there is
// no server to ask.

import { keptOf } from "./file.js";
import { RECORDED, whyNot, whyNotHere } from "../state/permission.js";
import { createPictureDecoder } from "../state/pictures.js";
import { Episodes, Series } from "../state/series.js";
import { createTimeTravel } from "../state/time-travel.js";

/** @import { Recording } from "./file.js" */
/** @import { Store } from "../state/store.js" */
/** @import { LinkState, Source, State, Status } from "../types.js" */

const USUAL_PACE = 6; // phases a second, where full speed is chosen
/** How a page stands to a file: it is there, and there is nothing to control. @type {Partial<LinkState>} */
export const AS_A_FILE = { role: "viewer", connection: { state: "open", retryAt: null } };
const NO_PROBES = { want() {}, also() {}, from() {} }; // what was measured is in the file

/** A recorded run as the state holds it, at rest at its end. @param {Recording} recording @returns {Partial<State>} */
export function stateOf({ run, note, snapshots, series: rows }) {
  const [series, episodes] = [new Series(), new Episodes()];
  series.extend(run.update);
  for (const { header, arrays } of rows) {
    const fresh = series.write(header.first, header.columns, /** @type {Float64Array} */ (arrays.rows), header.amends === true);
    if (arrays.episodes && header.episode_columns) episodes.write(header.episode_columns, /** @type {Float64Array} */ (arrays.episodes), fresh);
  }
  const last = snapshots[snapshots.length - 1];
  const nothing = {
    stepping: false,
    interrupted: false,
    past: null,
    scrubbing: false,
    comparison: null,
    picture: null,
    progress: null,
    activity: null,
    preview: null,
    selection: null,
  };
  return {
    ...nothing,
    recorded: true,
    note,
    run,
    status: atRest(run.update),
    snapshot: last,
    newest: last,
    whole: null,
    changes: [...run.changes],
    evaluations: run.evaluations ?? [],
    series,
    episodes,
  };
}

/** @param {number} update @returns {Status} */
const atRest = (update) => ({ state: "paused", update, phase: "update", epoch: 0, minibatch: 0, sequence: null, pending: {}, cause: null });

/**
 * @param {Store} store takes the recorded run
 * @param {Recording} recording
 * @returns {Source}
 */
export function createRecording(store, recording) {
  const { state, touch } = store;
  const travel = createTimeTravel(store, keptOf(recording));
  const status = atRest(recording.run.update);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let closed = false;

  Object.assign(state, stateOf(recording));
  touch("run", "status", "snapshot", "series", "connection");
  if (recording.picture) createPictureDecoder((picture) => store.stage({ picture }))(recording.picture);

  /** @param {"running" | "paused"} now */
  function say(now) {
    state.status = { ...status, state: now, pace: now === "running" ? (state.view.pace ?? USUAL_PACE) : null };
    touch("status");
  }

  /** What a button says of itself, the keys are told. @param {"play" | "step"} action */
  function refuse(action) {
    const reason = whyNotHere(state, action);
    if (reason) throw new Error(reason);
  }

  async function pause() {
    clearTimeout(timer);
    say("paused");
  }

  async function goOn() {
    await travel.forward("phase");
    if (closed) return;
    if (state.past) timer = setTimeout(goOn, 1000 / (state.view.pace ?? USUAL_PACE));
    else await pause();
  }

  return {
    store,
    travel,
    pause,
    watch: NO_PROBES,
    whyNot: (action) => whyNotHere(state, action),
    settled: async () => {}, // nothing is asked of anybody
    order: (action) => Promise.reject(new Error(whyNot(state, action) ?? RECORDED)),
    close() {
      closed = true;
      clearTimeout(timer);
      store.close();
    },
    async play() {
      refuse("play");
      if (!state.past) await travel.goTo(0);
      say("running");
      await goOn();
    },
    async step() {
      refuse("step");
      await travel.forward(state.view.stepSize);
    },
    back: () => travel.back(state.view.stepSize),
    async keep() {
      state.comparison = null; // both were recorded: nothing is decided
      touch("run");
    },
    async pace() {}, // asked for before each step
  };
}

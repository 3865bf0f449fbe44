// The page's state: one declared object. Whoever changes it says which topics changed; whoever draws listens.

import { Episodes, Series } from "./series.js";
import { loadView } from "./view.js";

/** @import { Picture, Snapshot, State, Topic } from "../types.js" */

/**
 * @typedef {object} Store
 * @property {State & { series: Series, episodes: Episodes }} state
 * @property {(...topics: Topic[]) => void} touch these topics changed
 * @property {(listener: (topics: Topic[]) => void) => void} subscribe
 * @property {(newest: Staged) => void} stage
 * @property {() => void} commit makes what is staged the state, and touches it
 * @property {() => boolean} waiting whether something is staged
 *
 * @typedef {{ snapshot?: Snapshot, whole?: Snapshot, picture?: Picture }} Staged
 */

/** @returns {Store} */
export function createStore() {
  /** @type {Set<(topics: Topic[]) => void>} */
  const listeners = new Set();

  // Snapshots and pictures wait here until a round of drawing begins: panels drawn in one round, which may take
  // several frames, then all show the same one, and those that came too fast to be drawn cost nothing.
  /** @type {Staged} */
  let staged = {};

  /** @type {Store["state"]} */
  const state = {
    connection: { state: "connecting", retryAt: null },
    role: null,
    lease: { holder: false, generation: 0 },
    run: null,
    status: null,
    stepping: false,
    settings: [],
    metrics: [],
    snapshot: null,
    newest: null,
    whole: null,
    interrupted: false,
    past: null,
    scrubbing: false,
    recorded: false,
    comparison: null,
    series: new Series(),
    episodes: new Episodes(),
    changes: [],
    picture: null,
    progress: null,
    activity: null,
    trial: null,
    held: null,
    view: loadView(),
    wanted: null,
    preview: null,
    selection: null,
  };

  /** @param {Topic[]} topics */
  const touch = (...topics) => listeners.forEach((listener) => listener(topics));

  return {
    state,
    touch,
    subscribe: (listener) => void listeners.add(listener),
    waiting: () => staged.snapshot !== undefined || staged.picture !== undefined,
    stage(newest) {
      if (newest.picture) staged.picture?.bitmap?.close();
      staged = { ...staged, ...newest };
      if (newest.snapshot?.header.phase === "update") staged.whole = newest.snapshot; // what follows at once may take its place
      touch();
    },
    commit() {
      const { snapshot, whole, picture } = staged;
      staged = {};
      if (whole && whole.header.run === state.run?.id) state.whole = whole;
      if (snapshot && snapshot.header.run === state.run?.id) {
        state.newest = snapshot;
        if (!state.past) state.snapshot = snapshot;
        touch("snapshot");
      }
      if (picture && picture.header.run === state.run?.id) {
        state.picture?.bitmap?.close();
        state.picture = picture;
        touch("picture");
      }
    },
  };
}

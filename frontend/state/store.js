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
 * @property {State & { series: Series, episodes: Episodes }} atHand the state with the run at hand in it, whatever is on show
 * @property {(guest: Partial<State>) => void} host shows another run in place of the one at hand, which goes on unseen
 * @property {() => void} dismiss shows the run at hand again, as it is by then
 *
 * @typedef {{ snapshot?: Snapshot, whole?: Snapshot, picture?: Picture }} Staged
 */

/** What of the state is a run's, and not the page's. */
const OF_A_RUN = /** @type {const} */ ([
  "run",
  "status",
  "stepping",
  "snapshot",
  "newest",
  "whole",
  "interrupted",
  "past",
  "scrubbing",
  "recorded",
  "comparison",
  "series",
  "episodes",
  "changes",
  "picture",
  "progress",
  "activity",
  "preview",
  "selection",
]);

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
    runs: [],
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

  /** What is the run at hand's, while another is on show. @type {Record<string, any> | null} */
  let away = null;

  const atHand = /** @type {Store["atHand"]} */ ({});
  for (const name of /** @type {(keyof State)[]} */ (Object.keys(state))) {
    const home = () => /** @type {any} */ (away !== null && OF_A_RUN.some((own) => own === name) ? away : state);
    Object.defineProperty(atHand, name, { enumerable: true, get: () => home()[name], set: (value) => void (home()[name] = value) });
  }

  const changed = () => touch("run", "status", "snapshot", "past", "series", "picture", "progress", "preview", "selection", "connection");

  return {
    state,
    touch,
    atHand,
    host(guest) {
      away ??= Object.fromEntries(OF_A_RUN.map((name) => [name, state[name]]));
      Object.assign(state, guest);
      changed();
    },
    dismiss() {
      if (away) Object.assign(state, away);
      away = null;
      changed();
    },
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
      if (whole && whole.header.run === atHand.run?.id) atHand.whole = whole;
      if (snapshot && snapshot.header.run === atHand.run?.id) {
        atHand.newest = snapshot;
        if (!atHand.past) atHand.snapshot = snapshot;
        touch("snapshot");
      }
      if (picture && picture.header.run === atHand.run?.id) {
        atHand.picture?.bitmap?.close();
        atHand.picture = picture;
        touch("picture");
      }
    },
  };
}

// A run's state, and the page's. Each run that a page looks at has a store of its own; what belongs to the page and not to
// a run (the view, the tables of settings and metrics) stands once, and every run's state shows it. Whoever changes
// something says which topics changed; whoever draws listens.

import { Episodes, Series } from "./series.js";
import { loadView } from "./view.js";

/** @import { LinkState, OwnState, PageState, Picture, Snapshot, State, Topic } from "../types.js" */

/** @typedef {{ series: Series, episodes: Episodes }} Columns */

/**
 * @typedef {object} Store of one run
 * @property {State & Columns} state
 * @property {(...topics: Topic[]) => void} touch these topics changed
 * @property {(listener: (topics: Topic[]) => void) => void} subscribe
 * @property {(newest: Staged) => void} stage
 * @property {() => void} commit makes what is staged the state, and touches it
 * @property {() => Waiting} waiting what is staged
 * @property {() => void} dropPicture there is none of this run any more
 * @property {() => void} close nobody looks at it again
 *
 * @typedef {"snapshot" | "picture" | null} Waiting a snapshot, whatever else; a picture alone; nothing
 * @typedef {{ snapshot?: Snapshot, whole?: Snapshot, picture?: Picture }} Staged
 */

/** @returns {PageState} */
export const pageState = () => ({ runs: [], settings: [], metrics: [], trial: null, view: loadView(), zoom: null, wanted: null });

/** How a page stands to a server, before it has said anything. @returns {LinkState} */
export const linkState = () => ({
  connection: { state: "connecting", retryAt: null },
  awaited: null,
  role: null,
  lease: { holder: false, generation: 0 },
  held: null,
});

/** @returns {OwnState & Columns} of a run of which nothing is known yet */
export const nothingKnown = () => ({
  run: null,
  status: null,
  stepping: false,
  snapshot: null,
  newest: null,
  whole: null,
  interrupted: false,
  past: null,
  scrubbing: false,
  recorded: false,
  note: null,
  comparison: null,
  series: new Series(),
  episodes: new Episodes(),
  changes: [],
  evaluations: [],
  picture: null,
  progress: null,
  activity: null,
  preview: null,
  selection: null,
  others: [],
  place: 0,
});

/**
 * An object with fields of its own that shows all the others of what is below it, to be read and to be written. (Not a
 * prototype: a copy by `{...state}` has to have everything.)
 *
 * @template {object} Own
 * @template {object} Below
 * @param {Own} own
 * @param {() => Below} below what has the others; always of the same fields
 * @returns {Own & Below}
 */
export function over(own, below) {
  const others = /** @type {() => Record<string, any>} */ (below);
  for (const name of Object.keys(below())) {
    if (name in own) continue;
    Object.defineProperty(own, name, {
      enumerable: true,
      get: () => others()[name],
      set: (value) => void (others()[name] = value),
    });
  }
  return /** @type {Own & Below} */ (own);
}

/**
 * The store of a run.
 *
 * @param {PageState & LinkState} surroundings what its state shows besides: the page, and how it stands to a server
 * @returns {Store}
 */
export function createStore(surroundings) {
  /** @type {Set<(topics: Topic[]) => void>} */
  const listeners = new Set();

  // Snapshots and pictures wait here until a round of drawing begins: panels drawn in one round, which may take
  // several frames, then all show the same one, and those that came too fast to be drawn cost nothing.
  /** @type {Staged} */
  let staged = {};
  let closed = false;

  const state = over(nothingKnown(), () => surroundings);

  /** @param {Topic[]} topics */
  const touch = (...topics) => listeners.forEach((listener) => listener(topics));

  function dropPicture() {
    for (const picture of [staged.picture, state.picture]) picture?.bitmap?.close();
    delete staged.picture;
    state.picture = null;
  }

  return {
    state,
    touch,
    dropPicture,
    close() {
      closed = true;
      dropPicture();
    },
    subscribe: (listener) => void listeners.add(listener),
    waiting: () => (staged.snapshot ? "snapshot" : staged.picture ? "picture" : null),
    stage(newest) {
      if (closed) return newest.picture?.bitmap?.close(); // it was being decoded
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
      } else picture?.bitmap?.close();
    },
  };
}

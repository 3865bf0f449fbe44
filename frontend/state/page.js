// Which runs a page shows: the one at hand; for a while another in its place, such as an example of the guide; and beside
// it others that it is compared with. Whoever draws sees one state, of whichever run is on show.

import { createStore, linkState, over, pageState } from "./store.js";

/** @import { State, Topic } from "../types.js" */
/** @import { Columns, Store, Waiting } from "./store.js" */

/**
 * @typedef {object} Page
 * @property {State & Columns} state of what is on show, whichever run that is
 * @property {Store} atHand the run at hand, whatever is on show
 * @property {(...topics: Topic[]) => void} touch
 * @property {(listener: (topics: Topic[]) => void) => void} subscribe to all that is on show
 * @property {() => void} commit makes what is staged the state, of every run
 * @property {() => Waiting} waiting
 * @property {() => Store} newStore a further run's, with a connection of its own
 * @property {() => Store} newGuest one that stands to the server as the run at hand does
 * @property {(guest: Store) => void} host shows another run in place of the one at hand, which goes on unseen
 * @property {() => void} dismiss shows the run at hand again, as it is by then
 * @property {(others: Store[]) => void} compare shows these runs beside the one at hand
 */

/** What of a run beside it makes a panel that shows all of them be drawn anew. @type {Set<Topic>} */
const OF_ANOTHER = new Set(["run", "status", "snapshot", "series", "past", "connection"]);
/** @type {Topic[]} */
const ALL = ["run", "status", "snapshot", "past", "series", "picture", "progress", "preview", "selection", "connection", "others"];

/** @returns {Page} */
export function createPage() {
  /** @type {Set<(topics: Topic[]) => void>} */
  const listeners = new Set();
  const page = pageState();
  const linked = () => over(linkState(), () => page);
  const link = linked();

  /** @param {Topic[]} topics */
  const touch = (...topics) => listeners.forEach((listener) => listener(topics));

  /** @param {Store} store */
  function heard(store) {
    store.subscribe((topics) => {
      if (!beside.includes(store)) touch(...topics);
      else touch(...(topics.some((topic) => OF_ANOTHER.has(topic)) ? /** @type {Topic[]} */ (["others"]) : []));
    });
    return store;
  }

  /** @type {Store | null} */
  let guest = null;
  /** @type {Store[]} */
  let beside = [];
  const atHand = heard(createStore(link));

  return {
    state: over(/** @type {State & Columns} */ ({}), () => (guest ?? atHand).state),
    atHand,
    touch,
    subscribe: (listener) => void listeners.add(listener),
    commit: () => [atHand, guest, ...beside].forEach((store) => store?.commit()),
    waiting() {
      const all = [atHand, guest, ...beside].map((store) => store?.waiting());
      return all.includes("snapshot") ? "snapshot" : all.includes("picture") ? "picture" : null;
    },
    newStore: () => heard(createStore(linked())),
    newGuest: () => heard(createStore(link)),
    host(store) {
      guest = store;
      touch(...ALL);
    },
    dismiss() {
      guest = null;
      touch(...ALL);
    },
    compare(others) {
      const all = [atHand, ...others].map(({ state }) => state);
      for (const { state } of beside) state.others = [];
      for (const state of all) state.others = all.filter((other) => other !== state);
      beside = others;
      touch(...ALL, "view");
    },
  };
}

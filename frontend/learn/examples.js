// Recorded examples that come with the page: what a chapter shows where the run at hand has no such moment.

import { loadRecording } from "../source/recording.js";
import { createPlayer, stateOf } from "../source/replay.js";

/** @import { Recording } from "../source/recording.js" */
/** @import { Store } from "../state/store.js" */
/** @import { Frame, Moment, Snapshot } from "../types.js" */

/** @typedef {"two-networks" | "shared-trunk"} Example its file's name */

/** @param {Store} store */
export function createExamples(store) {
  const { state, touch } = store;
  /** @type {Map<Example, Recording>} */
  const loaded = new Map();
  /** @type {{ name: Example, recording: Recording, player: ReturnType<typeof createPlayer> } | null} */
  let shown = null;

  function leave() {
    shown?.player.pause();
    if (shown) store.dismiss();
    shown = null;
  }

  return {
    /** The ways through the example on show; null where none is. */
    player: () => shown?.player ?? null,

    /**
     * Shows a moment of an example in place of the run at hand, which is not touched.
     *
     * @param {Example} name
     * @param {(moment: Moment, last: number) => boolean} wanted
     * @param {() => boolean} holds whether it is still wished for
     * @param {(snapshot: Snapshot) => boolean} [shows]
     * @throws {Error} the example cannot be read, or has no such moment
     */
    async show(name, wanted, holds, shows) {
      const recording = loaded.get(name) ?? (await loadRecording(name));
      loaded.set(name, recording);
      if (!holds()) return;
      if (shown?.name !== name) {
        leave();
        shown = { name, recording, player: createPlayer(recording, store) };
        store.host(stateOf(recording));
      }
      state.comparison = null;
      touch("run");
      const { travel } = shown.player;
      const moment = await travel.locate(wanted, shows);
      if (!moment) throw new Error("The example has no such moment.");
      if (holds()) await travel.show(moment);
    },

    /** The example's update made a second time, as it was recorded with another value of a setting. @param {string} name */
    compare(name) {
      const found = shown?.recording.comparisons.find((frame) => differs(frame, name));
      if (!found) throw new Error("This was not recorded.");
      state.comparison = found;
      touch("run");
    },

    /** Puts the comparison of the example away. */
    decide() {
      state.comparison = null;
      touch("run");
    },

    leave,
  };
}

/** @param {Frame} comparison @param {string} name of a setting */
function differs({ header }, name) {
  const { old, new: then } = /** @type {any} */ (header).settings;
  return old[name] !== then[name];
}

// Recorded examples that come with the page: what a chapter shows where the run at hand has no such moment.

import { loadRecording } from "../source/file.js";
import { createRecording } from "../source/recording.js";

/** @import { Recording } from "../source/file.js" */
/** @import { Page } from "../state/page.js" */
/** @import { Frame, Moment, Run, Snapshot, Source } from "../types.js" */

/** @typedef {"two-networks" | "shared-trunk"} Example its file's name */

/** @param {Page} page */
export function createExamples(page) {
  /** @type {Map<Example, Recording>} */
  const loaded = new Map();
  /** @type {{ name: Example, recording: Recording, source: Source } | null} */
  let shown = null;

  function leave() {
    shown?.source.close();
    if (shown) page.dismiss();
    shown = null;
  }

  /** @param {Source} source @param {Frame | null} comparison */
  function put({ store }, comparison) {
    store.state.comparison = comparison;
    store.touch("run");
  }

  return {
    /** Where the moments on show come from, if it is an example. */
    source: () => shown?.source ?? null,

    /**
     * Shows a moment of an example in place of the run at hand, which is not touched.
     *
     * @param {Example} name
     * @param {(moment: Moment, last: number) => boolean} wanted
     * @param {() => boolean} holds whether it is still wished for
     * @param {(snapshot: Snapshot, run: Run) => boolean} shows
     * @throws {Error} the example cannot be read, or has no such moment
     */
    async show(name, wanted, holds, shows) {
      const recording = loaded.get(name) ?? (await loadRecording(name));
      loaded.set(name, recording);
      if (!holds()) return;
      if (shown?.name !== name) {
        leave();
        shown = { name, recording, source: createRecording(page.newGuest(), recording) };
        page.host(shown.source.store);
      }
      put(shown.source, null);
      const { travel } = shown.source;
      const moment = await travel.locate(wanted, (snapshot) => shows(snapshot, recording.run));
      if (!moment) throw new Error("The example has no such moment.");
      if (holds()) await travel.show(moment);
    },

    /** The example's update made a second time, as it was recorded with another value of a setting. @param {string} name */
    compare(name) {
      const found = shown?.recording.comparisons.find((frame) => differs(frame, name));
      if (!shown || !found) throw new Error("This was not recorded.");
      put(shown.source, found);
    },

    leave,
  };
}

/** @param {Frame} comparison @param {string} name of a setting */
function differs({ header }, name) {
  const { old, new: then } = /** @type {any} */ (header).settings;
  return old[name] !== then[name];
}

// The run that the one at hand is compared with: another one of the server, by a connection of its own, so that it is
// watched, led and looked back at like any other; or a recording.

import { getJson } from "../net/http.js";
import { partnerOf } from "../state/beside.js";
import { loadRecording, openFile } from "./file.js";
import { createLive } from "./live.js";
import { AS_A_FILE, createRecording } from "./recording.js";

/** @import { Run, Source } from "../types.js" */
/** @import { Page } from "../state/page.js" */
/** @import { Recording } from "./file.js" */

/**
 * @param {Page} page
 * @param {object} told
 * @param {string} told.client the name of this page's first connection
 * @param {(words: string) => void} told.failed
 * @param {(words: string) => void} told.ended by itself, and why
 * @param {(source: Source) => void} told.begun
 */
export function createSecond(page, { client, failed, ended, begun }) {
  const { state } = page.atHand;
  /** @type {Source | null} */
  let second = null;

  function end() {
    if (!second) return;
    second.close();
    second = null;
    page.compare(null);
  }

  /** @param {Source} source */
  function take(source) {
    second = source;
    page.compare(source.store);
    begun(source);
  }

  /** One run cannot stand beside itself: the page may have gone to it, or it has taken the other's place. */
  function check() {
    if (!second || !state.run || second.store.state.run?.id !== state.run.id) return;
    end();
    ended("Both runs are the same one now, so nothing is compared any more.");
  }

  page.atHand.subscribe((topics) => topics.includes("run") && check());

  /** @param {Recording} recording */
  async function record(recording) {
    if (state.run && recording.run.id === state.run.id) throw new Error("This is the recording on show.");
    end();
    const store = page.newStore();
    Object.assign(store.state, AS_A_FILE);
    const source = createRecording(store, recording);
    take(source);
    if (state.past) await source.travel.goTo(partnerOf(state.snapshot?.header.update ?? 0, state, store.state, state.view.align));
  }

  return {
    source: () => second,
    end,
    /** @param {string} id @throws {Error} there is no such run, or the server cannot be reached */
    async run(id) {
      /** @type {Run | undefined} */
      const found = (await getJson("api/runs")).find((/** @type {Run} */ run) => run.id === id);
      if (!found) throw new Error("This run is not there any more.");
      end();
      const store = page.newStore();
      store.state.run = found;
      const live = createLive(store, { client: `${client}-2`, failed, heard: (message) => message.type === "run" && check() });
      take(live);
      live.connect();
    },
    /** @param {string} name of one that comes with the page @throws {Error} in a sentence */
    recording: async (name) => record(await loadRecording(name)),
    /** @param {File} file @throws {Error} in a sentence */
    file: async (file) => record(await openFile(file)),
  };
}

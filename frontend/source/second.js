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

/** What the address names: a run of the server, or a recording that comes with the page. */
const NAME = /^(run|recording):([\w-]{1,64})$/;

/** @returns {string | null} */
function askedFor() {
  const name = new URLSearchParams(location.search).get("beside");
  return name !== null && NAME.test(name) ? name : null;
}

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
  /** Of the one beside, or of the one that the address asks for; null too for a file, which no address leads to. @type {string | null} */
  let name = askedFor();

  function end() {
    name = null;
    if (!second) return;
    second.close();
    second = null;
    page.compare(null);
  }

  /** @param {Source} source @param {string | null} called */
  function take(source, called) {
    second = source;
    name = called;
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

  /** @param {Recording} recording @param {string | null} called */
  async function record(recording, called) {
    if (state.run && recording.run.id === state.run.id) throw new Error("This is the recording on show.");
    end();
    const store = page.newStore();
    Object.assign(store.state, AS_A_FILE);
    const source = createRecording(store, recording);
    take(source, called);
    if (state.past) await source.travel.goTo(partnerOf(state.snapshot?.header.update ?? 0, state, store.state, state.view.align));
  }

  /** @param {string} id */
  async function run(id) {
    /** @type {Run | undefined} */
    const found = (await getJson("api/runs")).find((/** @type {Run} */ run) => run.id === id);
    if (!found) throw new Error("The run that was to stand beside this one is not there any more.");
    end();
    const store = page.newStore();
    store.state.run = found;
    const live = createLive(store, { client: `${client}-2`, failed, heard: (message) => message.type === "run" && check() });
    take(live, `run:${id}`);
    live.connect();
  }

  /** @param {string} called */
  const recording = async (called) => record(await loadRecording(called), `recording:${called}`);

  return {
    source: () => second,
    name: () => name,
    end,
    /** @param {string} id @throws {Error} there is no such run, or the server cannot be reached */
    run,
    /** @param {string} name of one that comes with the page @throws {Error} in a sentence */
    recording,
    /** @param {File} file @throws {Error} in a sentence */
    file: async (file) => record(await openFile(file), null),
    /** What the address asks for. @throws {Error} in a sentence; nothing is compared then */
    async resume() {
      const [, kind, called] = name?.match(NAME) ?? [];
      if (!called) return;
      await (kind === "run" ? run(called) : recording(called)).catch((error) => {
        end();
        page.touch("view"); // the address asks for nothing any more
        throw error;
      });
    },
  };
}

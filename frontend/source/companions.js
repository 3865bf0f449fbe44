// The runs that the one at hand is compared with: others of the server, each by a connection of its own, so that it is
// watched, led and looked back at like any other; or recordings.

import { getJson, postRun } from "../net/http.js";
import { NAMED, nameOf, partnerOf } from "../state/beside.js";
import { LOOKS, MOST, letterOf } from "../state/looks.js";
import { isComing } from "../state/permission.js";
import { loadRecording, openFile } from "./file.js";
import { createLive } from "./live.js";
import { AS_A_FILE, createRecording } from "./recording.js";

/** @import { Run, Source, State } from "../types.js" */
/** @import { Columns } from "../state/store.js" */
/** @import { Page } from "../state/page.js" */
/** @import { Recording } from "./file.js" */

/**
 * @typedef {object} Companion
 * @property {string | null} name as an address has it; null for a file, which no address leads to
 * @property {Source | null} source null while it is only asked for
 *
 * @typedef {{ source: Source, begin?(): void }} Begun a source that is to be shown, and to begin then
 */

const FULL = `${MOST} runs are compared already, and no more are told apart at a glance: take one of them out first.`;

/** What the address asks for, by places: of one that was taken out, the place stays free. @returns {(Companion | null)[]} */
function askedFor() {
  const names = new URLSearchParams(location.search).get("beside")?.split(",") ?? [];
  return LOOKS.slice(1).map((_, at) => (NAMED.test(names[at] ?? "") ? { name: names[at], source: null } : null));
}

/** What an address has in its place. @param {Companion | null} companion */
function nameFor(companion) {
  const own = companion?.source?.store.state;
  return own?.run && !own.recorded ? `run:${own.run.id}` : (companion?.name ?? "");
}

/**
 * @param {Page} page
 * @param {object} told
 * @param {string} told.client the name of this page's first connection
 * @param {(words: string) => void} told.failed
 * @param {(words: string) => void} told.ended by itself, and why
 * @param {(source: Source) => void} told.begun
 */
export function createCompanions(page, { client, failed, ended, begun }) {
  const { state } = page.atHand;
  /** By place, but for the first, which is that of the run at hand. */
  let companions = askedFor();
  /** Those that are yet to go where the run at hand is looked back at. @type {Set<Source>} */
  const newcomers = new Set();

  const sources = () => companions.flatMap((one) => one?.source ?? []);

  const show = () => page.compare(sources().map(({ store }) => store));

  /** Of one that is to come. @throws {Error} there is none */
  function freePlace() {
    const at = companions.indexOf(null);
    if (at < 0) throw new Error(FULL);
    return at;
  }

  /** @param {number} at @param {Companion | null} companion */
  function put(at, companion) {
    companions = companions.with(at, companion);
    show();
  }

  /** @param {number} at */
  function end(at) {
    const source = companions[at]?.source;
    if (source) newcomers.delete(source);
    source?.close();
    put(at, null);
  }

  /** A state of its own, in a place. @param {number} at */
  function storeAt(at) {
    const store = page.newStore();
    store.state.place = at + 1;
    return store;
  }

  /** @param {string | undefined} id @param {number} [but] of a place that does not count */
  const isShown = (id, but) =>
    [state, ...companions.map((one, at) => (at === but ? null : one?.source?.store.state))].some((one) => one?.run?.id === id);

  /** One run cannot stand beside itself: the page may have gone to it, or it has taken another's place. */
  function check() {
    companions.forEach((companion, at) => {
      const own = companion?.source?.store.state;
      if (!own?.run || !isShown(own.run.id, at)) return;
      end(at);
      ended(`Both runs are the same one now, so ${letterOf(own)} is not compared any more.`);
    });
  }

  page.atHand.subscribe((topics) => topics.includes("run") && check());

  /** Whether enough is known of a run to tell where in it another's past is. @param {State & Columns} one */
  const isKnown = (one) => !isComing(one) && !one.series.missing();

  function align() {
    for (const source of newcomers) {
      const own = source.store.state;
      if (!isKnown(own)) continue;
      newcomers.delete(source);
      if (state.past)
        source.travel.goTo(partnerOf(state.snapshot?.header.update ?? 0, state, own, state.view.align)).catch((error) => failed(error.message));
    }
  }

  page.subscribe(align);

  /** @param {number} at @param {Recording} recording @returns {Begun} */
  function recorded(at, recording) {
    if (recording.run.id === state.run?.id) throw new Error("This is the recording on show.");
    if (isShown(recording.run.id)) throw new Error("This recording is compared already.");
    const store = storeAt(at);
    Object.assign(store.state, AS_A_FILE);
    return { source: createRecording(store, recording) };
  }

  /** @param {number} at @param {string} id @returns {Promise<Begun>} */
  async function live(at, id) {
    /** @type {Run | undefined} */
    const found = (await getJson("api/runs")).find((/** @type {Run} */ run) => run.id === id);
    if (!found) throw new Error("The run that was to stand beside this one is not there any more.");
    if (isShown(id)) throw new Error(`${nameOf({ run: found })} is on show already.`);
    const store = storeAt(at);
    store.state.run = found;
    const source = createLive(store, { client: `${client}-${at + 2}`, failed, heard });
    return { source, begin: source.connect };
  }

  /** A run of the server may have begun anew, under another name. @param {{ type: string }} message */
  function heard({ type }) {
    if (type !== "run") return;
    check();
    page.touch("view");
  }

  /** Into a place, which is held meanwhile. @param {number} at @param {string | null} name @param {() => Promise<Begun>} make */
  async function bring(at, name, make) {
    const wish = { name, source: null };
    companions = companions.with(at, wish);
    try {
      const { source, begin } = await make();
      if (companions[at] !== wish) return source.close(); // nobody waits for it any more
      newcomers.add(source);
      put(at, { name, source });
      begun(source);
      begin?.();
    } catch (error) {
      if (companions[at] === wish) end(at);
      page.touch("view"); // the address asks for it no more
      throw error;
    }
  }

  /** @param {number} at @param {string} name */
  function named(at, name) {
    const [, kind, called] = /** @type {string[]} */ (name.match(NAMED));
    return bring(at, name, async () => (kind === "run" ? live(at, called) : recorded(at, await loadRecording(called))));
  }

  return {
    sources,
    /** Whether some were asked for that are not there yet. */
    asked: () => companions.some((one) => one?.source === null),
    /** The source of a run that is compared. @param {State} one */
    of: (one) => sources().find(({ store }) => store.state === one) ?? null,
    /** As an address has them; null where there are none. */
    names: () => companions.map(nameFor).join().replace(/,+$/, "") || null,
    /** Takes one out. @param {State} one */
    remove: (one) => companions.forEach((companion, at) => companion?.source?.store.state === one && end(at)),
    end: () => companions.forEach((companion, at) => companion && end(at)),
    /** Of the server. @param {string} id @throws {Error} there is no such run, or no place for it, or the server cannot be reached; in a sentence */
    run: async (id) => named(freePlace(), `run:${id}`),
    /** From the disk: only shown, nothing of it is trained. @param {string} id @throws {Error} as above */
    async kept(id) {
      freePlace(); // else nothing is opened
      await named(freePlace(), `run:${await postRun({ open: id })}`);
    },
    /** @param {string} name of one that comes with the page @throws {Error} in a sentence */
    recording: async (name) => named(freePlace(), `recording:${name}`),
    /** @param {File} file @throws {Error} in a sentence */
    async file(file) {
      const at = freePlace();
      await bring(at, null, async () => recorded(at, await openFile(file)));
    },
    /** What the address asks for: all that can be had of it. @param {(error: unknown) => void} refused told of each that cannot */
    resume: (refused) => companions.forEach((one, at) => void (one?.name && named(at, one.name).catch(refused))),
  };
}

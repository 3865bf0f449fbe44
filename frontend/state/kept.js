// How far back one can go. What the server keeps of a run is bounded, so the page asks how much that is.

import { number } from "./format.js";

/** @import { Kept, State } from "../types.js" */

const PACE = 3000; // milliseconds between two questions: the answer lists every moment
const MEGABYTE = 2 ** 20;

/**
 * @param {(run: string) => Promise<Kept>} fetch
 * @param {() => void} redraw
 * @returns {(state: State) => Kept | null} what was said last about the run at hand; asks again where it may have changed
 */
export function createKept(fetch, redraw) {
  /** @type {Kept | null} */
  let known = null;
  let askedFor = "";
  let askedAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;

  /** @param {string} run */
  async function ask(run) {
    const found = await fetch(run).catch(() => null); // asked again with the next snapshot
    if (!askedFor.startsWith(`${run} `)) return;
    known = found;
    if (found?.unmeasured) askedFor = `${run} `; // what is being measured counts, too: asked again in a while
    redraw();
  }

  return ({ run, newest, recorded, held, connection }) => {
    if (held) return null;
    if (!run || !newest || recorded || connection.state !== "open") return recorded ? null : known;
    if (!askedFor.startsWith(`${run.id} `)) known = null;
    const now = `${run.id} ${newest.header.sequence}`;
    if (now === askedFor) return known;
    clearTimeout(later);
    const wait = askedAt + PACE - performance.now();
    if (wait > 0) {
      later = setTimeout(redraw, wait);
      return known;
    }
    askedFor = now;
    askedAt = performance.now();
    void ask(run.id);
    return known;
  };
}

/** @param {Kept} kept */
export const reachInWords = ({ oldest }) => (oldest === null ? "" : oldest <= 1 ? "back to the start" : `back to update ${number(oldest, 6)}`);

/** @param {Kept} kept */
export function keptInWords(kept) {
  const megabytes = (/** @type {number} */ bytes) => number(bytes / MEGABYTE, 3);
  return `One can go ${reachInWords(kept) || "nowhere yet"}; ${megabytes(kept.bytes)} of ${megabytes(kept.room)}\u00a0MB kept. When they are full, the oldest moments make room.`;
}

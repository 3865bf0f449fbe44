// Series are lossless: rows that this page has missed are fetched by range.

import { getSeries } from "../net/http.js";

/** @import { Frame, SeriesHeader } from "../types.js" */
/** @import { Store } from "./store.js" */

const PATIENCE = 2000;
const PART = 25_000; // rows that are fetched at once: a page that takes in a hundred thousand has to stay responsive

/**
 * @param {Store} store
 * @param {(frame: Frame<SeriesHeader>) => void} receive
 * @returns {() => void} looks for gaps, and fills them one after the other
 */
export function createGapFiller(store, receive) {
  const { state } = store;
  let busy = false;

  async function fill() {
    if (busy || !state.run || state.recorded || state.held || state.connection.state !== "open") return;
    const missing = state.series.missing();
    if (!missing) return;
    const gap = { from: missing.from, to: Math.min(missing.to, missing.from + PART - 1) };
    busy = true;
    const run = state.run.id;
    let pause = 0;
    try {
      const frame = await getSeries(run, gap.from, gap.to);
      if (state.run?.id === run) {
        receive(frame);
        forgoWhatIsGone(gap, frame);
      }
    } catch {
      pause = PATIENCE;
    }
    busy = false;
    setTimeout(fill, pause);
  }

  /**
   * The server keeps a bounded history. What it no longer has must not be asked for again and again.
   *
   * @param {{ from: number, to: number }} gap
   * @param {Frame<SeriesHeader>} frame
   */
  function forgoWhatIsGone(gap, frame) {
    const rows = frame.header.arrays.rows?.shape[0] ?? 0;
    if (rows === 0) state.series.forgo(gap.from, gap.to);
    else if (frame.header.first > gap.from) state.series.forgo(gap.from, frame.header.first - 1);
  }

  return () => void fill();
}

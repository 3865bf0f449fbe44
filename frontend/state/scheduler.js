// When things are drawn. One requestAnimationFrame loop draws what is both changed and visible, within a budget
// per frame, so that the page stays responsive however fast the run is.

import { runsFreely } from "./motion.js";
import { report } from "./painted.js";

/** @import { State, Topic } from "../types.js" */
/** @import { Store } from "./store.js" */

const ROUND = 1000 / 24; // the shortest time between the starts of two rounds while the run is running
const BUDGET = 20; // of drawing in one frame while running
const BUDGET_AT_REST = 30; // when stepping, being prompt matters more than being smooth
const PATIENCE = 500;

/**
 * @typedef {object} Drawable
 * @property {Topic[]} needs
 * @property {(state: State) => void | Promise<unknown>} draw charts do their work in microtasks: they say when it is done
 * @property {() => boolean} [visible] default: always
 * @property {number} [calm] at most one draw in so many milliseconds while running: numbers that change faster
 *   cannot be read
 *
 * @typedef {{ stale: boolean, drawn: number } & Drawable} Entry
 */

/**
 * Wait for a drawing that is still under way; one that never ends or fails must not hold up the others.
 * @param {void | Promise<unknown>} drawing
 */
function settled(drawing) {
  if (!drawing) return;
  const enough = new Promise((resolve) => setTimeout(resolve, PATIENCE));
  return Promise.race([drawing, enough]).catch((error) => console.error("a drawing failed:", error));
}

/**
 * @param {Store} store
 * @param {() => boolean} complete whether everything that is visible can be drawn; until then nothing is reported
 */
export function createScheduler(store, complete = () => true) {
  const { state } = store;
  /** @type {Entry[]} */
  const entries = [];
  /** @type {Entry[]} */
  let queue = [];
  let roundStart = -Infinity;
  let requested = false;
  let unreported = true;

  const running = () => runsFreely(state);

  /** @param {Entry} entry @param {number} now */
  const due = (entry, now) =>
    entry.stale && (entry.visible?.() ?? true) && !(running() && now - entry.drawn < (entry.calm ?? 0));

  function wake() {
    if (requested) return;
    requested = true;
    requestAnimationFrame((now) => void frame(now));
  }

  /** @param {number} now */
  async function frame(now) {
    if (!queue.length && (!running() || now - roundStart >= ROUND - 2)) begin(now);
    await drawSome(now);
    requested = false;
    if (!queue.length && unreported && complete()) finish();
    if (queue.length || store.waiting() || entries.some((entry) => entry.stale && (entry.visible?.() ?? true))) wake();
  }

  /** @param {number} now */
  function begin(now) {
    store.commit();
    queue = entries.filter((entry) => due(entry, now));
    if (!queue.length) return;
    roundStart = now;
    unreported = true;
  }

  /** @param {number} now */
  async function drawSome(now) {
    const budget = running() ? BUDGET : BUDGET_AT_REST;
    const start = performance.now();
    while (queue.length && performance.now() - start < budget) {
      const entry = /** @type {Entry} */ (queue.shift());
      entry.stale = false;
      entry.drawn = now;
      await settled(entry.draw(state));
    }
  }

  /** The round is drawn; the browser shows it when it has produced this frame, so it is said in the next one. */
  function finish() {
    unreported = false;
    const shown = { snapshot: state.snapshot, status: state.status, past: state.past !== null };
    requestAnimationFrame(() => report(shown));
  }

  store.subscribe((topics) => {
    for (const entry of entries) {
      if (topics.some((topic) => entry.needs.includes(topic))) entry.stale = true;
    }
    if (topics.includes("run") || topics.includes("snapshot")) unreported = true;
    wake();
  });

  return {
    /** @param {Drawable} drawable @returns {() => void} makes it be drawn again */
    add(drawable) {
      const entry = { stale: true, drawn: -Infinity, ...drawable };
      entries.push(entry);
      wake();
      return () => {
        entry.stale = true;
        wake();
      };
    },
    wake,
  };
}

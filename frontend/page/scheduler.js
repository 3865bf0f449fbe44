// When things are drawn. One requestAnimationFrame loop draws what is both changed and visible, within a budget
// per frame, so that the page stays responsive however fast the run is.

import { atFullSpeed, runsFreely } from "../state/motion.js";
import { report } from "./painted.js";
import { holdTexts, writeTexts } from "./texts.js";

/** @import { State, Topic } from "../types.js" */
/** @import { Page } from "../state/page.js" */

const ROUND = 1000 / 30; // milliseconds between the starts of two rounds while the run is running: 25 snapshots a second come, not evenly
const SCRUBBED = 1000 / 50; // the same while the past goes by under somebody's hand
const EARLY = 3; // milliseconds that a round may begin before its time, rather than a frame later
const ALONE = 80; // between two rounds of which one has no new snapshot: what is to be drawn waits for one, or else each would be a frame of its own
const BUDGET = 30; // of drawing in one frame while running: what the browser adds stays below 50 with it
const BUDGET_AT_REST = 80; // when stepping, being prompt matters more than being smooth
const PATIENCE = 500;
/** @type {Topic[]} */
const REPORTED = ["run", "status", "snapshot"];
const LATEST = 100; // milliseconds after which it is said what was drawn, if no other round begins
const LEGIBLE = 150; // between two rounds that write texts at full speed: what changes faster cannot be read
/** What comes by itself while a run goes on, as snapshots do. @type {Set<Topic>} */
const COMES_AND_GOES = new Set(["series", "progress"]);

/**
 * @typedef {object} Drawable
 * @property {Topic[]} needs
 * @property {(state: State) => void | Promise<unknown>} draw charts do their work in microtasks: they say when it is done
 * @property {() => boolean} [visible] default: always
 * @property {number} [calm] at most one draw in so many milliseconds while running: numbers that change faster
 *   cannot be read
 *
 * @typedef {{ stale: boolean, prompt: boolean, drawn: number } & Drawable} Entry `prompt`: not to wait for a snapshot
 */

/**
 * What waits for drawings that are still under way; one that never ends or fails must not hold up the others.
 *
 * @returns {{ wait(drawing: void | Promise<unknown>): void | Promise<unknown>, end(): void }}
 */
function patience() {
  /** One for all: a timer is dear beside most drawings. @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const enough = new Promise((resolve) => (timer = setTimeout(resolve, PATIENCE)));
  return {
    wait: (drawing) => drawing && Promise.race([drawing, enough]).catch((error) => console.error("a drawing failed:", error)),
    end: () => clearTimeout(timer), // or it would have the browser wake up for nothing later
  };
}

/** @param {Page} page */
export function createScheduler(page) {
  const { state } = page;
  /** @type {Entry[]} */
  const entries = [];
  /** @type {Entry[]} */
  let queue = [];
  let nextRound = -Infinity; // the earliest time for it while the run is running
  let begun = -Infinity; // when the last one was
  let requested = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let telling;
  /** Until it is looked at once more whether a frame is to be asked for. @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  let waitsUntil = Infinity;
  let wrote = -Infinity; // when texts were written last
  let silent = false; // whether this round writes none
  let unreported = true;
  /** What has been drawn and not been said. @type {Parameters<typeof report>[0] | null} */
  let drawn = null;
  /** @type {Parameters<typeof report>[0] | null} */
  let said = null;

  const running = () => runsFreely(state) || state.others.some(runsFreely);

  /** @param {Entry} entry */
  const wanted = (entry) => entry.stale && (entry.visible?.() ?? true);

  /** When it may be drawn. @param {Entry} entry */
  const calmUntil = ({ drawn, calm }) => (running() && calm ? drawn + calm : -Infinity);

  /** When a round is begun for it, if none has until then. @param {Entry} entry */
  const due = (entry) => Math.max(calmUntil(entry), running() && !entry.prompt ? begun + ALONE : -Infinity);

  /** When what is staged may be drawn. */
  function whenStaged() {
    const staged = page.waiting();
    if (staged === "picture" && running()) return begun + ALONE;
    return staged ? -Infinity : Infinity;
  }

  /** When there is something to draw, on performance.now()'s clock: as soon as may be, or never. */
  function next() {
    if (queue.length) return -Infinity;
    const first = Math.min(whenStaged(), ...entries.filter(wanted).map(due));
    return running() ? Math.max(nextRound, first) : first;
  }

  /** Asks for a frame when something is to be drawn: one in which nothing is costs the browser something, too. */
  function wake() {
    if (requested) return;
    const at = next() - EARLY;
    const wait = at - performance.now();
    if (wait <= 0) request();
    else if (at < waitsUntil) {
      // A timer that ends before that stays: it is dear to set another one with each word that comes.
      letGo();
      waitsUntil = at;
      waiting = setTimeout(() => (letGo(), wake()), Math.ceil(wait)); // of a fraction it would drop what is behind the point
    }
  }

  function letGo() {
    if (waiting !== undefined) clearTimeout(waiting);
    [waiting, waitsUntil] = [undefined, Infinity];
  }

  function request() {
    letGo();
    requested = true;
    requestAnimationFrame(() => void frame());
  }

  async function frame() {
    const now = performance.now(); // the browser's own word for it may be of a time before this frame was asked for
    if (!queue.length && next() - EARLY <= now) begin(now);
    await drawSome(now);
    requested = false;
    if (!queue.length && unreported) finish();
    wake();
  }

  /** @param {number} now */
  function begin(now) {
    tell();
    const asked = entries.some((entry) => entry.prompt && wanted(entry)); // by somebody's hand, as a rule
    page.commit();
    queue = entries.filter((entry) => wanted(entry) && calmUntil(entry) - EARLY <= now);
    for (const entry of entries) entry.prompt = false; // what is left out now is in one of the next rounds
    if (!queue.length) return;
    // From the time that it was due, not from now: frames come in steps of 17 ms, and the pace is kept on average.
    nextRound = Math.max(nextRound + (state.scrubbing ? SCRUBBED : ROUND), now);
    begun = now;
    silent = atFullSpeed(state) && !asked && now - EARLY < wrote + LEGIBLE;
    if (!silent) wrote = now;
    unreported = true;
  }

  /** @param {number} now */
  async function drawSome(now) {
    const budget = running() ? BUDGET : BUDGET_AT_REST;
    const start = performance.now();
    const { wait, end } = patience();
    holdTexts(silent);
    while (queue.length && performance.now() - start < budget) {
      const entry = /** @type {Entry} */ (queue.shift());
      entry.stale = false;
      entry.drawn = now;
      await wait(entry.draw(state));
    }
    holdTexts(false);
    end();
    if (!queue.length && !silent) writeTexts();
  }

  /**
   * The round is drawn; the browser shows it when it has produced this frame, so it is said in a later one: at full speed
   * in that of the next round, which saves the browser every second frame.
   */
  function finish() {
    unreported = false;
    const { snapshot, status } = state;
    const past = state.past !== null;
    // A picture of the environment, or a panel that came into sight, changes nothing that is said.
    const isNew = said?.snapshot !== snapshot || said.status !== status || said.past !== past;
    if (isNew) drawn = { snapshot, status, past };
    if (running()) telling = setTimeout(() => (tell(), writeTexts()), LATEST);
    else if (isNew) requestAnimationFrame(tell);
  }

  function tell() {
    clearTimeout(telling);
    if (!drawn) return;
    report(drawn);
    said = drawn;
    drawn = null;
  }

  page.subscribe((topics) => {
    for (const entry of entries) {
      const concerned = topics.filter((topic) => entry.needs.includes(topic));
      if (concerned.length) entry.stale = true;
      if (concerned.some((topic) => !COMES_AND_GOES.has(topic))) entry.prompt = true;
    }
    if (topics.some((topic) => REPORTED.includes(topic))) unreported = true;
    wake();
  });

  return {
    /** @param {Drawable} drawable @returns {() => void} makes it be drawn again */
    add(drawable) {
      const entry = { stale: true, prompt: true, drawn: -Infinity, ...drawable };
      entries.push(entry);
      wake();
      return () => {
        entry.stale = entry.prompt = true;
        wake();
      };
    },
    wake,
  };
}

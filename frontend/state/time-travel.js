// The past: moments of the run that the server has kept. Whoever looks back leaves the run alone; it may go on
// meanwhile, and nothing jumps.

/** @import { Moment, Snapshot, StepSize, State } from "../types.js" */
/** @import { Store } from "./store.js" */

const CACHED = 48; // snapshots; scrubbing goes to and fro
const FRESH = 1000; // milliseconds that a list of what is kept serves while the cursor is dragged: it may be long
const LOOKED_INTO = 4; // moments of a kind, of which one is wanted that shows something
const SETTLES = 250; // after which a cursor that was moved counts as at rest

/** Which moments a step of a size stops at. @type {Record<StepSize, (moment: Moment) => boolean>} */
const STOPS = {
  phase: () => true,
  minibatch: ({ phase }) => phase === "step",
  epoch: ({ phase }) => phase === "epoch",
  update: ({ phase }) => phase === "update",
  updates: ({ phase }) => phase === "update",
  until: ({ phase }) => phase === "update",
};
const SEVERAL = 10; // updates that the size "updates" passes

/** @param {State} state whether what is on show is not the newest */
export const inThePast = (state) => state.past !== null;

/** @typedef {ReturnType<typeof createTimeTravel>} TimeTravel */

/**
 * @param {Pick<Store, "state" | "touch">} store
 * @param {{ list(run: string): Promise<Moment[]>, fetch(run: string, sequence: number): Promise<Snapshot> }} kept
 */
export function createTimeTravel({ state, touch }, kept) {
  /** Fetched, or on their way. @type {Map<number, Promise<Snapshot>>} */
  let cache = new Map();
  let cachedRun = "";
  let wanted = 0; // counts up: a slow answer must not overtake a newer wish
  /** Where the cursor has been dragged to, and is not yet on the way. @type {{ to: number, since: boolean } | null} */
  let dragged = null;
  let onTheWay = false;
  /** What the cursor stops at, as it was listed last. */
  let listed = { run: "", at: -Infinity, ends: /** @type {Moment[]} */ ([]) };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let resting;

  /** @param {string} run @param {number} sequence @returns {Promise<Snapshot>} */
  function fetched(run, sequence) {
    if (run !== cachedRun) cache = new Map();
    cachedRun = run;
    const found = cache.get(sequence) ?? kept.fetch(run, sequence);
    cache.delete(sequence);
    cache.set(sequence, found);
    if (cache.size > CACHED) cache.delete(cache.keys().next().value ?? 0);
    found.catch(() => cache.delete(sequence)); // it may be there the next time
    return found;
  }

  /** Shows a moment. @param {Moment} moment @param {Promise<unknown> | null} [after] once it is here, not before that */
  async function show({ sequence }, after = null) {
    const run = state.run?.id ?? "";
    const wish = ++wanted;
    const snapshot = await fetched(run, sequence);
    await after;
    if (wish !== wanted || state.run?.id !== run) return;
    state.past = { sequence };
    state.snapshot = snapshot;
    touch("snapshot", "past");
  }

  function live() {
    wanted++;
    dragged = null;
    if (!state.past) return;
    state.past = null;
    state.snapshot = state.newest;
    touch("snapshot", "past");
  }

  /** @returns {Promise<Moment[]>} all that is kept */
  async function list() {
    if (state.held) throw new Error("The moments of this run are gone with the server that it ran on.");
    const run = state.run?.id ?? "";
    const moments = run ? await kept.list(run) : [];
    listed = { run, at: performance.now(), ends: moments.filter((moment) => STOPS.update(moment) || moment.phase === "ready") };
    return moments;
  }

  /** All ends of updates that are kept, or were a moment ago. */
  async function recentEnds() {
    if (listed.run !== state.run?.id || performance.now() - listed.at >= FRESH) await list();
    return listed.ends;
  }

  /** What is on show goes by while the cursor moves, and is drawn like a run at full speed. */
  function scrub() {
    state.scrubbing = true;
    clearTimeout(resting);
    resting = setTimeout(() => {
      if (onTheWay) return scrub();
      state.scrubbing = false;
      touch("snapshot", "past");
    }, SETTLES);
  }

  /** All that is kept, and where what is on show is among it. */
  async function around() {
    const moments = await list();
    const shown = state.snapshot?.header;
    const at = shown ? moments.findIndex((moment) => isSame(moment, shown)) : -1;
    return { moments, at: at < 0 ? moments.length : at };
  }

  return {
    live,

    /** @param {StepSize} size @throws {Error} nothing before this is kept; or the server cannot be reached */
    async back(size) {
      const { moments, at } = await around();
      const before = moments.slice(0, at).filter((moment) => STOPS[size](moment) || moment.phase === "ready");
      const enough = state.snapshot && size === "updates" ? state.snapshot.header.update - SEVERAL : Infinity;
      const target = before.findLast(({ update }) => update <= enough) ?? before[0];
      const header = state.snapshot?.header;
      if (!target && header?.phase === "ready" && header.update === 0) throw new Error("Here the run begins: nothing comes before it.");
      if (!target)
        throw new Error(
          `Nothing before this is kept${size === "phase" ? "" : " for a step of this size: choose a smaller one"}. Phases are kept while the run is stepped or in slow motion.`,
        );
      await show(target);
      const next = before[before.indexOf(target) - 1]; // who goes back goes on going back
      if (next && state.past?.sequence === target.sequence) fetched(state.run?.id ?? "", next.sequence).catch(() => {});
    },

    /** Towards the present, in the past only. @param {StepSize} size */
    async forward(size) {
      const { moments, at } = await around();
      const after = moments.slice(at + 1).filter(STOPS[size]);
      const enough = state.snapshot && size === "updates" ? state.snapshot.header.update + SEVERAL : -Infinity;
      const target = after.find(({ update }) => update >= enough);
      const newest = state.newest?.header.sequence ?? Infinity;
      if (!target || target.sequence >= newest) live();
      else await show(target);
    },

    /**
     * The newest moment of a kind that shows something, without going there.
     *
     * @param {(moment: Moment, last: number) => boolean} wanted `last` is the last epoch of the moment's update
     * @param {(snapshot: Snapshot) => boolean} [shows] asked of a few
     * @returns {Promise<Moment | null>}
     */
    async locate(wanted, shows = () => true) {
      const { moments } = await around();
      /** @type {Map<number, number>} */
      const epochs = new Map();
      for (const { update, epoch } of moments) epochs.set(update, Math.max(epoch, epochs.get(update) ?? 0));
      const candidates = moments.filter((moment) => wanted(moment, epochs.get(moment.update) ?? 0)).slice(-LOOKED_INTO);
      for (const moment of candidates.reverse()) {
        const snapshot = await fetched(state.run?.id ?? "", moment.sequence).catch(() => null);
        if (snapshot && shows(snapshot)) return moment;
      }
      return null;
    },

    show,

    /**
     * The end of an update, or of the nearest one beyond it that is kept: onwards for who goes onwards, or the arrow keys
     * could not leave a gap. One after the other: a cursor may be dragged
     * faster than the moments come, and those that it has left meanwhile are passed over.
     *
     * @param {number} update
     * @param {boolean} [since] never to one before it: there, what is looked for has not begun
     */
    async goTo(update, since = false) {
      scrub();
      dragged = { to: update, since };
      if (onTheWay) return;
      onTheWay = true;
      /** The frame in which what was shown last is drawn; the next one is fetched meanwhile. @type {Promise<unknown> | null} */
      let drawn = null;
      try {
        while (dragged !== null) {
          const { to, since } = dragged;
          dragged = null;
          const ends = await recentEnds();
          const target =
            since || to > (state.snapshot?.header.update ?? 0)
              ? (ends.find(({ update }) => update >= to) ?? ends.at(-1))
              : (ends.findLast(({ update }) => update <= to) ?? ends[0]);
          if (target) await show(target, drawn);
          drawn = new Promise(requestAnimationFrame);
        }
      } finally {
        onTheWay = false;
      }
    },
  };
}

/** @param {Moment} moment @param {Moment} other */
const isSame = (moment, other) =>
  moment.update === other.update && moment.phase === other.phase && moment.epoch === other.epoch && moment.minibatch === other.minibatch;

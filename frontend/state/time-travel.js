// The past: moments of the run that the server has kept. Whoever looks back leaves the run alone; it may go on
// meanwhile, and nothing jumps.

import { aroundOf, hasRow, momentOfRow } from "./unkept.js";

/** @import { Moment, Snapshot, StepSize, State, Unkept } from "../types.js" */
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
/** How many updates a step passes; those of the other sizes stop at what is kept within them. @type {Partial<Record<StepSize, number>>} */
const PASSES = { update: 1, updates: SEVERAL, until: 1 };

/** @param {State} state whether what is on show is not the newest */
export const inThePast = (state) => state.past !== null;

/** @typedef {ReturnType<typeof createTimeTravel>} TimeTravel */

/**
 * Where one goes: a moment that is kept; or an update that is not, whose row is shown, with the moment that tells the rest.
 *
 * @typedef {{ moment: Moment, row?: number, around?: Unkept, wanted?: number }} Target `wanted`: the update that was asked
 *   for, where there is nothing of it
 */

/**
 * @param {Pick<Store, "state" | "touch">} store
 * @param {{ list(run: string): Promise<Moment[]>, fetch(run: string, sequence: number): Promise<Snapshot> }} kept
 */
export function createTimeTravel({ state, touch }, kept) {
  /** Fetched, or on their way. @type {Map<number, Promise<Snapshot>>} */
  let cache = new Map();
  let cachedRun = "";
  let wanted = 0; // counts up: a slow answer must not overtake a newer wish
  /** Where the cursor has been dragged to, and is not yet on the way. @type {{ to: number, since: boolean, within: number } | null} */
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

  /** Shows what there is. @param {Target} target @param {Promise<unknown> | null} [after] once it is here, not before that */
  async function arrive({ moment: { sequence }, row, around, wanted: asked }, after = null) {
    const run = state.run?.id ?? "";
    const wish = ++wanted;
    const kept = await fetched(run, sequence);
    await after;
    if (wish !== wanted || state.run?.id !== run) return;
    state.past = { sequence, ...(asked === undefined ? {} : { wanted: asked }) };
    state.snapshot = row !== undefined && around ? momentOfRow(state, row, kept, around) : kept;
    touch("snapshot", "past");
  }

  /**
   * The end of an update: as it is kept, or else its row.
   *
   * @param {Moment[]} ends that are kept
   * @param {number} update
   * @returns {Target | null} there is neither
   */
  function endOf(ends, update) {
    const moment = ends.findLast((end) => end.update === update);
    if (moment) return { moment };
    const { nearest, ...around } = aroundOf(ends, update);
    return nearest && hasRow(state, update) ? { moment: nearest, row: update, around } : null;
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
    listed = { run, at: performance.now(), ends: moments.filter(isEnd) };
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

  /** All that is kept, and what of it is before and after what is on show. */
  async function around() {
    const moments = await list();
    const shown = state.snapshot?.header;
    const at = shown ? moments.findIndex((moment) => isSame(moment, shown)) : -1;
    const next = state.snapshot?.unkept ? moments.findIndex(({ update }) => update > (shown?.update ?? 0)) : -1;
    const from = [at, next].find((place) => place >= 0) ?? moments.length;
    return { moments, before: moments.slice(0, from), after: moments.slice(at < 0 ? from : at + 1) };
  }

  return {
    live,

    /** @param {StepSize} size @throws {Error} nothing before this is kept; or the server cannot be reached */
    async back(size) {
      const { moments, before: all } = await around();
      const before = all.filter((moment) => STOPS[size](moment) || moment.phase === "ready");
      const header = state.snapshot?.header;
      const passed = header && PASSES[size];
      const to = passed ? header.update - passed : null;
      const moment = before.findLast(({ update }) => to === null || update <= to) ?? before[0];
      const target = (to === null ? null : endOf(moments.filter(isEnd), to)) ?? insteadOf(to, moment);
      if (!target && header?.phase === "ready" && header.update === 0) throw new Error("Here the run begins: nothing comes before it.");
      if (!target)
        throw new Error(
          `Nothing before this is kept${size === "phase" ? "" : " for a step of this size: choose a smaller one"}. Phases are kept while the run is stepped or in slow motion.`,
        );
      await arrive(target);
      const next = moment && before[before.indexOf(moment) - 1]; // who goes back goes on going back
      if (next && state.past?.sequence === moment?.sequence) fetched(state.run?.id ?? "", next.sequence).catch(() => {});
    },

    /** Towards the present, in the past only. @param {StepSize} size */
    async forward(size) {
      const { moments, after: all } = await around();
      const header = state.snapshot?.header;
      const passed = header && PASSES[size];
      const to = passed ? header.update + (passed === 1 && !isEnd(header) ? 0 : passed) : null; // the end of its own comes first
      const moment = all.find((moment) => STOPS[size](moment) && (to === null || moment.update >= to));
      const newest = state.newest?.header;
      const exact = to !== null && to < (newest?.update ?? 0) ? endOf(moments.filter(isEnd), to) : null;
      const target = exact ?? insteadOf(to, moment);
      if (!target || (!exact && target.moment.sequence >= (newest?.sequence ?? Infinity))) live();
      else await arrive(target);
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

    /** A moment that is kept. @param {Moment} moment */
    show: (moment) => arrive({ moment }),

    /**
     * The end of an update: as it is kept, or else its row. Where there is neither, of the nearest one beyond it that is
     * kept: onwards for who goes onwards, or the arrow keys could not leave a gap. One after the other: a cursor may be
     * dragged faster than the moments come, and those that it has left meanwhile are passed over.
     *
     * @param {number} update
     * @param {boolean} [since] never to one before it: there, what is looked for has not begun
     * @param {number} [within] so many updates beside it count as it, where they are kept: what a pointer cannot tell apart
     */
    async goTo(update, since = false, within = 0) {
      scrub();
      dragged = { to: update, since, within };
      if (onTheWay) return;
      onTheWay = true;
      /** The frame in which what was shown last is drawn; the next one is fetched meanwhile. @type {Promise<unknown> | null} */
      let drawn = null;
      try {
        while (dragged !== null) {
          const { to, since, within } = dragged;
          dragged = null;
          const ends = await recentEnds();
          const onwards = since || to > (state.snapshot?.header.update ?? 0);
          const [first, last] = [ends.find(({ update }) => update >= to), ends.findLast(({ update }) => update <= to)];
          const moment = onwards ? (first ?? ends.at(-1)) : (last ?? ends[0]);
          const close = [last, first].filter((end) => end !== undefined && Math.abs(end.update - to) <= within)[0];
          const target = close ? { moment: close } : (endOf(ends, to) ?? insteadOf(to, moment));
          if (target) await arrive(target, drawn);
          drawn = new Promise(requestAnimationFrame);
        }
      } finally {
        onTheWay = false;
      }
    },
  };
}

/**
 * What is kept where there is nothing of an update that is gone to, or of none in particular.
 *
 * @param {number | null} update
 * @param {Moment | undefined} moment
 * @returns {Target | null}
 */
const insteadOf = (update, moment) => (moment ? { moment, ...(update && update > 0 && moment.update !== update ? { wanted: update } : {}) } : null);

/** Of an update, or where the run began. @param {Pick<Moment, "phase">} moment */
const isEnd = (moment) => moment.phase === "update" || moment.phase === "ready";

/** @param {Moment} moment @param {Moment} other */
const isSame = (moment, other) =>
  moment.update === other.update && moment.phase === other.phase && moment.epoch === other.epoch && moment.minibatch === other.minibatch;

// What the server says, put into the state.

import { getJson } from "../net/http.js";
import { forgetSession } from "../net/session.js";
import { activityAfter, repeats, trialAfter } from "../state/activity.js";
import { OVER } from "../state/ended.js";
import { withMore } from "../state/evaluations.js";
import { createGapFiller } from "../state/gaps.js";
import { createHold } from "../state/held.js";
import { createPictureDecoder } from "../state/pictures.js";
import { isInterrupted } from "../state/whole.js";
import { PROTOCOL } from "../wire.js";

/** @import { Frame, Header, Run, SeriesHeader, Snapshot, Status } from "../types.js" */
/** @import { Store } from "../state/store.js" */

const SETTLES = 300;
const LISTED = 200; // changes of settings; the oldest make room, as they do on the server
/** What is said of a run, and not of this page. */
const OF_A_RUN = new Set(["run", "state", "change", "evaluations"]);

/**
 * @param {Store} store
 * @param {string | null} first the run that is asked for before any is known
 * @returns {{ message(message: any): void, frame(frame: Frame): void, showNew(): void, epoch(): string | null, sequence(): number | null }}
 */
export function createReceiver(store, first) {
  const { state, touch } = store;
  const fillGaps = createGapFiller(store, series);
  const hold = createHold(store);
  const decodePicture = createPictureDecoder((picture) => store.stage({ picture }));
  /** @type {string | null} */
  let epoch = null;
  /** The newest sequence number seen. @type {number | null} */
  let sequence = null;
  // Frames and messages take different queues, so a frame can overtake the message that introduces its run.
  /** @type {Map<string, Frame>} */
  let early = new Map();

  /** @param {Run | null} run @param {boolean} [elsewhere] whether another server has it now */
  function adopt(run, elsewhere = false) {
    // What had ended does not begin again, unless it goes on from what was kept: then what is here may be of no future of it.
    const goesOn = elsewhere || (state.run !== null && OVER.has(state.run.state) && run !== null && !OVER.has(run.state));
    const known = run !== null && run.id === state.run?.id && !goesOn;
    state.run = run;
    state.changes = run ? [...run.changes] : [];
    state.evaluations = run?.evaluations ?? [];
    if (!known) {
      sequence = null;
      state.stepping = false;
      if (state.trial && state.trial.heard !== Infinity) state.trial = null;
      state.interrupted = false;
      state.status = null; // the run's state message follows
      state.snapshot = state.newest = state.whole = state.past = state.comparison = state.progress = state.activity = null;
      store.dropPicture();
      state.series.clear();
      state.episodes.clear();
    }
    if (run) state.series.extend(run.update - 1); // the last one may still be under way
    touch("run", "status", "snapshot", "picture", "progress", "series", "connection");
    const waiting = [...early.values()];
    early = new Map();
    waiting.forEach(receiveFrame);
    fillGaps();
  }

  /**
   * A run at rest has told all its rows; what is not here soon was lost on the way.
   *
   * @param {Status} status
   */
  function expectRows({ update, phase }) {
    state.series.extend(phase === "update" || phase === "ready" ? update : update - 1);
    setTimeout(fillGaps, SETTLES);
  }

  /**
   * Device, spaces and reward threshold are known only once the environments have been made.
   *
   * @param {string} id
   */
  async function learn(id) {
    const { device, observation, action, reward_threshold, wrappers, resumed } = await getJson(`api/runs/${encodeURIComponent(id)}`);
    if (state.run?.id !== id) return;
    Object.assign(state.run, { device, observation, action, reward_threshold, wrappers, resumed });
    touch("run");
  }

  /** @type {Record<string, (message: any) => void>} */
  const handlers = {
    hello(message) {
      if (message.protocol !== PROTOCOL) {
        state.connection = { state: "outdated", retryAt: null };
        touch("connection");
        return;
      }
      const anew = epoch !== null && message.server_epoch !== epoch;
      const known = state.run?.id ?? first;
      epoch = message.server_epoch;
      state.connection = { state: "open", retryAt: null };
      state.lease = message.lease ?? { holder: false, generation: 0 };
      touch("connection");
      if (state.held || (anew && hold.wants(message.run))) hold.hold(message.run);
      else if (anew || known === null || known === message.run?.id) adopt(message.run, anew); // who asks for another run is told it next
    },
    runs(message) {
      state.runs = message.runs;
      touch("connection");
    },
    awaited({ script, code, why, detail, lines }) {
      state.awaited = { script, code, why, detail, lines };
      touch("connection");
    },
    role(message) {
      state.role = message.role;
      if (message.role !== "controller") forgetSession();
      touch("connection");
    },
    run: (message) => adopt(message.run),
    state(message) {
      if (!state.run || message.run !== state.run.id) return;
      const { type: _, run: id, ...status } = message;
      if (state.run.state === "starting" && status.state !== "starting") learn(id).catch(() => {}); // asked again by the next hello
      const pauses = state.run.pauses ?? [];
      if (state.status?.playing && status.state === "paused" && pauses.at(-1) !== status.update)
        state.run.pauses = [...pauses, status.update].slice(-LISTED);
      const interrupted = isInterrupted(state.status, /** @type {Status} */ (status), state.interrupted);
      const otherwise = interrupted !== state.interrupted;
      state.interrupted = interrupted;
      state.status = /** @type {Status} */ (status);
      state.run.state = status.state;
      state.run.update = status.update;
      state.run.cause = status.cause;
      if (state.run.unwritten && !status.unwritten) state.run.stored = true; // also what the disk had refused from the first
      state.run.unwritten = status.unwritten ?? null;
      if (status.state !== "running") {
        state.stepping = false;
        expectRows(status);
      }
      if (OVER.has(status.state)) compare(null); // nobody waits for a choice any more
      touch("status");
      if (otherwise) touch("snapshot");
    },
    change(message) {
      if (!state.run || message.run !== state.run.id) return;
      const { update, name, old, new: value } = message;
      if (!state.changes.some((change) => change.update === update && change.name === name && change.new === value)) {
        state.changes.push({ update, name, old, new: value });
        if (state.changes.length > LISTED) {
          state.changes.shift();
          state.run.changes_dropped = (state.run.changes_dropped ?? 0) + 1;
        }
      }
      state.run.settings[name] = value;
      touch("run");
    },
    evaluations(message) {
      if (!state.run || message.run !== state.run.id) return;
      state.evaluations = withMore(state.evaluations, message.evaluations);
      touch("series");
    },
    lease(message) {
      state.lease = { holder: message.holder, generation: message.generation };
      touch("connection");
    },
  };

  /** @param {Frame<SeriesHeader>} frame */
  function series(frame) {
    const { header, arrays } = frame;
    const fresh = state.series.write(header.first, header.columns, /** @type {Float64Array} */ (arrays.rows), header.amends === true);
    if (arrays.episodes && header.episode_columns) {
      state.episodes.write(header.episode_columns, /** @type {Float64Array} */ (arrays.episodes), fresh);
    }
    touch("series");
    fillGaps();
  }

  /** @param {Frame} frame */
  function receiveFrame(frame) {
    const { header } = frame;
    if (header.activity?.name === "trial") {
      state.trial = trialAfter(state.trial, header.activity, performance.now());
      return touch("connection");
    }
    if (header.run !== state.run?.id) {
      early.set(header.kind, frame);
      return;
    }
    // Pictures are drawn by a process of its own, and counted by themselves.
    if (header.kind !== "picture") sequence = Math.max(sequence ?? 0, header.sequence);
    if (header.kind === "series") series(/** @type {Frame<SeriesHeader>} */ (frame));
    else if (header.kind === "snapshot") store.stage({ snapshot: /** @type {Snapshot} */ (frame) });
    else if (header.kind === "picture") decodePicture(frame);
    else if (header.kind === "progress") progress(header);
    else if (header.kind === "comparison") compare(/** @type {any} */ (header).open && !OVER.has(state.run.state) ? frame : null);
  }

  /** @param {Frame | null} frame two outcomes that wait for a choice */
  function compare(frame) {
    if (frame === null && state.comparison === null) return;
    state.comparison = frame;
    touch("run", "preview"); // which gives way to the outcome itself
  }

  /** @param {Header} header */
  function progress(header) {
    const isMadeAgain = () => state.activity?.name === "redo";
    const before = isMadeAgain();
    const isNews = !state.progress || !repeats(state.progress, header, state.newest?.header.sequence ?? -1);
    state.progress = header;
    state.activity = activityAfter(state.activity, header, performance.now());
    if (!isNews) return;
    touch("progress");
    if (isMadeAgain() !== before) touch("status"); // what can be done meanwhile is something else
  }

  return {
    message(message) {
      if (state.held && OF_A_RUN.has(message.type)) hold.note(message);
      else handlers[message.type]?.(message);
    },
    frame: receiveFrame,
    /** What runs on a server that was started anew takes the place of what it ended. */
    showNew() {
      const { run, status } = hold.release();
      adopt(run);
      if (status) handlers.state(status);
      touch("connection");
    },
    epoch: () => epoch,
    sequence: () => sequence,
  };
}

// A run that goes on: its moments come from the server's process as they are made, and earlier ones from what it has kept.

import { createCommands } from "../net/commands.js";
import { decode } from "../net/frame.js";
import { getMoment, getMoments } from "../net/http.js";
import { session } from "../net/session.js";
import { Socket } from "../net/socket.js";
import { createWatch } from "../net/watch.js";
import { whyNoControl, whyNot, whyNotHere } from "../state/permission.js";
import { createTimeTravel, inThePast } from "../state/time-travel.js";
import { createReceiver } from "./receive.js";
import { PROTOCOL } from "../wire.js";

/** @import { Source } from "../types.js" */
/** @import { Commands } from "../net/commands.js" */
/** @import { Store } from "../state/store.js" */

/** Steps that are over in a moment; the others are watched like a run that plays. */
const SHORT = ["phase", "minibatch", "epoch", "update"];

/**
 * @typedef {{ run: string | null, shown: boolean }} Before the run that was on show, and whether anything of it was
 *
 * @typedef {Source & {
 *   connect(): void,
 *   send: Commands["send"],
 *   showNew(): void,
 * }} Live `connect` begins; `send` says something that is not of one run, or that needs no lease; `showNew` takes what
 *   runs on a server that was started anew
 */

/**
 * @param {Store} store
 * @param {object} page
 * @param {string} page.client by which the server knows this connection again
 * @param {string | null} [page.run] that is asked for first; null: whichever is the newest
 * @param {(message: any, before: Before) => void} page.heard told what the server has said, once the state is so
 * @param {(words: string) => void} page.failed
 * @returns {Live}
 */
export function createLive(store, { client, run = null, heard, failed }) {
  const { state, touch } = store;
  const receiver = createReceiver(store, run);
  const travel = createTimeTravel(store, { list: getMoments, fetch: getMoment });
  const socket = new Socket({
    greeting: () => ({
      type: "resume",
      protocol: PROTOCOL,
      client,
      server_epoch: receiver.epoch(),
      run: state.run?.id ?? run,
      sequence: receiver.sequence(),
      session: session(),
    }),
    onOpen: () => watch.resend(),
    onMessage(message) {
      if (message.type === "ack") return void commands.settle(message);
      if (message.type === "error") return void (commands.settle(message) || failed(message.message));
      const before = { run: state.run?.id ?? null, shown: state.snapshot !== null };
      receiver.message(message);
      if (state.connection.state === "outdated") socket.close();
      if (!state.held) heard(message, before);
    },
    onFrame(message) {
      try {
        receiver.frame(decode(message));
      } catch (error) {
        console.error("a frame could not be read:", error);
      }
    },
    onQuiet(quiet) {
      if (state.connection.state !== "open") return;
      state.connection = { ...state.connection, quiet };
      touch("connection");
    },
    onLost(retryAt, reason) {
      commands.abandon();
      if (state.connection.state === "outdated") return;
      state.connection = { state: "lost", retryAt, reason };
      touch("connection");
    },
  });
  const commands = createCommands((message) => socket.send(message));
  let watches = 0;
  const watch = createWatch((probes, environment) => void socket.send({ type: "watch", id: `watch-${++watches}`, probes, environment }));

  /** @type {Source["order"]} */
  async function order(action, fields = {}) {
    const reason = whyNot(state, action);
    if (reason) throw new Error(reason);
    watch.settle();
    await commands.send(action, { lease: state.lease.generation, ...fields });
  }

  /** @param {boolean} stepping */
  function setStepping(stepping) {
    state.stepping = stepping;
    touch("status");
  }

  return {
    store,
    travel,
    watch,
    order,
    whyNot: (action) => whyNotHere(state, action),
    send: commands.send,
    settled: commands.settled,
    connect: () => socket.connect(),
    close() {
      socket.close();
      store.close();
    },
    showNew: receiver.showNew,
    play() {
      travel.live();
      return order("play", { pace: state.view.pace });
    },
    pause: () => order("pause"),
    async step() {
      const { stepSize: size, until } = state.view;
      if (inThePast(state)) return travel.forward(size);
      if (SHORT.includes(size) && whyNot(state, "step") === null) setStepping(true);
      await order("step", size === "until" ? { size, until } : { size }).catch((error) => {
        setStepping(false);
        throw error;
      });
    },
    back: () => travel.back(state.view.stepSize),
    keep: (which) => order("keep", { which }),
    async pace() {
      if (state.status?.playing && whyNoControl(state) === null)
        await commands.send("play", { lease: state.lease.generation, pace: state.view.pace });
    },
  };
}

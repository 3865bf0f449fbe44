// One websocket that comes back by itself.

import { CLOSE, HEARTBEAT } from "../wire.js";

/** @import { Said, Told } from "../wire-types.js" */

const SILENCE = 15_000; // the server is gone
/** Seconds without a word, not even a second heartbeat, after which that is said. */
export const QUIET = Math.ceil(2.5 * HEARTBEAT);
/** Of what the server closes with: a reason that a page tells. @type {ReadonlySet<number>} */
const SAID = new Set([CLOSE.TRY_AGAIN_LATER, CLOSE.GOING_AWAY]);
const SHORTEST = 500;
const LONGEST = 15_000;

/**
 * How long to wait before attempt number `attempt` (0 first): full jitter, so that a hall full of pages does
 * not come back in one instant.
 *
 * @param {number} attempt
 * @param {number} random from 0 to 1
 */
export function backoff(attempt, random) {
  const ceiling = Math.min(LONGEST, SHORTEST * 2 ** (attempt + 1));
  return SHORTEST + random * (ceiling - SHORTEST);
}

/**
 * @typedef {object} Handlers
 * @property {() => Said} greeting the first message of every connection
 * @property {(message: Told) => void} onMessage
 * @property {(frame: ArrayBuffer) => void} onFrame
 * @property {() => void} onOpen
 * @property {(quiet: boolean) => void} onQuiet nothing has been heard for `QUIET` seconds; or something is again
 * @property {(retryAt: number, reason: string) => void} onLost the time of the next attempt, on performance.now()'s clock, and the server's reason
 */

export class Socket {
  /** @type {WebSocket | null} */
  #socket = null;
  #attempt = 0;
  #heard = 0;
  /** Seconds since then, of those in which this page had time to hear something: a busy page takes no server for silent. */
  #silent = 0;
  #closed = false;
  /** Why the server has closed it, where it has said so: that holds until it lets this page in again. */
  #reason = "";
  /** @type {Handlers} */
  #handlers;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;

  /** @param {Handlers} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
    setInterval(() => this.#checkSilence(), 1000);
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  connect() {
    const url = new URL("ws", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    url.hash = "";
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#hear();
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      this.send(this.#handlers.greeting());
      this.#handlers.onOpen();
    };
    socket.onmessage = (event) => {
      if (socket !== this.#socket) return;
      this.#hear();
      if (typeof event.data !== "string") this.#handlers.onFrame(event.data);
      else this.#receive(JSON.parse(event.data));
    };
    socket.onclose = (event) => socket === this.#socket && this.#lost(SAID.has(event.code) ? event.reason : "");
  }

  /** Ends for good: this page and the server do not speak the same protocol. */
  close() {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#socket?.close();
  }

  /**
   * @param {Said} message
   * @returns {boolean} false where there is no connection to send it on
   */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** @param {Told} message */
  #receive(message) {
    if (message.type === "role") [this.#attempt, this.#reason] = [0, ""]; // let in; who is turned away at the door waits longer each time
    if (message.type === "heartbeat") this.send({ type: "heartbeat" });
    else this.#handlers.onMessage(message);
  }

  #lost(reason = "") {
    this.#socket = null;
    this.#reason = reason || this.#reason;
    if (this.#closed) return;
    const delay = backoff(this.#attempt++, Math.random());
    this.#retry = setTimeout(() => this.connect(), delay);
    this.#handlers.onLost(performance.now() + delay, this.#reason);
  }

  /** Somebody is looking, or the network is back: no need to wait for the rest of a long delay. */
  #hurry() {
    if (this.#socket || this.#closed || this.#attempt === 0) return;
    clearTimeout(this.#retry);
    this.connect();
  }

  #hear() {
    this.#heard = performance.now();
    if (this.#silent >= QUIET) this.#handlers.onQuiet(false);
    this.#silent = 0;
  }

  #checkSilence() {
    const socket = this.#socket;
    if (!socket) return;
    this.#silent += 1;
    if (this.#silent === QUIET) this.#handlers.onQuiet(true);
    if (performance.now() - this.#heard < SILENCE) return;
    // A dead peer never completes the closing handshake, so onclose could come minutes later.
    this.#lost();
    socket.close();
  }
}

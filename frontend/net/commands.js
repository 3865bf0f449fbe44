// Commands to the trainer, each answered by an ack or an error with its id.

/** @import { Ack, ErrorTold, Said } from "../wire-types.js" */

const PATIENCE = 20_000;
/** What takes its time, and says meanwhile how far it is: a new run has to prove itself, an update is made anew. */
const PATIENT = { restart: 120_000, redo: 600_000 };

/** A command that was refused, or that nobody answered. */
export class CommandError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {string | null} [detail] what stands behind it, such as the end of a traceback
   */
  constructor(code, message, detail = null) {
    super(message);
    this.code = code;
    this.detail = detail;
  }
}

/**
 * @typedef {object} Commands
 * @property {(type: Said["type"], fields?: object) => Promise<void>} send rejects with a CommandError
 * @property {(message: Ack | ErrorTold) => boolean} settle
 *   takes an ack or an error; false where no command waits for it
 * @property {() => void} abandon the connection is gone: nothing will be answered
 * @property {(within?: number) => Promise<void>} settled resolves once none waits for its answer, or so many milliseconds are over
 */

/**
 * @param {(message: Said) => boolean} transmit
 * @returns {Commands}
 */
export function createCommands(transmit) {
  /** @type {Map<string, { resolve: () => void, reject: (error: CommandError) => void, timer: ReturnType<typeof setTimeout> }>} */
  const waiting = new Map();
  // A reload keeps the name of its tab, and the answer to a command of the page before it may come late.
  const page = crypto.getRandomValues(new Uint32Array(1))[0].toString(36);
  let count = 0;
  /** @type {(() => void)[]} */
  const listening = [];

  /** @param {string} id */
  function take(id) {
    const entry = waiting.get(id);
    if (entry) clearTimeout(entry.timer);
    waiting.delete(id);
    if (!waiting.size) listening.splice(0).forEach((hear) => hear());
    return entry;
  }

  return {
    send(type, fields = {}) {
      const id = `${type}-${page}-${++count}`;
      return new Promise((resolve, reject) => {
        if (!transmit(/** @type {any} */ ({ type, id, ...fields }))) {
          reject(new CommandError("lost", "Not connected to the server. Nothing was sent; try again once the page is connected."));
          return;
        }
        const timer = setTimeout(
          () => {
            take(id)?.reject(
              new CommandError("unanswered", "The server did not answer. The trainer may be busy; look at its state before you try again."),
            );
          },
          /** @type {Record<string, number>} */ (PATIENT)[type] ?? PATIENCE,
        );
        waiting.set(id, { resolve, reject, timer });
      });
    },

    settle(message) {
      const entry = message.id === null ? undefined : take(message.id);
      if (!entry) return false;
      if (message.type === "ack") entry.resolve();
      else entry.reject(new CommandError(message.code, message.message, message.detail));
      return true;
    },

    async settled(within = Infinity) {
      if (!waiting.size) return;
      await new Promise((/** @type {(_: void) => void} */ resolve) => {
        listening.push(resolve);
        if (within < Infinity) setTimeout(resolve, within);
      });
    },

    abandon() {
      for (const id of [...waiting.keys()]) {
        take(id)?.reject(
          new CommandError("lost", "The connection was lost before the server answered. The command may or may not have been applied."),
        );
      }
    },
  };
}

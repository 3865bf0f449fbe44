// A server that was started anew has a run of its own. What is on show stays until somebody asks for the new one.

import { OVER, runState } from "./ended.js";

/** @import { Held, Run } from "../types.js" */
/** @import { Store } from "./store.js" */

/** @param {Store} store */
export function createHold({ state, touch }) {
  const told = () => touch("run", "status", "progress", "connection");

  return {
    /** Whether there is something to hold on to that the server's run is not. @param {Run | null} run */
    wants: (run) => state.held !== null || (state.run !== null && state.snapshot !== null && run?.id !== state.run.id),

    /** What is on show ended with the old server. @param {Run | null} run the new one's */
    hold(run) {
      if (state.run && !OVER.has(runState(state) ?? "")) {
        Object.assign(state.run, { state: "stopped", gone: true, cause: null });
        if (state.status)
          state.status = {
            ...state.status,
            state: "stopped",
            gone: true,
            sequence: null,
            playing: false,
            pausing: false,
            pace: null,
            pending: {},
            cause: null,
          };
      }
      Object.assign(state, { held: { run, status: null }, stepping: false, progress: null, activity: null, trial: null, comparison: null });
      told();
    },

    /** What the server says of its run is noted for the time when it is shown. @param {any} message */
    note(message) {
      const held = /** @type {Held} */ (state.held);
      if (message.type === "run") state.held = { run: message.run, status: null };
      if (!held.run || message.run !== held.run.id) return told();
      if (message.type === "state") {
        held.status = message;
        held.run.update = message.update;
      }
      if (message.type === "change") {
        const { update, name, old, new: value } = message;
        held.run.changes.push({ update, name, old, new: value });
        held.run.settings[name] = value;
      }
      told();
    },

    /** Lets go. @returns {Held} what was held back */
    release() {
      const held = /** @type {Held} */ (state.held);
      state.held = null;
      state.run = null;
      return held;
    },
  };
}

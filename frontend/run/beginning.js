// Beginning a run in place of the one at hand: it is tried out first, which takes its time and can be cancelled.

import { whyNot, whyNotBeside } from "../state/permission.js";

/** @import { State, Topic, Trial } from "../types.js" */
/** @import { Commands } from "../net/commands.js" */

const JUST = 5000; // milliseconds

/**
 * @param {{ state: State, touch(...topics: Topic[]): void }} store
 * @param {Pick<Commands, "send">} server
 * @param {(text: string) => void} warn
 */
export function createBeginning({ state, touch }, server, warn) {
  /** @param {Trial | null} trial */
  function show(trial) {
    state.trial = trial;
    touch("connection");
  }

  let ended = -Infinity;

  return {
    /** Whether a run that begins now is one that this page has asked for. */
    isOwn: () => state.trial?.heard === Infinity || performance.now() - ended < JUST,

    /**
     * @param {() => Promise<unknown>} start rejects with the reason where the run cannot begin
     * @param {"page" | "sheet"} place where it is shown
     * @param {boolean} beside the run at hand is not touched by it
     * @returns {Promise<boolean>} whether it began; what went wrong has been said
     */
    async try(start, place = "page", beside = false) {
      const reason = beside ? whyNotBeside(state) : whyNot(state, "restart");
      if (reason) {
        warn(reason);
        return false;
      }
      /** @type {Trial} */
      const mine = { since: performance.now(), heard: Infinity, refused: null, place };
      show(mine);
      try {
        await start();
        ended = performance.now();
        if (state.trial === mine) show(null);
        return true;
      } catch (error) {
        const { message, detail = null } = /** @type {Error & { detail?: string | null }} */ (error);
        if (state.held) warn(message);
        else show({ ...mine, place: state.trial?.place ?? "page", refused: { message, detail } });
        return false;
      }
    },

    /** @param {Record<string, unknown>} settings what differs from the run at hand */
    restart(settings) {
      return this.try(() => server.send("restart", { lease: state.lease.generation, settings }));
    },

    cancel: () => void server.send("cancel", { lease: state.lease.generation }).catch((error) => warn(error.message)),

    dismiss: () => show(null),

    /** The sheet that showed it was closed. */
    toPage() {
      if (state.trial && state.trial.place === "sheet") show(state.trial.refused ? null : Object.assign(state.trial, { place: "page" }));
    },
  };
}

// Runs that are begun, gone on with, forked or opened from the page; then it goes there.

import { getShelf, postRun } from "../net/http.js";
import { resumesAt } from "../state/ended.js";
import { comesToRest } from "../state/motion.js";

/** @import { Commands } from "../net/commands.js" */
/** @import { NewRun, State } from "../types.js" */

const HEARD = 2000; // milliseconds within which an order is answered, as long as nothing is wrong

/**
 * @param {{ state: State, atHand: { state: State } }} page
 * @param {Pick<Commands, "send" | "settled">} server
 * @param {object} told
 * @param {(run: string) => void} told.goesTo the page goes to a run
 * @param {() => Promise<unknown>} told.leaves the page is about to go; resolves once the run at hand may be left as it is
 * @param {(start: () => Promise<unknown>, place: "page" | "sheet", beside: boolean) => Promise<boolean>} told.tried says whether it begins, and why not
 */
export function createArrivals({ state, atHand }, server, { goesTo, leaves, tried }) {
  /** @param {string} run */
  async function open(run) {
    await leaves();
    goesTo(run);
    return server.send("open", { run });
  }

  /** Goes on with a run that is kept, or with a fork of one. @param {Partial<NewRun>} wanted */
  async function takeUp(wanted) {
    const run = await postRun(wanted);
    if (run !== atHand.state.run?.id && wanted.beside) await open(run);
  }

  return {
    open,
    takeUp,

    /** One that is kept on the disk is shown, not trained. @param {string} run */
    openKept: (run) => postRun({ open: run }).then(open),

    /** From the newest state that was kept of it. @param {string} run */
    goOn: (run) => void tried(() => takeUp({ beside: true, resume: run }), "page", true),

    /** Where that state is, if there is one. @param {string} run */
    resumesAt: (run) => getShelf().then(({ runs }) => resumesAt(runs.find(({ id }) => id === run))),

    /** Instead of the run at hand, or beside it. @param {Record<string, unknown>} settings @param {boolean} beside */
    async begin(settings, beside) {
      await server.settled(HEARD); // the run at hand may be about to pause
      const at = { paused: comesToRest(state), lease: state.lease.generation };
      const run = await postRun({ settings, ...at, ...(beside ? { beside } : { instead: state.run?.id ?? null }) });
      if (beside) await open(run);
    },
  };
}

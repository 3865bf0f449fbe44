// What happened to the run at hand without this page's doing, or is worth a sentence.

/** @import { State } from "../types.js" */
/** @import { Before } from "../source/live.js" */

const REPLACED = "A new run took the place of the one on show while the connection was lost.";

/**
 * @param {State} state of the run at hand
 * @param {object} page
 * @param {(words: string) => void} page.note
 * @param {() => boolean} page.isOwn whether a run that begins now is one that this page has asked for
 * @param {() => void} page.another another run is at hand
 * @param {ReturnType<typeof import("../explain/narrator.js").createNarrator>} page.narrator
 */
export function createNews(state, { note, isOwn, another, narrator }) {
  /** The run that this page has gone to. @type {string | null} */
  let opened = null;

  let returns = false; // the connection was lost, and what became of the run meanwhile is not known yet

  /** @type {Record<string, (message: any, before: Before) => void>} */
  const heard = {
    hello(_, { run, shown }) {
      returns = shown;
      if (shown && state.run?.id !== run) note(REPLACED);
    },
    run(message, { run, shown }) {
      if (message.run?.id === run) return; // back where it was
      if (shown && returns) note(REPLACED);
      else if (shown && !isOwn() && message.run?.id !== opened) note("A new run was begun by another page, in place of the one on show.");
      another();
      narrator.begun(message.run);
    },
    change: (message) => narrator.changed(message),
    state() {
      returns = false;
      narrator.moved();
    },
  };

  return {
    /** @param {any} message @param {Before} before */
    heard: (message, before) => heard[message.type]?.(message, before),
    /** This page goes to another run of the server. @param {string} run */
    goesTo: (run) => void (opened = run),
  };
}

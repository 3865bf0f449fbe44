// Play, pause, step and back of all that is on show: of one run, or of all that are compared. Each run's own lease decides;
// where one cannot, the others go alone, and the button says why. One that has only just been put beside is waited for.

import { fullNameOf, isAhead, partnerOf } from "../state/beside.js";
import { runsOn } from "../state/motion.js";
import { isComing } from "../state/permission.js";

/** @import { Source } from "../types.js" */
/** @import { Page } from "../state/page.js" */
/** @import { Action } from "../state/permission.js" */

/**
 * @param {Page} page
 * @param {object} runs
 * @param {() => Source[]} runs.sources the first is the one that is compared with the others
 * @param {() => boolean} runs.asked whether more of them were asked for, and are not there yet
 * @param {(words: string) => void} warn
 */
export function createTogether({ state, subscribe }, { sources, asked: expected }, warn) {
  /** What all are to do, once all are there, and whose page it was wished on: the newest wish counts. @type {{ act: () => void, first: Source } | null} */
  let wish = null;

  /** @param {Source} source @param {string} words */
  const named = ({ store }, words) => (sources().length > 1 ? `${fullNameOf(store.state)}: ${words}` : words);

  /** Whoever can, does; where nobody can, it is said why. @param {Action} action @param {Source[]} asked */
  function able(action, asked) {
    const some = asked.filter((source) => source.whyNot(action) === null);
    return some.length ? some : asked.slice(0, 1);
  }

  /** @param {Source[]} asked @param {(source: Source) => Promise<void>} act */
  function each(asked, act) {
    for (const source of asked) act(source).catch((error) => warn(named(source, error instanceof Error ? error.message : String(error))));
  }

  /** Compared runs of which it is yet to be heard what they can do. */
  const coming = () => (sources().length > 1 ? sources().filter(({ store }) => isComing(store.state)) : []);

  /** @param {() => void} act */
  function onceAllAreThere(act) {
    wish = { act, first: sources()[0] };
    look();
  }

  function look() {
    if (wish && wish.first !== sources()[0]) wish = null; // such as one of the guide's examples: it was not meant
    if (!wish || expected() || coming().length) return;
    const { act } = wish;
    wish = null;
    act();
  }

  subscribe(look);

  /** Those that make the next step: aligned by environment steps, whoever has made fewer of them. */
  function next() {
    const all = sources();
    if (all.length < 2 || state.view.align !== "steps") return all;
    const states = all.map(({ store }) => store.state);
    return all.filter(({ store }) => !isAhead(store.state, states));
  }

  const together = {
    play: () => onceAllAreThere(() => each(able("play", sources()), (source) => source.play())),
    pause() {
      wish = null;
      each(able("pause", sources()), (source) => source.pause());
    },
    step: () => onceAllAreThere(() => each(able("step", next()), (source) => source.step())),
    back: () => onceAllAreThere(() => each(sources(), (source) => source.back())),
    live: () => sources().forEach(({ travel }) => travel.live()),
    /** The end of an update, and of the other runs what stands beside it. @param {number} update @param {boolean} [since] @param {number} [within] */
    goTo(update, since, within) {
      const [first, ...others] = sources();
      each([first], ({ travel }) => travel.goTo(update, since, within));
      each(others, ({ store, travel }) => travel.goTo(partnerOf(update, first.store.state, store.state, state.view.align), false, within));
    },
    pace: () => each(sources(), (source) => source.pace()),
    playOrPause() {
      if (sources().some(plays)) together.pause();
      else together.play();
    },
    /** What of the next step not all of them make, and why; null where there is nothing to say. */
    limits() {
      const all = sources();
      if (all.length < 2) return null;
      const stays = all.flatMap((source) => {
        if (coming().includes(source)) return [named(source, "has just been put beside, and is waited for.")];
        const reason = source.whyNot("step");
        return reason === null || plays(source) ? [] : [named(source, reason)];
      });
      const ahead = stays.length ? [] : all.filter((source) => !next().includes(source));
      return [...stays, ...ahead.map((source) => named(source, "has more environment steps, and waits for those with fewer."))].join(" ") || null;
    },
    /**
     * Whether it can be done by any, and what is to be said of those that cannot.
     *
     * @param {Action} action
     * @returns {{ possible: boolean, words: string | null }}
     */
    permits(action) {
      const asked = action === "restart" ? sources().slice(0, 1) : sources(); // only the run at hand begins again
      const reasons = asked.map((source) => ({ source, reason: source.whyNot(action) }));
      const refused = reasons.filter(({ reason }) => reason !== null);
      const words = refused.map(({ source, reason }) => named(source, reason ?? "")).join(" ");
      return { possible: refused.length < reasons.length, words: words || null };
    },
  };
  return together;
}

/** @param {Source} source */
const plays = ({ store }) => runsOn(store.state) && !store.state.status?.pausing;

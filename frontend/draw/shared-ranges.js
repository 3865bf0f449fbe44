// Ranges that two drawings side by side have in common: both show what either of them needs.

import { SteadyRange } from "./ranges.js";

/** @import { SharedRange } from "../types.js" */
/** @import { Range } from "./ranges.js" */

/** @typedef {{ steady: SteadyRange, needs: Map<object, Range>, now: Range | null }} Shared */

/**
 * The ranges of one panel, by their names. Each side asks for its own by `of`, and is told where it has to be drawn again
 * because the other one needs more, or less, than before.
 *
 * @param {() => void} moved
 */
export function createSharedRanges(moved) {
  /** @type {Map<string, Shared>} */
  const ranges = new Map();

  /** @param {string} name */
  function shared(name) {
    const found = ranges.get(name) ?? { steady: new SteadyRange(), needs: new Map(), now: null };
    ranges.set(name, found);
    return found;
  }

  return {
    /**
     * The range of that name, for one side.
     *
     * @param {object} side
     * @param {string} name
     * @returns {SharedRange}
     */
    of(side, name) {
      return {
        fit(low, high, patience) {
          const range = shared(name);
          if (Number.isFinite(low) && Number.isFinite(high)) range.needs.set(side, [low, high]);
          const all = [...range.needs.values()];
          const now = range.steady.fit(Math.min(...all.map(([from]) => from)), Math.max(...all.map(([, to]) => to)), patience);
          const same = range.now !== null && range.now[0] === now[0] && range.now[1] === now[1];
          range.now = now;
          if (!same && range.needs.size > 1) moved();
          return now;
        },
        reset() {
          shared(name).needs.delete(side);
          shared(name).steady.reset();
        },
      };
    },
    /** A side is gone: what it needed does not count any more. @param {object} side */
    leave(side) {
      for (const { needs, steady } of ranges.values()) {
        needs.delete(side);
        steady.reset();
      }
    },
  };
}

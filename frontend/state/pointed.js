// The update that somebody points at, in whichever chart over updates, or on the timeline: all of them show where it lies.
// It changes with every movement of the pointer, so who shows it is told at once and draws nothing else anew.

/** @typedef {{ update: number, by: object } | null} Pointed `by`: where the pointer is */
/** @typedef {ReturnType<typeof createPointed>} PointedAt */

export function createPointed() {
  /** @type {Set<(pointed: Pointed) => void>} */
  const listeners = new Set();
  /** @type {Pointed} */
  let now = null;

  return {
    /** @param {Pointed} pointed null: nobody points at any */
    point(pointed) {
      if (pointed?.update === now?.update && pointed?.by === now?.by) return;
      now = pointed;
      listeners.forEach((listener) => listener(now));
    },
    /** @param {(pointed: Pointed) => void} listener */
    listen: (listener) => void listeners.add(listener),
    now: () => now,
  };
}

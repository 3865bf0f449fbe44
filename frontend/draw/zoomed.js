// What charts over updates show of a run: all of it, or the span that was chosen on the timeline.

import { count, number } from "../state/format.js";

/** @import { SeriesView, SharedRange, State } from "../types.js" */
/** @import { Range } from "./ranges.js" */

const FEWEST = 20; // updates that an axis has room for

/**
 * The range of an axis of updates: of the whole run one that grows in steps, of a span just that.
 *
 * @param {Pick<State, "series" | "zoom">} state
 * @param {SharedRange} steady
 * @returns {Range | readonly [number, number]}
 */
export function acrossUpdates({ series, zoom }, steady) {
  return zoom ? [zoom.from, Math.max(zoom.to, zoom.from + 1)] : steady.fit(0, Math.max(FEWEST, series.first + series.length));
}

/** @returns {(state: Pick<State, "run" | "zoom">) => boolean} whether it is another run, or another span of it, than the last time */
export function shownAnew() {
  let shown = "";
  return ({ run, zoom }) => {
    const now = `${run?.id} ${zoom?.from} ${zoom?.to}`;
    const isOther = now !== shown;
    shown = now;
    return isOther;
  };
}

/** What the series has at an update, a line each. @param {SeriesView} series @param {number} update @param {string[][]} named pairs of a name and a column */
export function valuesAt(series, update, named) {
  const row = update - series.first;
  if (row < 0 || row >= series.length) return [];
  return [`update ${count(update)}`, ...named.map(([name, column]) => `${name} ${number(series.column(column)[row])}`)];
}

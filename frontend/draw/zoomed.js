// What charts over updates show of a run: all of it, or the span that was chosen on the timeline.

import { isOver } from "../state/ended.js";
import { count, number } from "../state/format.js";

/** @import { SeriesView, SharedRange, State } from "../types.js" */
/** @import { Range } from "./ranges.js" */

const FEWEST = 20; // updates that an axis has room for

/** Whether an axis of updates ends where the run does: it grows no more. Runs side by side have theirs in common. @param {State} state */
export const endsWithRun = (state) => state.others.length === 0 && isOver(state) && state.series.length > FEWEST;

/**
 * The range of an axis of updates: of a run that goes on one that grows in steps, of a span just that.
 *
 * @param {State} state
 * @param {SharedRange} steady
 * @returns {Range | readonly [number, number]}
 */
export function acrossUpdates(state, steady) {
  const { series, zoom } = state;
  if (zoom) return [zoom.from, Math.max(zoom.to, zoom.from + 1)];
  const end = series.first + series.length;
  return endsWithRun(state) ? [0, end] : steady.fit(0, Math.max(FEWEST, end));
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

/** What the series has at an update, a line each. @param {SeriesView} series @param {number} update @param {string[][]} named pairs of a name and a column @param {(value: number) => string} [written] as elsewhere */
export function valuesAt(series, update, named, written = number) {
  const row = update - series.first;
  if (row < 0 || row >= series.length) return [];
  return [`update ${count(update)}`, ...named.map(([name, column]) => `${name} ${written(series.column(column)[row])}`)];
}

// What charts of the run and of the update on show have in common: curves over updates on the left, and inside the
// update, minibatch by minibatch, on the right.

import { sidesOf } from "../state/beside.js";
import { matrix } from "../state/snapshot.js";
import { updateRows } from "./tables.js";

/** @import { Snapshot, State } from "../types.js" */
/** @import { Range } from "./ranges.js" */
/** @import { Table } from "./tables.js" */

/** @typedef {{ x: number[], y: number[] }} Curve */
/** @typedef {Record<string, Curve>} Curves by column */

/** @param {Snapshot | null} snapshot whether any minibatch of its update has been measured */
export const hasMinibatches = (snapshot) => snapshot !== null && (matrix(snapshot, "minibatches")?.rows ?? 0) > 0;

/**
 * Columns of the array `minibatches` as curves, which of its rows is being worked on, how many there are, and how many are to come in all.
 *
 * @param {Snapshot | null} snapshot
 * @param {readonly string[]} columns
 */
export function insideUpdate(snapshot, columns) {
  const table = snapshot && matrix(snapshot, "minibatches");
  const { epochs: k = 4, minibatches: n = 4, scope, epoch = 1, minibatch = 1, minibatch_columns: names = [] } = snapshot?.header ?? {};
  const count = Array.from({ length: table?.rows ?? 0 }, (_, index) => index + 1);
  /** @type {Curves} */
  const curves = Object.fromEntries(
    columns.map((column) => {
      const at = names.indexOf(column);
      return [column, { x: count, y: count.map((_, row) => (table && at >= 0 ? table.values[row * table.columns + at] : NaN)) }];
    }),
  );
  return { curves, current: scope === "minibatch" ? (epoch - 1) * n + minibatch : null, planned: Math.max(count.length, k * n), made: count.length };
}

/** The place of the current minibatch. @param {number | null} current @param {Range} up */
export function currentMark(current, [low, high]) {
  if (current === null) return { x: [], y: [] };
  const [left, right] = [current - 0.5, current + 0.5];
  return { x: [left, left, right, right], y: [low, high, high, low] };
}

/**
 * How many minibatches the axis inside of an update has room for: of runs side by side, for those of each.
 *
 * @param {State} state
 */
export const plannedOf = (state) => Math.max(...sidesOf(state).map(({ snapshot }) => (snapshot ? insideUpdate(snapshot, []).planned : 0)), 1);

/** A tick at the first minibatch of each epoch. @param {Snapshot | null} snapshot */
export function epochTicks(snapshot) {
  const { epochs = 4, epoch = 1, minibatches: each = 4 } = snapshot?.header ?? {};
  const all = epochs || epoch; // not known yet
  const every = Math.ceil(all / 5);
  const shown = Array.from({ length: all }, (_, index) => index).filter((index) => index % every === 0);
  return { tickvals: shown.map((index) => index * each + 0.5), ticktext: shown.map((index) => String(index + 1)) };
}

/**
 * Both halves as one table: a line per update, and after them a line per minibatch of the update on show.
 *
 * @param {State} state
 * @param {readonly string[]} columns
 * @returns {Table}
 */
export function ofHalves({ series, snapshot }, columns) {
  const { curves } = insideUpdate(snapshot, columns);
  const { update = 0, minibatches = 1 } = snapshot?.header ?? {};
  const each = minibatches || Infinity; // not known yet: the first epoch is not over
  const inside = curves[columns[0]].x.map((number, row) => {
    const [epoch, minibatch] = [Math.floor(row / each) + 1, (row % each) + 1];
    return [update, epoch, minibatch, ...columns.map((column) => curves[column].y[number - 1])];
  });
  const updates = updateRows(series, columns).map(([number, ...values]) => [number, null, null, ...values]);
  return [["update", "epoch", "minibatch", ...columns], ...updates, ...inside];
}

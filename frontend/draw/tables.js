// What a panel draws, as a table for other programs.

import { regionOf } from "../ppo/regions.js";
import { matrix } from "../state/snapshot.js";

/** @import { SeriesView, State } from "../types.js" */

/** @typedef {(string | number | null)[][]} Table with a line of headings */

/** Columns of equal length by their names, one line per row. @param {Record<string, ArrayLike<number>>} columns @returns {Table} */
export function ofColumns(columns) {
  const values = Object.values(columns);
  return [Object.keys(columns), ...Array.from(values[0] ?? [], (_, row) => values.map((column) => column[row] ?? null))];
}

/** Every update with its values, without headings. @param {SeriesView} series @param {readonly string[]} names */
export function updateRows(series, names) {
  const columns = names.map((name) => series.column(name));
  return Array.from({ length: series.length }, (_, row) => [series.first + row, ...columns.map((column) => column[row] ?? null)]);
}

/** Matrices of a snapshot by their names in docs/protocol.md, one line per environment and step; a region by its word. @param {State} state @param {readonly string[]} names @returns {Table} */
export function ofSamples({ snapshot }, names) {
  const found = names.flatMap((name) => {
    const values = snapshot && matrix(snapshot, name);
    return values ? [{ name, values }] : [];
  });
  /** @type {Table} */
  const rows = [["update", "environment", "step", ...found.map(({ name }) => name)]];
  const first = found[0]?.values;
  for (let row = 0; row < (first?.rows ?? 0); row++) {
    for (let step = 0; step < first.columns; step++) {
      rows.push([
        snapshot?.header.update ?? null,
        snapshot?.arrays.environments?.[row] ?? row,
        step,
        ...found.map(({ name, values }) =>
          name === "region" ? regionOf(values.values[row * values.columns + step]).word : values.values[row * values.columns + step],
        ),
      ]);
    }
  }
  return rows;
}

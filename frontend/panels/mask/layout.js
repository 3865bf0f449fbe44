// Where each sample of the clip mask lies. A row that is too long for the width goes on in further lines; rows that
// do not fit below each other are left out, which the panel says.

/** @import { Canvas } from "../../draw/canvas.js" */

/**
 * @typedef {{ row: number, column: number }} Cell a sample: row of the arrays, step of the rollout
 * @typedef {{ x: number, y: number, width: number, height: number }} Box in device pixels
 *
 * @typedef {object} Layout
 * @property {number} rows shown
 * @property {number} total environments of the run
 * @property {number} columns steps of the rollout
 * @property {number} perLine steps in one line
 * @property {number} linesPerRow
 * @property {number} left of the cells, in device pixels
 * @property {number} top
 * @property {number} cellWidth not rounded; `place` gives whole pixels
 * @property {number} cellHeight
 * @property {(cell: Cell) => Box} place
 * @property {(x: number, y: number) => Cell | null} at the sample under a point
 */

const NARROWEST = 2; // CSS pixels that a cell needs to be seen and to be hit, however large the type is
const LOWEST = 3;
const TALLEST = 64;
const ROUND = 16; // a line of a row that is wrapped holds a multiple of so many steps
const MARGIN = { left: 42, right: 6, top: 9, bottom: 34 }; // above them, an arm of the selected sample has room

/**
 * @param {Pick<Canvas, "width" | "height" | "ratio"> & { density?: number }} canvas
 * @param {number} allRows
 * @param {number} columns
 * @param {number} total environments of the run, of which `allRows` came
 * @param {{ rows: number, columns: number }[]} beside the samples of other runs that are drawn beside this one: cells are of
 *   one size in all
 * @returns {Layout}
 */
export function arrange({ width, height, ratio, density = ratio }, allRows, columns, total, beside = []) {
  const left = Math.round(MARGIN.left * ratio);
  const top = Math.round(MARGIN.top * ratio);
  const wide = Math.max(1, width - left - MARGIN.right * ratio);
  const high = Math.max(1, height - top - MARGIN.bottom * ratio);
  const fitting = Math.max(ROUND, Math.floor(wide / (NARROWEST * density) / ROUND) * ROUND);
  const longest = Math.max(columns, ...beside.map((other) => other.columns));
  const lines = longest * NARROWEST * density <= wide ? 1 : Math.ceil(longest / fitting);
  const perLine = lines === 1 ? longest : Math.ceil(longest / lines / ROUND) * ROUND; // the last one is about as long as the others
  const linesPerRow = Math.ceil(columns / perLine);
  const rows = Math.min(allRows, Math.max(1, Math.floor(high / (linesPerRow * LOWEST * ratio))));
  const cellWidth = wide / perLine;
  const linesInAll = Math.max(rows * linesPerRow, ...beside.map((other) => other.rows * Math.ceil(other.columns / perLine)));
  const cellHeight = Math.max(1, Math.min(Math.floor(TALLEST * ratio), Math.floor(high / linesInAll)));

  /** @param {Cell} cell */
  const place = ({ row, column }) => ({
    x: left + Math.round((column % perLine) * cellWidth),
    y: top + (row * linesPerRow + Math.floor(column / perLine)) * cellHeight,
    width: Math.round(((column % perLine) + 1) * cellWidth) - Math.round((column % perLine) * cellWidth),
    height: cellHeight,
  });

  /** @param {number} x @param {number} y */
  const at = (x, y) => {
    const line = Math.floor((y - top) / cellHeight);
    const inLine = Math.floor((Math.floor(x) - left + 0.5) / cellWidth);
    const row = Math.floor(line / linesPerRow);
    const column = (line % linesPerRow) * perLine + inLine;
    const inside = line >= 0 && inLine >= 0 && inLine < perLine && row < rows && column < columns;
    return inside ? { row, column } : null;
  };

  return { rows, total, columns, perLine, linesPerRow, left, top, cellWidth, cellHeight, place, at };
}

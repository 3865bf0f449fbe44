// Painting the clip mask. The counts that it gives back are taken while the cells are painted: what they say is what
// is on the screen.

import { channels, fade } from "../../draw/colours.js";
import { REGIONS, colourOf, regionOf } from "../../ppo/regions.js";
import { alongInWords, namesOf } from "../../state/rows.js";
import { matrix } from "../../state/snapshot.js";

/** @import { Snapshot, Theme } from "../../types.js" */
/** @import { Surface } from "../../draw/svg-canvas.js" */
/** @import { Cell, Layout } from "./layout.js" */

/** @typedef {Record<string, number>} Painted cells by region, `dimmed` cells, and marks by kind of episode end */

const LINE = 6; // CSS pixels that the name of the rows may reach beyond them
const CODES = 256; // that a byte holds
const OPAQUE = 255;
const ARM = 8; // CSS pixels that an arm of the selected sample reaches beyond it
const DIM = 0.2; // opacity of samples outside of the current minibatch
const HATCHED = /** @type {const} */ ({ held: "/", pulledBack: "\\", notTrained: "/" });

/**
 * @param {Surface} canvas
 * @param {Layout} layout
 * @param {Snapshot} snapshot with the probe `samples`
 * @param {Theme} theme
 * @param {Cell | null} cursor
 * @param {Cell | null} selected
 * @param {Uint8Array | null} previewed regions to be painted instead of those in use
 * @returns {Painted}
 */
export function paintMask(canvas, layout, snapshot, theme, cursor, selected, previewed = null) {
  const region = matrix(snapshot, "region");
  if (!region) return {};
  const codes = previewed ?? region.values;
  const member = snapshot.arrays.in_minibatch;
  /** @type {Painted} */
  const painted = { dimmed: 0, terminated: 0, truncated: 0, cells: 0 };
  for (const { key } of REGIONS) painted[key] = 0;
  canvas.clear();
  const dimmed = (/** @type {number} */ index) => member !== undefined && member[index] === 0;
  paintCells(canvas, layout, codes, dimmed, theme, painted);
  paintHatching(canvas, layout, codes, dimmed, theme);
  paintGaps(canvas, layout, theme);
  paintEnds(canvas, layout, snapshot, theme, painted);
  paintAxes(canvas, layout, snapshot, theme);
  if (selected && selected.row < layout.rows) paintSelected(canvas, layout, selected, theme);
  if (cursor && cursor.row < layout.rows) paintCursor(canvas, layout, cursor, theme);
  return painted;
}

/** Each region's pixel, as it is and dimmed, by 2 · code; none for samples that are not trained on. @param {Theme} theme */
function shadesOf(theme) {
  const pixels = new Uint8ClampedArray(4 * 2 * CODES);
  for (const { code, key } of REGIONS) {
    if (key === "notTrained") continue;
    const colour = channels(colourOf(theme, key));
    pixels.set([...colour, OPAQUE, ...colour, OPAQUE * DIM], 8 * code);
  }
  return new Uint32Array(pixels.buffer);
}

/**
 * @param {Surface} canvas
 * @param {Layout} layout
 * @param {ArrayLike<number>} codes
 * @param {(index: number) => boolean} dimmed
 * @param {Theme} theme
 * @param {Painted} painted
 */
function paintCells(canvas, layout, codes, dimmed, theme, painted) {
  const { rows, columns, perLine, linesPerRow, left, top, cellWidth, cellHeight } = layout;
  const lines = rows * linesPerRow;
  const pixels = new ImageData(perLine, lines);
  const cells = new Uint32Array(pixels.data.buffer);
  const shades = shadesOf(theme);
  const counts = new Uint32Array(CODES);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const index = row * columns + column;
      const line = row * linesPerRow + Math.floor(column / perLine);
      const faint = dimmed(index) ? 1 : 0;
      cells[line * perLine + (column % perLine)] = shades[2 * codes[index] + faint];
      counts[codes[index]] += 1;
      painted.dimmed += faint;
    }
  }
  painted.cells += rows * columns;
  counts.forEach((count, code) => {
    if (count) painted[regionOf(code).key] += count;
  });
  canvas.mosaic(pixels, left, top, Math.round(perLine * cellWidth), lines * cellHeight);
}

/**
 * @param {Surface} canvas
 * @param {Layout} layout
 * @param {ArrayLike<number>} codes
 * @param {(index: number) => boolean} dimmed
 * @param {Theme} theme
 */
function paintHatching(canvas, layout, codes, dimmed, theme) {
  const { pen, ratio } = canvas;
  const spacing = Math.round(4 * ratio);
  for (const [key, slope] of Object.entries(HATCHED)) {
    const colour = key === "notTrained" ? theme.notTrained : theme.panel;
    pen.fillStyle = canvas.hatching(colour, slope, spacing, ratio);
    const code = REGIONS.find((region) => region.key === key)?.code;
    for (let row = 0; row < layout.rows; row++) {
      for (let column = 0; column < layout.columns; column++) {
        const index = row * layout.columns + column;
        if (codes[index] !== code) continue;
        const { x, y, width, height } = layout.place({ row, column });
        pen.globalAlpha = dimmed(index) ? DIM : 1;
        pen.fillRect(x, y, width, height);
      }
    }
  }
  pen.globalAlpha = 1;
}

/** Separates rows, and steps where there is room. @param {Surface} canvas @param {Layout} layout @param {Theme} theme */
function paintGaps({ pen, ratio }, layout, theme) {
  const { rows, linesPerRow, perLine, left, top, cellWidth, cellHeight } = layout;
  const width = Math.round(perLine * cellWidth); // as wide as the cells: less would leave slivers of them at the end
  const height = rows * linesPerRow * cellHeight;
  const thin = Math.max(1, Math.round(ratio / 2));
  pen.fillStyle = theme.panel;
  if (cellHeight >= 6 * ratio) {
    for (let row = 1; row <= rows; row++) {
      pen.fillRect(left, top + row * linesPerRow * cellHeight - 2 * thin, width, 2 * thin);
    }
  }
  if (cellWidth < 5 * ratio) return;
  for (let step = 1; step < perLine; step++) pen.fillRect(left + Math.round(step * cellWidth) - thin, top, thin, height);
}

/**
 * An episode that terminated ends in a solid bar with a full head, a truncated one in a broken bar with a hollow head.
 *
 * @param {Surface} canvas
 * @param {Layout} layout
 * @param {Snapshot} snapshot
 * @param {Theme} theme
 * @param {Painted} painted
 */
function paintEnds({ pen, ratio }, layout, snapshot, theme, painted) {
  const ends = snapshot.arrays.episode_end;
  if (!ends) return;
  pen.strokeStyle = pen.fillStyle = theme.ink;
  pen.lineWidth = 1.5 * ratio;
  for (let row = 0; row < layout.rows; row++) {
    for (let column = 0; column < layout.columns; column++) {
      const end = ends[row * layout.columns + column];
      if (!end) continue;
      const { x, y, width, height } = layout.place({ row, column });
      const right = x + width;
      const head = Math.min(3.5 * ratio, height / 3);
      pen.setLineDash(end === 1 ? [] : [3 * ratio, 2 * ratio]);
      pen.beginPath();
      pen.moveTo(right, y);
      pen.lineTo(right, y + height - ratio);
      pen.stroke();
      pen.setLineDash([]);
      pen.beginPath();
      pen.moveTo(right - head, y);
      pen.lineTo(right + head, y);
      pen.lineTo(right, y + 1.5 * head);
      pen.closePath();
      if (end === 1) pen.fill();
      else pen.stroke();
      painted[end === 1 ? "terminated" : "truncated"] += 1;
    }
  }
}

/** @param {Surface} canvas @param {Layout} layout @param {Snapshot} snapshot @param {Theme} theme */
function paintAxes({ pen, ratio, width, height }, layout, snapshot, theme) {
  const { rows, columns, total, linesPerRow, perLine, left, top, cellWidth, cellHeight } = layout;
  const bottom = top + rows * linesPerRow * cellHeight;
  const rowHeight = linesPerRow * cellHeight;
  pen.fillStyle = theme.inkSoft;
  pen.font = `${12 * ratio}px ${theme.font}`;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  const everyRow = Math.max(1, Math.ceil((15 * ratio) / rowHeight));
  for (let row = 0; row < rows; row += everyRow) {
    const name = String(snapshot.arrays.environments?.[row] ?? row);
    pen.fillText(name, left - 5 * ratio, top + (row + 0.5) * rowHeight);
  }
  pen.textBaseline = "top";
  pen.textAlign = "center";
  const everyStep = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].find((step) => step * cellWidth >= 44 * ratio) ?? perLine;
  // Beside a run with longer rollouts, its own end earlier.
  for (let step = 0; step < Math.min(perLine, columns); step += everyStep) {
    pen.fillText(String(step), left + (step + 0.5) * cellWidth, bottom + 3 * ratio);
  }
  const called = namesOf(snapshot);
  const across = linesPerRow > 1 ? `${called.step} t, in lines of ${perLine}` : alongInWords(snapshot);
  pen.fillText(across, (left + width) / 2, Math.min(bottom + 18 * ratio, height - 14 * ratio));
  pen.save();
  pen.translate(4 * ratio, (top + bottom) / 2);
  pen.rotate(-Math.PI / 2);
  const some = `${rows} of ${total}`;
  const short = called.row === "sequence" ? "seq." : "env.";
  const names = rows < total ? [`${called.row} (${some})`, `${short} (${some})`, some] : [called.row, short];
  const fits = names.find((name) => pen.measureText(name).width <= bottom - top + 2 * LINE * ratio) ?? names[names.length - 1]; // as much as fits beside the rows
  pen.fillText(fits, 0, 0);
  pen.restore();
}

/**
 * The sample that the panel Sample shows: a frame, and arms that make it easy to find.
 *
 * @param {Surface} canvas
 * @param {Layout} layout
 * @param {Cell} selected
 * @param {Theme} theme
 */
function paintSelected(canvas, layout, selected, theme) {
  const { pen, ratio } = canvas;
  const { x, y, width, height } = layout.place(selected);
  const middle = x + width / 2;
  const bottom = layout.top + layout.rows * layout.linesPerRow * layout.cellHeight;
  paintCursor(canvas, layout, selected, theme);
  pen.fillStyle = theme.ink;
  for (const [tip, base] of [
    [y - 2 * ratio, y - ARM * ratio],
    [y + height + 2 * ratio, y + height + ARM * ratio],
  ]) {
    if (base > bottom) continue; // there are the numbers of the axis
    pen.beginPath();
    pen.moveTo(middle, tip);
    pen.lineTo(middle - 4 * ratio, base);
    pen.lineTo(middle + 4 * ratio, base);
    pen.closePath();
    pen.fill();
    pen.lineWidth = ratio;
    pen.strokeStyle = theme.panel;
    pen.stroke();
  }
}

/** @param {Surface} canvas @param {Layout} layout @param {Cell} cursor @param {Theme} theme */
function paintCursor({ pen, ratio }, layout, cursor, theme) {
  const { x, y, width, height } = layout.place(cursor);
  pen.lineWidth = 4 * ratio;
  pen.strokeStyle = fade(theme.panel, 0.9);
  pen.strokeRect(x - ratio, y - ratio, width + 2 * ratio, height + 2 * ratio);
  pen.lineWidth = 2 * ratio;
  pen.strokeStyle = theme.ink;
  pen.strokeRect(x - ratio, y - ratio, width + 2 * ratio, height + 2 * ratio);
}

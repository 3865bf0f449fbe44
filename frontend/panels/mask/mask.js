// Clip mask: every sample of the rollout as a cell, coloured by what the clip does to its gradient.

import { h, setText } from "../../ui/dom.js";
import { offerDrawing } from "../../ui/drawn.js";
import { snapshotsBeside } from "../../state/beside.js";
import { count, ofSample } from "../../state/format.js";
import { previewOf } from "../../state/previewed.js";
import { namesOf, placeOf } from "../../state/rows.js";
import { coverage, samplesOfRollout, scopeOf } from "../../state/scope.js";
import { Canvas } from "../../draw/canvas.js";
import { environmentChoice } from "../environments.js";
import { arrange } from "./layout.js";
import { paintMask } from "./paint.js";
import { arrow, previewInWords, previewTag } from "../../draw/preview-tag.js";
import { readout } from "../../draw/readout.js";
import { CLIP } from "../../ppo/clip-range.js";
import { REGIONS, regionOf } from "../../ppo/regions.js";
import { revealSample } from "../sample/reveal.js";
import { cellOf, hasClip, holds, matrix } from "../../state/snapshot.js";
import { SvgCanvas } from "../../draw/svg-canvas.js";
import { ofSamples } from "../../draw/tables.js";

/** @import { Panel, PanelContext, PanelView, Snapshot } from "../../types.js" */
/** @import { Previewed } from "../../state/previewed.js" */
/** @import { Layout } from "./layout.js" */
/** @import { Cell } from "./layout.js" */

/** @type {Panel} */
export const mask = {
  name: "Clip mask",
  title: "Clip mask",
  hint: "Does a sample's gradient flow? Click one",
  ideas: ["clip", "ratio"],
  probes: ["samples"],
  compares: "beside",
  mount,
};

/** @type {Record<string, [number, number]>} */
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const box = h("div", { class: "mask" });
  body.append(box);
  const canvas = new Canvas(box, "mask-cells");
  const { element } = canvas;
  const tip = h("p", { class: "tip", role: "status", hidden: true });
  box.append(tip);
  element.tabIndex = 0;
  element.setAttribute("role", "application");
  element.setAttribute("aria-label", "Clip mask. The arrow keys go from sample to sample, Enter selects one.");
  element.dataset.arrows = ""; // they are not the page's to step with while this has the focus
  const label = previewTag(body, CLIP);
  const chooseEnvironments = environmentChoice(body, context);
  const write = readout(body, [
    { label: "inside", swatch: "swatch-inside", room: 5, title: "r lies within the clip range: the policy gradient flows" },
    { label: "held", swatch: "swatch-held", room: 4, title: "The clip has set the policy gradient to zero" },
    { label: "not held", swatch: "swatch-unheld", room: 4, title: "A clip would hold it; this objective has none" },
    { label: "pulled back", swatch: "swatch-pulledBack", room: 3, title: "Outside of the clip range, but the gradient flows at full size" },
    { label: "not trained", swatch: "swatch-notTrained", room: 3, title: "No transition: the environment was being reset, or it is padding" },
    { label: "terminated", swatch: "swatch-terminated", room: 3, title: "Episodes that ended by themselves" },
    { label: "truncated", swatch: "swatch-truncated", room: 3, title: "Episodes that were cut off, mostly by a time limit" },
    { label: "counted", room: 20, title: "How many of the rollout's samples are drawn and counted here, and under which weights" },
  ]);

  /** @type {Snapshot | null} */
  let snapshot = null;
  /** @type {number | null} */
  let environments = null;
  let all = NaN; // samples of the rollout
  /** The samples of other runs, beside these. @type {{ rows: number, columns: number }[]} */
  let beside = [];
  /** @type {Layout | null} */
  let layout = null;
  /** @type {Cell | null} */
  let cursor = null;
  /** @type {Cell | null} */
  let selected = null;
  /** @type {Previewed | null} */
  let preview = null;
  let sized = false;
  let scale = 1; // of the theme

  function paint() {
    const region = snapshot && matrix(snapshot, "region");
    if (!snapshot || !region) return;
    if (!sized || scale !== context.theme().scale) canvas.fit((scale = context.theme().scale));
    sized = canvas.width > 0 && canvas.height > 0;
    if (!sized) return;
    layout = arrange(canvas, region.rows, region.columns, environments ?? region.rows, beside);
    if (cursor && !isThere(cursor, layout)) {
      cursor = null; // rollouts need not be of one length
      tip.hidden = true;
    }
    const painted = paintMask(canvas, layout, snapshot, context.theme(), cursor, selected, preview?.then.codes);
    const absent = hasClip(snapshot) ? "unheld" : "held";
    const keys = ["inside", "held", "unheld", "pulledBack", "notTrained", "terminated", "truncated"];
    const now = preview ? countRegions(region.values, layout.rows * layout.columns) : painted;
    // Twice the numbers would need another line: what a preview does not change makes room for it.
    const away = preview ? [absent, "terminated", "truncated"] : [absent];
    const counted = `${coverage(painted.cells, all)}, ${scopeOf(snapshot.header, "cells")}`;
    write([...keys.map((key) => (away.includes(key) ? null : arrow(count(now[key]), count(painted[key])))), counted]);
    label(preview);
    box.toggleAttribute("data-preview", preview !== null);
    element.dataset.preview = preview ? String(preview.values.clip_range) : "";
    for (const [key, value] of Object.entries(painted)) element.dataset[key] = String(value);
    element.dataset.update = String(snapshot.header.update);
    element.dataset.environments = (snapshot.arrays.environments ?? []).join();
    element.dataset.selected = selected ? `${selected.row},${selected.column}` : "";
    element.dataset.minibatch = String(snapshot.header.minibatch);
    if (cursor) showTip(cursor);
  }

  /** @param {Cell | null} cell */
  function pick(cell) {
    cursor = cell;
    tip.hidden = cell === null;
    paint();
  }

  /** @param {Cell | null} cell to be shown in full */
  function choose(cell) {
    if (!snapshot || !cell) return;
    context.select({ environment: snapshot.arrays.environments?.[cell.row] ?? cell.row, step: cell.column });
    revealSample(context);
  }

  /** @param {Cell} cell */
  function showTip(cell) {
    if (!snapshot || !layout) return;
    setText(tip, inWords(snapshot, cell) + wouldBe(cell));
    const { x, y, width, height } = layout.place(cell);
    const scale = 1 / canvas.density;
    const below = y * scale < tip.offsetHeight + 8;
    const left = Math.min(Math.max(0, (x + width / 2) * scale - tip.offsetWidth / 2), box.clientWidth - tip.offsetWidth);
    const top = below ? (y + height) * scale + 6 : y * scale - tip.offsetHeight - 6;
    tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  /** @param {Cell} cell */
  function wouldBe({ row, column }) {
    const code = preview?.then.codes[row * (layout?.columns ?? 0) + column];
    return code === undefined ? "" : `. Preview: ${regionOf(code).word}`;
  }

  offerDrawing(element, () => {
    if (!snapshot || !layout) return null;
    const vectors = new SvgCanvas(canvas, context.theme().panel);
    paintMask(vectors, layout, snapshot, context.theme(), null, selected, preview?.then.codes);
    return { markup: vectors.text, width: canvas.width / canvas.density, height: canvas.height / canvas.density };
  });

  // The line of numbers below may need another row, which takes it from the canvas and not from the panel.
  new ResizeObserver(() => {
    sized = false;
    context.redraw();
  }).observe(box);
  element.addEventListener("pointermove", ({ offsetX, offsetY }) => {
    const cell = layout?.at(offsetX * canvas.density, offsetY * canvas.density) ?? null;
    if (cell?.row !== cursor?.row || cell?.column !== cursor?.column) pick(cell);
  });
  element.addEventListener("click", ({ offsetX, offsetY }) => {
    choose(layout?.at(offsetX * canvas.density, offsetY * canvas.density) ?? null);
    tip.hidden = true; // Sample says it now, and the cells around it are to be seen
  });
  element.addEventListener("pointerleave", () => pick(null));
  element.addEventListener("blur", () => pick(null));
  element.addEventListener("keydown", (event) => {
    if (!layout) return;
    if (event.key === "Escape" && cursor) pick(null);
    else if (event.key === "Enter" && cursor) choose(cursor);
    else if (event.key === "Home") pick({ row: cursor?.row ?? 0, column: 0 });
    else if (event.key === "End") pick({ row: cursor?.row ?? 0, column: layout.columns - 1 });
    else if (MOVES[event.key]) pick(cursor ? moved(cursor, MOVES[event.key], layout) : { row: 0, column: 0 });
    else return;
    event.preventDefault();
  });

  return {
    needs: ["snapshot", "theme", "selection", "preview"],
    ready: (state) => holds(state, "region"),
    draw(state) {
      chooseEnvironments(state);
      const total = state.run?.settings.num_envs;
      environments = typeof total === "number" ? total : null;
      all = samplesOfRollout(state);
      snapshot = state.snapshot;
      beside = snapshotsBeside(state).flatMap((other) => matrix(other, "region") ?? []);
      const previewed = previewOf(state);
      preview = previewed?.clip ? previewed : null; // c₁ and c₂ change nothing here
      selected = snapshot && state.selection ? cellOf(snapshot, state.selection) : null;
      paint();
    },
    resize() {
      sized = false;
    },
    table: (state) => ofSamples(state, ["ratio", "region", "in_minibatch", "episode_end", "advantage_used"]),
    summary: (state) => (state.snapshot ? summary(state.snapshot, samplesOfRollout(state)) + previewInWords(previewOf(state)) : ""),
  };
}

/** Regions by their keys. @param {ArrayLike<number>} codes @param {number} end */
function countRegions(codes, end) {
  /** @type {Record<string, number>} */
  const found = Object.fromEntries(REGIONS.map(({ key }) => [key, 0]));
  for (let at = 0; at < end; at++) found[regionOf(codes[at]).key] += 1;
  return found;
}

/** @param {Cell} cell @param {Layout} layout */
const isThere = ({ row, column }, { rows, columns }) => row < rows && column < columns;

/**
 * @param {Cell} cell
 * @param {[number, number]} by
 * @param {Layout} layout
 * @returns {Cell}
 */
function moved({ row, column }, [down, right], { rows, columns }) {
  const within = (/** @type {number} */ value, /** @type {number} */ end) => Math.min(Math.max(value, 0), end - 1);
  return { row: within(row + down, rows), column: within(column + right, columns) };
}

/** @param {Snapshot} snapshot @param {Cell} cell */
function inWords(snapshot, { row, column }) {
  /** @param {string} name */
  const value = (name) => {
    const found = matrix(snapshot, name);
    return found ? found.values[row * found.columns + column] : NaN;
  };
  const region = regionOf(value("region"));
  const environment = snapshot.arrays.environments?.[row] ?? row;
  const end = ["", ", the episode terminates here", ", the episode is truncated here"][value("episode_end")] ?? "";
  const place = placeOf(snapshot, environment, column);
  if (region.key === "notTrained") return `${place}: not trained; ${region.meaning}`;
  const outside = value("in_minibatch") === 0 ? " (not in this minibatch)" : "";
  return `${place}: r = ${ofSample(value("ratio"))}, Â as used = ${ofSample(value("advantage_used"))}; ${region.word}: ${region.meaning}${end}${outside}`;
}

/** @param {Snapshot} snapshot @param {number} all samples of the rollout */
function summary(snapshot, all) {
  const region = matrix(snapshot, "region");
  if (!region) return "";
  const counts = REGIONS.map(({ code, word }) => ({ word, n: region.values.filter((value) => value === code).length }));
  const list = counts.filter(({ n }) => n > 0).map(({ word, n }) => `${count(n)} ${word}`);
  const names = namesOf(snapshot);
  return `${region.rows} ${region.rows === 1 ? names.row : names.rows} × ${region.columns} ${names.steps}, ${coverage(region.values.length, all)}, ${scopeOf(snapshot.header, "cells")}: ${list.join(", ")}.`;
}

// The distributions of the panel Policy as bars: which states, and where each bar lies.

import { compact, figure, fixed, number } from "../../state/format.js";
import { nothing, rectangle } from "../../draw/polygons.js";
import { roundUp } from "../../draw/ranges.js";
import { cellOf, matrix } from "../../state/snapshot.js";

/** @import { Choose } from "../../draw/fit.js" */
/** @import { Bar, Polygons } from "../../draw/polygons.js" */
/** @import { Range } from "../../draw/ranges.js" */
/** @import { Selection, Snapshot } from "../../types.js" */

/**
 * @typedef {object} Description what the columns of a distribution are
 * @property {string[]} columns
 * @property {string[] | null} actions what they do
 * @property {number[]} groups
 * @property {boolean} isBox
 * @property {number} bars per state
 * @property {string} maximum of the entropy, as a formula
 * @property {(number | null)[][]} bounds lows and highs of a Box, one for each bar: where actions are cut off
 *
 * @typedef {object} Slot a state and what the policy would do there
 * @property {number} environment
 * @property {number} step
 * @property {ArrayLike<number>} before
 * @property {ArrayLike<number>} now
 * @property {ArrayLike<number> | null} allowed 0 where an action mask forbids the action; null where there is none
 * @property {boolean} isSelected
 * @property {number[] | null} taken the columns that belong to the action that was taken; known of the selected sample
 */

const NARROWEST = 5; // CSS pixels that a bar and the gap beside it need, where there is more than one state
const HATCHED = 6; // CSS pixels from line to line of what is forbidden
const OUTLINED = 4; // below that bars are drawn as one shape with one outline
const FLAT = 4; // times: an axis that much longer than what is on it would press it flat
export const SELECTED = "selected"; // what stands under the bars of the selected state
export const WIDTH = 0.8; // of a state's bars, of the room that it has

/** @param {Snapshot} snapshot */
export const describe = (snapshot) => description(snapshot.header.notes?.policy);

/** @param {any} note @returns {Description} */
export function description({ kind = "discrete", columns = [], groups = [], actions = null, bounds = [[], []] } = {}) {
  const isBox = kind === "box";
  const maximum = kind === "multi_binary" ? `${columns.length}·log 2` : kind === "multi_discrete" ? "Σ log n" : `log ${columns.length}`;
  return { columns, actions, groups, isBox, bars: isBox ? columns.length / 2 : columns.length, maximum, bounds };
}

/**
 * The states that were measured, spread over the rollout; and the one that is selected, where its distribution is known.
 *
 * @param {Snapshot} snapshot
 * @param {Selection | null} selection
 * @param {number} room for so many of them: the selected one comes first
 */
export function slots(snapshot, selection, room = Infinity) {
  const before = matrix(snapshot, "policy_before");
  const now = matrix(snapshot, "policy_now");
  const allowed = matrix(snapshot, "policy_allowed");
  const places = snapshot.arrays.policy_places ?? [];
  /** @type {Slot[]} */
  const found = [];
  if (!before || !now) return found;
  const selected = selection && selectedSlot(snapshot, selection);
  const others = Math.min(before.rows, Math.max(0, room - (selected ? 1 : 0)));
  for (let place = 0; place < others; place++) {
    const row = Math.round((place * (before.rows - 1)) / Math.max(1, others - 1)); // the first and the last among them
    const [from, to] = [row * before.columns, (row + 1) * before.columns];
    found.push({
      environment: places[2 * row],
      step: places[2 * row + 1],
      before: before.values.subarray(from, to),
      now: now.values.subarray(from, to),
      allowed: allowed?.values.subarray(from, to) ?? null,
      isSelected: false,
      taken: null,
    });
  }
  return selected ? [...found, selected] : found;
}

/** How many states have room side by side, at least one. @param {Description} about @param {number} width CSS pixels */
export const roomFor = (about, width) => Math.max(1, Math.floor((WIDTH * width) / (NARROWEST * Math.max(1, about.bars))));

/** @param {Snapshot} snapshot @param {Selection} selection @returns {Slot | null} */
function selectedSlot(snapshot, selection) {
  const cell = cellOf(snapshot, selection);
  const before = cell && numbersAt(snapshot, "policy_old", cell);
  const now = cell && numbersAt(snapshot, "policy_new", cell);
  if (!before || !now || snapshot.arrays.region?.[cell.row * (snapshot.header.arrays.region?.shape[1] ?? 0) + cell.column] === 0) return null;
  return { ...selection, before, now, allowed: numbersAt(snapshot, "allowed", cell), isSelected: true, taken: null };
}

/**
 * The numbers of one sample in an array [E, T, n].
 *
 * @param {Snapshot} snapshot
 * @param {string} name
 * @param {{ row: number, column: number }} cell
 */
export function numbersAt(snapshot, name, { row, column }) {
  const values = snapshot.arrays[name];
  const shape = snapshot.header.arrays[name]?.shape;
  if (!values || shape?.length !== 3) return null;
  const start = (row * shape[1] + column) * shape[2];
  return values.subarray(start, start + shape[2]);
}

/** Where a state's bars begin: the selected one stands a little apart. @param {Slot} slot @param {number} index */
const startOf = ({ isSelected }, index) => index + (isSelected && index > 0 ? 0.25 : 0);

/** Of all states, in states. @param {Slot[]} places */
const widthOf = (places) => places.length + (places.length > 1 && places.at(-1)?.isSelected ? 0.25 : 0);

/**
 * How much further than its states the axis goes, in states, so that the name of the selected one is whole: it stands at the
 * end, and is wider than its bars.
 *
 * @param {Slot[]} places
 * @param {number} half of the name, beyond what the margin has room for, as a share of the axis
 */
export function beyondStates(places, half) {
  if (places.length < 2 || !places.at(-1)?.isSelected) return 0;
  return Math.max(0, (half * widthOf(places) - 0.5) / (1 - half));
}

/** The state whose bars are at a place of the axis. @param {Slot[]} places @param {number} x */
export const slotAt = (places, x) => places.find((slot, index) => x >= startOf(slot, index) && x < startOf(slot, index) + 1) ?? null;

/**
 * One bar per action and state, from 0 to its probability; of a Box one per dimension, from mean − σ to mean + σ, with
 * the mean as a line, and lines where actions are cut off. Where bars would be thinner than their outlines, those of
 * a state are one shape.
 *
 * @param {Slot[]} places
 * @param {Description} about
 * @param {number} width of the drawing, in CSS pixels
 */
export function bars(places, about, width) {
  const now = nothing();
  const before = nothing();
  const taken = nothing();
  const bounds = nothing();
  const whole = widthOf(places);
  const room = WIDTH / Math.max(1, about.bars);
  const gap = (room * width) / Math.max(1, whole) < OUTLINED ? 0 : 0.1;
  /** @type {{ at: number, text: string }[]} */
  const ticks = [];
  places.forEach((slot, index) => {
    const start = startOf(slot, index);
    ticks.push({ at: start + 0.5, text: slot.isSelected ? SELECTED : `${slot.environment}·${slot.step}` });
    const spans = Array.from({ length: about.bars }, (_, bar) => {
      const left = start + (1 - WIDTH) / 2 + bar * room;
      return { left, right: left + (1 - gap) * room, text: inWords(slot, about, bar) };
    });
    const ofNow = spans.map((span, bar) => ({ ...span, ...reachOf(slot.now, bar, about) }));
    const ofBefore = spans.map((span, bar) => ({ ...span, ...reachOf(slot.before, bar, about), text: "" }));
    if (gap) {
      ofNow.forEach((bar) => rectangle(now, bar));
      ofBefore.forEach((bar) => rectangle(before, bar));
    } else {
      shape(now, ofNow);
      shape(before, ofBefore);
    }
    if (about.isBox) spans.forEach(({ left, right }, bar) => line(taken, left, right, slot.now[bar]));
    for (const edge of about.bounds) spans.forEach(({ left, right }, bar) => edge[bar] != null && line(bounds, left, right, edge[bar]));
  });
  return { now, before, taken, bounds, ticks, width: whole };
}

/**
 * Slanted lines all the way up where no bar may stand, because an action mask forbids the action.
 *
 * @param {Slot[]} places
 * @param {Description} about
 * @param {Range} span of the axis
 * @param {{ width: number, height: number }} size of the drawing, in CSS pixels
 */
export function hatching(places, about, [low, high], { width, height }) {
  const lines = nothing();
  const room = WIDTH / Math.max(1, about.bars);
  const [across, up] = [widthOf(places) / Math.max(1, width), (high - low) / Math.max(1, height)]; // of a pixel
  const wide = room / across;
  places.forEach(({ allowed }, index) => {
    for (let bar = 0; allowed && bar < about.bars; bar++) {
      if (allowed[bar]) continue;
      const left = startOf(places[index], index) + (1 - WIDTH) / 2 + bar * room;
      for (let at = HATCHED - wide; at < height; at += HATCHED) {
        const [from, to] = [Math.max(0, at), Math.min(height, at + wide)];
        lines.x.push(left + (from - at) * across, left + (to - at) * across, NaN);
        lines.y.push(low + from * up, low + to * up, NaN);
      }
    }
  });
  return lines;
}

/** From where to where a bar goes. @param {ArrayLike<number>} values @param {number} bar @param {Description} about */
function reachOf(values, bar, about) {
  if (!about.isBox) return { bottom: 0, top: values[bar] };
  const deviation = values[bar + about.bars];
  return { bottom: values[bar] - deviation, top: values[bar] + deviation };
}

/** Bars beside each other as one: along their tops, and back along their bottoms. @param {Polygons} polygons @param {Bar[]} row */
function shape({ x, y, customdata }, row) {
  if (!row.length) return;
  for (const { left, right, top, text } of row) {
    x.push(left, right);
    y.push(top, top);
    customdata.push(text, text);
  }
  for (const { left, right, bottom, text } of row.toReversed()) {
    x.push(right, left);
    y.push(bottom, bottom);
    customdata.push(text, text);
  }
  x.push(row[0].left, NaN);
  y.push(row[0].top, NaN);
  customdata.push(row[0].text, "");
}

/** @param {Polygons} polygons @param {number} left @param {number} right @param {number} at */
function line({ x, y }, left, right, at) {
  x.push(left, right, NaN);
  y.push(at, at, NaN);
}

/** @param {Slot} slot @param {Description} about @param {number} bar */
function inWords({ environment, step, before, now }, about, bar) {
  const name = nameOf(about, bar);
  const place = `environment ${environment}, step ${step}<br>${name}`;
  if (!about.isBox) return `${place}: ${figure(before[bar], 3)} → ${figure(now[bar], 3)}`;
  const deviation = bar + about.bars;
  return `${place}: ${fixed(before[bar], 3)} ± ${fixed(before[deviation], 3)} → ${fixed(now[bar], 3)} ± ${fixed(now[deviation], 3)}`;
}

/** @param {Description} about @param {number} index of a column */
export function nameOf({ columns, actions, isBox, bars: count }, index) {
  const meaning = actions?.[isBox ? index % count : index];
  return meaning ? `${columns[index]}, ${meaning}` : columns[index];
}

/** How the distribution moved on average, one bar per column. @param {Snapshot} snapshot @param {Description} about */
export function shifts(snapshot, about) {
  const shift = snapshot.arrays.policy_shift ?? new Float32Array();
  const polygons = nothing();
  shift.forEach((value, index) => {
    const text = `${nameOf(about, index)}: ${value >= 0 ? "+" : ""}${compact(value)}`;
    rectangle(polygons, { left: index + 0.15, right: index + 0.85, bottom: 0, top: value, text });
  });
  return { ...polygons, width: Math.max(1, shift.length) };
}

/** "range [−1, 1]", where all parts of an action have the same. @param {Description} about */
export function rangeInWords({ bounds: [lows, highs] }) {
  const [low, high] = [lows[0], highs[0]];
  if (low == null || high == null || lows.some((other) => other !== low) || highs.some((other) => other !== high)) return "";
  return `, range [${number(low)}, ${number(high)}]`;
}

/**
 * Values that the axis has to show: what the policy does, and the bounds where they are not so far away that they would
 * press it flat.
 *
 * @param {Description} about @param {Range} values
 * @returns {Range}
 */
export function withBounds({ bounds }, [low, high]) {
  const edges = bounds.flat().filter((edge) => edge !== null);
  const [lowest, highest] = [Math.min(low, ...edges), Math.max(high, ...edges)];
  return highest - lowest <= FLAT * (high - low) ? [lowest, highest] : [low, high];
}

const APART = 6; // CSS pixels between two names

/**
 * Names under bars that stand at 0.5, 1.5, …: all of them, or those of the groups, or every so many.
 *
 * @param {Description} about
 * @param {number} count of bars
 * @returns {Choose}
 */
export const barNames =
  (about, count) =>
  (_, { length, measure }) => {
    const names = about.columns.slice(0, count).map((name) => name.replace(/^a = /, ""));
    const room = length / Math.max(1, count);
    const needed = (Math.max(0, ...names.map(measure)) + APART) / room; // bars
    const groups = about.groups.length > 1 && about.groups.some((size) => size > 1) ? groupNames(about, names) : [];
    const fits = groups.every(({ text, size }) => measure(text) + APART <= size * room);
    if (needed > 1 && groups.length && fits) return { tickvals: groups.map(({ at }) => at), ticktext: groups.map(({ text }) => text) };
    const every = needed <= 1 ? 1 : roundUp(needed);
    const shown = names.flatMap((text, index) => (index % every === 0 ? [{ at: index + 0.5, text }] : []));
    return { tickvals: shown.map(({ at }) => at), ticktext: shown.map(({ text }) => text) };
  };

/** "a₀", or "μ" of many, in the middle of the bars that belong together. @param {Description} about @param {string[]} names */
function groupNames({ groups }, names) {
  let start = 0;
  return groups.flatMap((size) => {
    const from = start;
    start += size;
    const name = (names[from] ?? "").replace(/ = .*$/, "");
    return from < names.length ? [{ at: from + size / 2, size, text: /^[μσ]/.test(name) ? name[0] : name }] : [];
  });
}

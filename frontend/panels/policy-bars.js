// The distributions of the panel Policy as bars: which states, and where each bar lies.

import { fixed } from "../state/format.js";
import { cellOf, matrix } from "./snapshot.js";

/** @import { Selection, Snapshot } from "../types.js" */

/**
 * @typedef {object} Description what the columns of a distribution are
 * @property {string[]} columns
 * @property {string[] | null} actions what they do
 * @property {number[]} groups
 * @property {boolean} isBox
 * @property {number} bars per state
 * @property {string} maximum of the entropy, as a formula
 *
 * @typedef {object} Slot a state and what the policy would do there
 * @property {number} environment
 * @property {number} step
 * @property {ArrayLike<number>} before
 * @property {ArrayLike<number>} now
 * @property {boolean} isSelected
 * @property {number[] | null} taken the columns that belong to the action that was taken; known of the selected sample
 */

const MOST_BARS = 260; // in the whole chart: more would be thinner than a line
const WIDTH = 0.8; // of a bar, of the room that it has

/** @param {Snapshot} snapshot @returns {Description} */
export function describe(snapshot) {
  const { kind = "discrete", columns = [], groups = [], actions = null } = snapshot.header.notes?.policy ?? {};
  const isBox = kind === "box";
  const maximum = kind === "multi_binary" ? `${columns.length}·log 2` : kind === "multi_discrete" ? "Σ log n" : `log ${columns.length}`;
  return { columns, actions, groups, isBox, bars: isBox ? columns.length / 2 : columns.length, maximum };
}

/**
 * The states on show, spread over the rollout; and the one that is selected, where its distribution is known.
 *
 * @param {Snapshot} snapshot
 * @param {Description} about
 * @param {Selection | null} selection
 */
export function slots(snapshot, about, selection) {
  const before = matrix(snapshot, "policy_before");
  const now = matrix(snapshot, "policy_now");
  const places = snapshot.arrays.policy_places ?? [];
  /** @type {Slot[]} */
  const found = [];
  if (!before || !now) return found;
  const room = Math.max(1, Math.floor(MOST_BARS / Math.max(1, about.bars)) - 1);
  for (let row = 0; row < Math.min(before.rows, room); row++) {
    const [from, to] = [row * before.columns, (row + 1) * before.columns];
    found.push({
      environment: places[2 * row],
      step: places[2 * row + 1],
      before: before.values.subarray(from, to),
      now: now.values.subarray(from, to),
      isSelected: false,
      taken: null,
    });
  }
  const selected = selection && selectedSlot(snapshot, selection);
  return selected ? [...found, selected] : found;
}

/** @param {Snapshot} snapshot @param {Selection} selection @returns {Slot | null} */
function selectedSlot(snapshot, selection) {
  const cell = cellOf(snapshot, selection);
  const before = cell && numbersAt(snapshot, "policy_old", cell);
  const now = cell && numbersAt(snapshot, "policy_new", cell);
  if (!before || !now || snapshot.arrays.region?.[cell.row * (snapshot.header.arrays.region?.shape[1] ?? 0) + cell.column] === 0) return null;
  return { ...selection, before, now, isSelected: true, taken: null };
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
const startOf = ({ isSelected }, index) => index + (isSelected ? 0.25 : 0);

/** The state whose bars are at a place of the axis. @param {Slot[]} places @param {number} x */
export const slotAt = (places, x) => places.find((slot, index) => x >= startOf(slot, index) && x < startOf(slot, index) + 1) ?? null;

/** @typedef {{ x: number[], y: number[], customdata: string[] }} Polygons closed, with gaps between them */

/** @returns {Polygons} */
const nothing = () => ({ x: [], y: [], customdata: [] });

/** @param {Polygons} polygons @param {number} left @param {number} right @param {number} bottom @param {number} top @param {string} text */
function rectangle(polygons, left, right, bottom, top, text = "") {
  polygons.x.push(left, left, right, right, left, NaN);
  polygons.y.push(bottom, top, top, bottom, bottom, NaN);
  polygons.customdata.push(text, text, text, text, text, "");
}

/**
 * One bar per action and state, from 0 to its probability; of a Box one per dimension, from mean − σ to mean + σ, with
 * the mean as a line.
 *
 * @param {Slot[]} places
 * @param {Description} about
 */
export function bars(places, about) {
  const now = nothing();
  const before = nothing();
  const taken = nothing();
  const room = Math.max(0.1, WIDTH / Math.max(1, about.bars));
  /** @type {{ at: number, text: string }[]} */
  const ticks = [];
  places.forEach((slot, index) => {
    const start = startOf(slot, index);
    const text = slot.isSelected ? "selected" : `${slot.environment}·${slot.step}`;
    // Every other one has room, and the selected one takes that of its neighbour.
    if (slot.isSelected || (index % 2 === 0 && index < 7)) ticks.push({ at: start + 0.5, text });
    for (let bar = 0; bar < about.bars; bar++) {
      const left = start + (1 - WIDTH) / 2 + bar * room;
      const right = left + 0.9 * room;
      const text = inWords(slot, about, bar);
      if (about.isBox) {
        interval(now, left, right, slot.now[bar], slot.now[bar + about.bars], text);
        interval(before, left, right, slot.before[bar], slot.before[bar + about.bars], "");
        taken.x.push(left, right, NaN);
        taken.y.push(slot.now[bar], slot.now[bar], NaN);
      } else {
        rectangle(now, left, right, 0, slot.now[bar], text);
        rectangle(before, left, right, 0, slot.before[bar]);
      }
    }
  });
  return { now, before, taken, ticks, width: places.length + (places.at(-1)?.isSelected ? 0.25 : 0) };
}

/** @param {Polygons} polygons @param {number} left @param {number} right @param {number} mean @param {number} deviation @param {string} text */
function interval(polygons, left, right, mean, deviation, text) {
  rectangle(polygons, left, right, mean - deviation, mean + deviation, text);
}

/** @param {Slot} slot @param {Description} about @param {number} bar */
function inWords({ environment, step, before, now }, about, bar) {
  const name = nameOf(about, bar);
  const place = `environment ${environment}, step ${step}<br>${name}`;
  if (!about.isBox) return `${place}: ${fixed(before[bar], 3)} → ${fixed(now[bar], 3)}`;
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
  /** @type {{ tickvals: number[], ticktext: string[] }} */
  const ticks = { tickvals: [], ticktext: [] };
  const every = Math.ceil(shift.length / 6);
  shift.forEach((value, index) => {
    const name = nameOf(about, index);
    rectangle(polygons, index + 0.15, index + 0.85, 0, value, `${name}: ${value >= 0 ? "+" : "−"}${fixed(Math.abs(value), 4)}`);
    if (index % every === 0) {
      ticks.tickvals.push(index + 0.5);
      ticks.ticktext.push(about.columns[index].replace(/^a = /, ""));
    }
  });
  return { ...polygons, ticks, width: Math.max(1, shift.length) };
}

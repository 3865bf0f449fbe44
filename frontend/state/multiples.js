// Small multiples of compared runs: which combinations of values there are, where each of them stands, and what is said of it.

import { bestOf, finalOf, isOnOneScale, labelOf, nameOfGroup } from "./compared.js";
import { NONE, count, settingText, returned } from "./format.js";
import { stateInWords } from "./stands.js";

/** @import { ComparedGroup, Comparison, Setting, SettingValue, SweepTold } from "../types.js" */

const FEW = 4; // groups that one chart tells apart at a glance
const ABREAST = 5; // columns that still have room for a chart each

/**
 * @typedef {{ id: string | null, seed: number | null, state: string }} Standing of a run; without an identifier it has not begun
 *
 * @typedef {object} Combination
 * @property {string} key
 * @property {string} name
 * @property {ComparedGroup | null} group null: nothing of it is known yet
 * @property {Standing[]} runs
 * @property {number} row of those that have one, from 0; −1 of what has no place in them
 * @property {number} column
 *
 * @typedef {object} Arrangement
 * @property {string[]} rows headings; none: the combinations follow each other
 * @property {string[]} columns headings
 * @property {Combination[]} cells
 *
 * @typedef {{ values: Record<string, SettingValue | undefined>, group: ComparedGroup | null, runs: Standing[] }} Entry
 */

/** Whether small multiples say more than one chart, as long as nobody has chosen. @param {Comparison} comparison @param {SweepTold | null} sweep */
export const isMany = ({ groups }, sweep) => Math.max(groups.length, sweep ? combinationsOf(sweep).size : 0) > FEW;

/**
 * The combinations of a comparison in their places: of two settings that are varied, one goes down and one across.
 *
 * @param {Comparison} comparison
 * @param {SweepTold | null} sweep whose plan it is, with what has not begun
 * @param {readonly Setting[]} table of settings
 * @param {(run: string) => string | null} stateOf one that is compared; null of others
 * @returns {Arrangement}
 */
export function arranged(comparison, sweep, table, stateOf) {
  const names = sweep ? Object.keys(sweep.vary) : comparison.differing;
  const { entries, rest } = sweep ? planned(comparison, sweep, stateOf) : found(comparison, stateOf);
  const label = (/** @type {string} */ name, /** @type {SettingValue | undefined} */ value) =>
    name === "env" ? settingText(value) : `${labelOf(name, table)} ${settingText(value)}`;
  const values = names.map((name) => inOrder(entries.map((entry) => entry.values[name])));
  const at = (/** @type {Entry} */ entry) => names.map((name, of) => values[of].findIndex((value) => same(value, entry.values[name])));
  const sorted = entries.map((entry) => ({ entry, place: at(entry) })).sort((a, b) => compare(a.place, b.place));
  const crossed =
    names.length === 2 && values.every(({ length }) => length > 1) && new Set(sorted.map(({ place }) => place.join())).size === sorted.length;
  const [down, across] = crossed && values[1].length > ABREAST && values[0].length < values[1].length ? [1, 0] : [0, 1];
  const headings = (/** @type {number} */ of) => (crossed ? values[of].map((value) => label(names[of], value)) : []);
  const ends = rest.map((group) => ({ entry: entryOf(group, {}, stateOf), place: [-1, -1] }));
  const inRows = crossed ? sorted.sort((a, b) => a.place[down] - b.place[down] || a.place[across] - b.place[across]) : sorted;
  const cells = [...inRows, ...ends].map(({ entry, place }) => {
    const own = names.map((name) => label(name, entry.values[name])).join(", ");
    const name = entry.group && (place[0] === -1 || !sweep) ? nameOfGroup(entry.group, comparison, table) : own || "all runs";
    const [row, column] = crossed ? [place[down], place[across]] : [-1, -1];
    return { key: name, name, group: entry.group, runs: entry.runs, row, column };
  });
  return { rows: headings(down), columns: headings(across), cells };
}

/** By the values that are varied. @param {SweepTold} sweep @returns {Map<string, Entry>} */
function combinationsOf({ vary, planned }) {
  /** @type {Map<string, Entry>} */
  const found = new Map();
  for (const { values, run } of planned) {
    const own = Object.fromEntries(Object.keys(vary).map((name) => [name, values[name]]));
    const key = JSON.stringify(own);
    const entry = found.get(key) ?? { values: own, group: null, runs: [] };
    entry.runs.push({ id: run, seed: Number(values.seed), state: "waiting" });
    found.set(key, entry);
  }
  return found;
}

/** As they are planned; runs that somebody has changed, or that are of no plan, make groups of their own. @param {Comparison} comparison @param {SweepTold} sweep @param {(run: string) => string | null} stateOf */
function planned({ groups }, sweep, stateOf) {
  const entries = [...combinationsOf(sweep).values()];
  const rest = groups.filter((group) => {
    const entry = group.changes.length || group.parent ? undefined : entries.find(({ runs }) => runs.some(({ id }) => id === group.runs[0].id));
    if (!entry || entry.group) return true;
    entry.group = group;
    return false;
  });
  const elsewhere = new Set(rest.flatMap(({ runs }) => runs.map(({ id }) => id)));
  for (const entry of entries)
    entry.runs = entry.runs.flatMap(({ id, seed }) => {
      const state = id === null ? "waiting" : elsewhere.has(id) ? null : stateOf(id);
      return state === null ? [] : [{ id, seed, state }];
    });
  return { entries: entries.filter(({ runs }) => runs.length), rest };
}

/** As the groups are. @param {Comparison} comparison @param {(run: string) => string | null} stateOf @returns {{ entries: Entry[], rest: ComparedGroup[] }} */
function found({ groups, differing }, stateOf) {
  const own = (/** @type {ComparedGroup} */ { changes, parent }) => changes.length || parent;
  const entries = groups
    .filter((group) => !own(group))
    .map((group) => {
      const values = differing.map((name) => [name, name === "env" ? group.environment : group.settings[name]]);
      return entryOf(group, Object.fromEntries(values), stateOf);
    });
  return { entries, rest: groups.filter(own) };
}

/** @param {ComparedGroup} group @param {Entry["values"]} values @param {(run: string) => string | null} stateOf @returns {Entry} */
const entryOf = (group, values, stateOf) => ({ values, group, runs: group.runs.map(({ id, seed }) => ({ id, seed, state: stateOf(id) ?? "" })) });

/** @param {unknown} a @param {unknown} b */
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** @param {number[]} a @param {number[]} b */
const compare = (a, b) => a.map((place, at) => place - b[at]).find((difference) => difference !== 0) ?? 0;

/** Each once: numbers by their size, anything else as it came. @param {(SettingValue | undefined)[]} values */
function inOrder(values) {
  const once = values.filter((value, at) => values.findIndex((other) => same(value, other)) === at);
  return once.every((value) => typeof value === "number") ? once.sort((a, b) => Number(a) - Number(b)) : once;
}

/** States that somebody waits for, last; what ended badly before them. */
const ORDER = ["finished", "running", "paused", "starting", "waiting"];
const UNDER_WAY = new Set(["running", "paused", "starting", "stalled", "waiting"]);
export const BADLY = new Set(["failed", "killed", "out_of_memory", "unreadable"]);

/** "5 runs: 3 finished, 2 running". @param {Standing[]} runs */
export function standingInWords(runs) {
  const states = [...new Set(runs.map(({ state }) => state))].filter(Boolean);
  const place = (/** @type {string} */ state) => (ORDER.indexOf(state) + 1 || ORDER.length + 1) - 1;
  const all = runs.length === 1 ? "1 run" : `${count(runs.length)} runs`;
  if (states.length === 1) return `${all}, ${runs.length > 1 ? "all " : ""}${stateInWords(states[0])}`;
  const parts = states
    .sort((a, b) => place(a) - place(b))
    .map((state) => `${count(runs.filter((run) => run.state === state).length)} ${stateInWords(state)}`);
  return parts.length ? `${all}: ${parts.join(", ")}` : all;
}

/** Whether nothing of it will change. @param {Combination[]} cells */
export const isSettled = (cells) => !cells.some(({ runs }) => runs.some(({ state }) => UNDER_WAY.has(state)));

/**
 * Those whose curve ends highest, several where they are equal; none where there is nothing to compare them with.
 *
 * @param {Combination[]} cells
 * @param {Comparison} comparison
 */
export function bestOnes(cells, comparison) {
  if (!isOnOneScale(comparison)) return [];
  const known = cells.flatMap((cell) => {
    const final = cell.group && finalOf(cell.group);
    return final ? [{ cell, value: final.value }] : [];
  });
  const highest = Math.max(...known.map(({ value }) => value));
  return known.length < 2 ? [] : known.filter(({ value }) => value === highest).map(({ cell }) => cell);
}

/** How the curve of a group is called. @param {ComparedGroup} group */
export const curveInWords = ({ measure, runs }) => (measure === "iqm" ? "interquartile mean" : runs.length === 1 ? "its run" : "mean");

/** For who cannot see it. @param {Combination} cell @param {string} mark of the best; empty of others */
export function summaryOf({ name, group, runs }, mark) {
  const final = group && finalOf(group);
  const curve = final && group ? `${curveInWords(group)} ${returned(final.value)} at ${count(final.step)} steps` : "no curve yet";
  return [`${name}: ${curve}`, standingInWords(runs), mark].filter(Boolean).join("; ");
}

/** The runs of a combination as a list has them: what each has come to, and which is the best of these, or of all. @param {Combination} cell @param {Comparison} comparison */
export function runsOf({ group, runs }, comparison) {
  const best = bestOf(comparison);
  const highest = group && bestOf({ groups: [group], differing: [] });
  return runs.map(({ id, seed, state }) => {
    const final = group?.runs.find((run) => run.id === id)?.final ?? null;
    const mark = id === null ? "" : id === best ? "best of all" : id === highest ? "best of these" : "";
    return { id, name: seed === null ? String(id) : `seed ${seed}`, final: final === null ? NONE : returned(final), state, mark };
  });
}

/** What all of the charts have in common: from 0 to as many steps as a run makes, and every return. @param {Comparison} comparison @param {SweepTold | null} sweep */
export function spansOf({ groups, curves }, sweep) {
  const own = Object.values(curves).flatMap((curve) => curve ?? []);
  const last = Math.max(0, ...own.map(({ steps }) => steps.at(-1) ?? 0), sweep?.steps ?? 0);
  const all = [...own.map(({ returns }) => returns), ...groups.map(({ values }) => values)].flat();
  const [low, high] = all.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  return { last: last || 1, low, high };
}

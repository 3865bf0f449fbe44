// What happened to a run, by the update where it did: the marks of its timeline, each with its words.

import { settingText } from "./format.js";
import { historyOf, whenInWords } from "./findings.js";

/** @import { Change, State } from "../types.js" */

/**
 * @typedef {"fork" | "resume" | "change" | "finding" | "pause"} Kind
 *
 * @typedef {object} Mark
 * @property {Kind} kind
 * @property {number} update
 * @property {number | null} [until] of a finding: null, it goes on
 * @property {boolean} [grave] of a finding: more than a note
 * @property {string} short for the timeline itself
 * @property {string} long a sentence without its full stop
 *
 * @typedef {object} Lineage what a run that was kept has besides
 * @property {{ run: string, update: number } | null} [parent]
 * @property {{ before: number, anew: string | null }[]} [resumed]
 * @property {{ parent?: { run: string, update: number } | null }} [kept]
 */

/** Those that are named first where there is not room for all. @type {Kind[]} */
const ORDER = ["fork", "resume", "change", "finding", "pause"];

/**
 * @param {Pick<State, "run" | "changes" | "newest" | "settings">} state
 * @returns {Mark[]} by their updates
 */
export function marksOf({ run, changes, newest, settings }) {
  const { parent, resumed = [], kept } = /** @type {Lineage} */ (run ?? {});
  const from = parent ?? kept?.parent ?? null;
  const symbol = (/** @type {string} */ name) => settings.find((row) => row.name === name)?.symbol || name.replaceAll("_", " ");
  /** @type {Mark[]} */
  const marks = [
    ...(from ? [{ kind: /** @type {const} */ ("fork"), update: from.update, short: `fork of ${from.run}`, long: forkInWords(from) }] : []),
    ...(run?.forks ?? []).map(({ run: id, update }) => ({
      kind: /** @type {const} */ ("fork"),
      update,
      short: `fork ${id}`,
      long: `run ${id} branched off before update ${update}`,
    })),
    ...resumed.map(({ before, anew }) => ({
      kind: /** @type {const} */ ("resume"),
      update: before,
      short: anew ? "went on, new episodes" : "went on",
      long: `went on from a kept state${anew ? `; new episodes began: ${anew.replace(/\.$/, "")}` : ", to the same bits"}`,
    })),
    ...changes.map((change) => ({
      kind: /** @type {const} */ ("change"),
      update: change.update,
      short: `${symbol(change.name)} ${settingText(change.old)} → ${settingText(change.new)}`,
      long: changeInWords(change),
    })),
    ...historyOf({ newest }).map((spell) => ({
      kind: /** @type {const} */ ("finding"),
      update: spell.since,
      until: spell.until,
      grave: spell.severity !== "note",
      short: spell.title,
      long: `${spell.title} (${spell.severity}), ${whenInWords(spell)}`,
    })),
    ...(run?.pauses ?? []).map((update) => ({ kind: /** @type {const} */ ("pause"), update, short: "paused", long: "paused" })),
  ];
  return marks.sort((a, b) => a.update - b.update || ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
}

/** @param {{ run: string, update: number }} parent */
const forkInWords = ({ run, update }) => `branched off from run ${run} before update ${update}`;

/** @param {Change} change */
export const changeInWords = ({ update, name, old, new: value }) =>
  `from update ${update}: ${name.replaceAll("_", " ")} ${settingText(old)} → ${settingText(value)}`;

/**
 * Which marks are named, so that no name covers another: the weightiest first, and of these the gravest and the latest.
 *
 * @param {Mark[]} marks
 * @param {(mark: Mark) => { from: number, to: number }} room that the name of each takes
 * @returns {{ mark: Mark, from: number }[]}
 */
export function named(marks, room) {
  const weight = (/** @type {Mark} */ { kind, grave }) => ORDER.indexOf(kind) - (grave ? 1.5 : 0);
  /** @type {{ mark: Mark, from: number, to: number }[]} */
  const taken = [];
  for (const mark of [...marks].sort((a, b) => weight(a) - weight(b) || b.update - a.update)) {
    const { from, to } = room(mark);
    if (taken.every((other) => to < other.from || from > other.to)) taken.push({ mark, from, to });
  }
  return taken;
}

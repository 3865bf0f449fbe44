// Where a run comes from: which one it branched off from, and where it went on from what was kept of it.

import { count } from "./format.js";

/** @import { KeptRunTold, KeptRunWhole, Parent, Resumption, Run, SettingValues, State } from "../types.js" */

/** @param {Parent | null | undefined} parent */
export const forkedFrom = (parent) => (parent ? `fork of ${parent.run} before update ${count(parent.update)}` : "");

/**
 * The same in sentences, with where it went on; empty for a run that has only begun.
 *
 * @param {Pick<Run, "parent" | "resumed"> | null} run
 */
export function lineageInWords(run) {
  const fork = forkedFrom(run?.parent);
  const own = (run?.resumed ?? []).filter(({ before }) => before !== run?.parent?.update);
  const where = own.map(({ before }) => count(before));
  const last = where.pop();
  const places = where.length ? `${where.join(", ")} and ${last}` : last;
  const went = last && `It went on before update${where.length ? "s" : ""} ${places} from what was kept.`;
  return [fork && `A ${fork}.`, went, anewInWords(begunAnew(run))].filter(Boolean).join(" ");
}

/** Where a run's episodes began anew the last time that it went on; null: they did not. @param {Pick<Run, "resumed"> | null} run @returns {Resumption | null} */
export function begunAnew(run) {
  const last = run?.resumed?.at(-1);
  return last?.anew ? last : null;
}

/** @param {Resumption | null} resumption */
export const anewInWords = (resumption) =>
  resumption ? `New episodes began with update ${count(resumption.before)}: ${resumption.anew}. What was learned is as it was.` : "";

/**
 * The runs in their order, forks below the one that they branched off from and one step further in.
 *
 * @template {Pick<KeptRunTold, "id" | "parent">} R
 * @param {R[]} runs
 * @returns {{ run: R, depth: number }[]}
 */
export function asTree(runs) {
  const known = new Set(runs.map(({ id }) => id));
  /** @type {Map<string | null, R[]>} */
  const below = new Map();
  for (const run of runs) {
    const above = run.parent && run.parent.run !== run.id && known.has(run.parent.run) ? run.parent.run : null;
    below.set(above, [...(below.get(above) ?? []), run]);
  }
  /** @type {(above: string | null, depth: number) => { run: R, depth: number }[]} */
  const from = (above, depth) => (below.get(above) ?? []).flatMap((run) => [{ run, depth }, ...from(run.id, depth + 1)]);
  return from(null, 0);
}

/** The newest of the kept states that are not behind an update; null: there is none. @param {number[]} states @param {number} update */
export const stateBefore = (states, update) => states.filter((kept) => kept <= update).at(-1) ?? null;

/**
 * The settings of a run as they were when an update began.
 *
 * @param {Pick<KeptRunWhole, "settings" | "changes">} run
 * @param {number} update
 * @returns {SettingValues}
 */
export function valuesAt({ settings, changes }, update) {
  const moved = changes.filter((change) => change.update <= update).map((change) => [change.name, change.new]);
  return { ...settings, ...Object.fromEntries(moved) };
}

/**
 * Before which update a run would branch off, to be what it is at the moment on show: behind the update whose end is on
 * show, or of which a run that went on has not got further; else before it.
 *
 * @param {Pick<State, "snapshot" | "status" | "run">} state
 */
export function hereAt({ snapshot, status, run }) {
  const header = snapshot?.header;
  if (!header) return Math.max(1, status?.update ?? run?.update ?? 1);
  return Math.max(1, header.phase === "update" || header.phase === "ready" ? header.update + 1 : header.update);
}

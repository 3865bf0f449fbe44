// An update of which no snapshot is kept, as a moment: what its row of the series tells, the settings that it was made with,
// and what was wrong then. Its samples are gone, which is said.

import { count } from "./format.js";
import { historyOf } from "./findings.js";

/** @import { Finding, Moment, Past, Snapshot, State, Unkept } from "../types.js" */

/** @param {Pick<State, "series">} state @param {number} update */
export const hasRow = ({ series }, update) => Number.isFinite(series.column("steps")[update - series.first]);

/**
 * @param {Moment[]} ends that are kept, in the order of the run
 * @param {number} update
 * @returns {Unkept & { nearest: Moment | null }} nearest: the one after it, where what began in it is told of still
 */
export function aroundOf(ends, update) {
  const [before, after] = [ends.findLast((end) => end.update < update) ?? null, ends.find((end) => end.update > update) ?? null];
  return { before: before?.update ?? null, after: after?.update ?? null, nearest: after ?? before };
}

/**
 * @param {Pick<State, "series" | "changes" | "newest">} state
 * @param {number} update that has a row
 * @param {Snapshot} near the snapshot of an update that is kept
 * @param {Unkept} unkept
 * @returns {Snapshot}
 */
export function momentOfRow(state, update, near, { before, after }) {
  const { series } = state;
  const rows = series.columns.map((name) => /** @type {const} */ ([name, series.column(name)[update - series.first]]));
  const { steps, ...scalars } = Object.fromEntries(rows.filter(([, value]) => Number.isFinite(value)));
  const { made_again: _, judged_after: __, ...header } = near.header;
  const never = Object.entries(header.unknown ?? {}).filter(([, silent]) => silent?.applies === false);
  return {
    header: {
      ...header,
      ...{ kind: "snapshot", update, phase: "update", scope: "rollout", stopped_by_kl: null },
      ...{ steps, scalars, settings: settingsAt(state, update, near, scalars), chosen: {} },
      ...{ arrays: {}, notes: {}, measured: [], failed: {}, costs: {}, shares: {}, health: {} },
      findings: findingsAt(state, update, near),
      unknown: Object.fromEntries(never),
    },
    arrays: {},
    unkept: { before, after },
  };
}

/** Those that are annealed or adapted are in the row. @param {Pick<State, "changes">} state @param {number} update @param {Snapshot} near @param {Record<string, number>} row */
function settingsAt({ changes }, update, { header }, row) {
  const settings = { ...header.settings };
  for (const { name, new: value } of changes.filter((change) => change.update > header.update && change.update <= update)) settings[name] = value;
  for (const { name, old } of changes.filter((change) => change.update > update && change.update <= header.update).reverse()) settings[name] = old;
  for (const [name, value] of Object.entries(row)) if (typeof settings[name] === "number") settings[name] = value;
  return settings;
}

/** What was wrong in an update, in the words in which the snapshot at hand tells of it, if it does. @param {Pick<State, "newest">} state @param {number} update @param {Snapshot} near @returns {Finding[]} */
function findingsAt(state, update, near) {
  const there = historyOf(state).filter(({ since, until }) => since <= update && (until === null || update <= until));
  return there.map(
    (spell) =>
      near.header.findings?.find(({ name, since }) => name === spell.name && since === spell.since) ?? {
        ...{ summary: "", cause: "", remedy: "", setting: null },
        ...spell,
      },
  );
}

/** Beside the cursor of the timeline; empty where what was asked for is on show. @param {Past} past @param {Snapshot | null} snapshot */
export const brieflyUnkept = ({ wanted }, snapshot) =>
  snapshot?.unkept ? "only its numbers are kept" : wanted === undefined ? "" : `nothing of ${count(wanted)} is kept`;

/** In sentences; empty where a snapshot is on show. @param {Snapshot | null} snapshot */
export function unkeptInWords(snapshot) {
  if (!snapshot?.unkept) return "";
  const { before, after } = snapshot.unkept;
  const near = [before, after].filter((update) => update !== null);
  return (
    `No snapshot of update ${count(snapshot.header.update)} is kept, only its numbers: its row of the series. ` +
    `At full speed not every update leaves a snapshot, fewer where no page is open, and the oldest make room. ` +
    `The nearest ${near.length > 1 ? "are" : "is"} of ${near.length > 1 ? "updates" : "update"} ${near.map((update) => count(update)).join(" and ")}.`
  );
}

/** In a sentence, where another update is on show than was asked for; empty where not. @param {Past} past @param {Snapshot | null} snapshot */
export const insteadInWords = ({ wanted }, snapshot) =>
  wanted === undefined
    ? ""
    : `Of update ${count(wanted)} nothing is kept here, neither a snapshot nor its numbers: update ${count(snapshot?.header.update)} is shown instead, the nearest that is kept.`;

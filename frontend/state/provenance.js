// Where a saved file comes from: which run, which moment of it, and the settings that it was made with.

import { titleOf } from "./called.js";
import { settingText } from "./format.js";

/** @import { SettingValue, State } from "../types.js" */

/** @typedef {(string | number | null)[][]} Table with a line of headings, the first column mostly `update` */

/**
 * "CartPole-v1, seed 7, update 3, minibatch 2 of epoch 1".
 *
 * @param {Pick<State, "run" | "snapshot">} state
 */
export function momentOf({ run, snapshot }) {
  const { update = 0, epoch = 0, minibatch = 0, phase } = snapshot?.header ?? {};
  const inside =
    phase === "loss" || phase === "gradient" || phase === "step"
      ? [`minibatch ${minibatch} of epoch ${epoch}`, phase]
      : phase === "epoch"
        ? [`epoch ${epoch}`]
        : [];
  return [run ? titleOf(run) : "no run", `seed ${run?.seed ?? "–"}`, `update ${update}`, ...inside].join(", ");
}

/** All settings of the moment on show by their names, in the order of their table. @param {Pick<State, "run" | "snapshot" | "settings">} state */
export function settingsOf({ run, snapshot, settings }) {
  const values = { ...run?.settings, ...snapshot?.header.settings };
  return settings.filter(({ name }) => name in values && name !== "env" && name !== "seed").map((row) => ({ row, value: values[row.name] }));
}

/** The settings that a picture names: what can be changed while it runs, and what is not as usual. @param {Pick<State, "run" | "snapshot" | "settings">} state */
export function settingsInWords(state) {
  const named = settingsOf(state).filter(({ row, value }) => row.live || JSON.stringify(value) !== JSON.stringify(row.default));
  return named.map(({ row, value }) => `${row.symbol || row.label} ${settingText(value)}`).join(", ");
}

/**
 * A name that no other panel, run or moment has: "clip-mask_CartPole-v1_seed-7_update-3_epoch-1_minibatch-2".
 *
 * @param {string} what
 * @param {Pick<State, "run" | "snapshot">} state
 */
export function fileName(what, { run, snapshot }) {
  const { update, epoch, minibatch, phase } = snapshot?.header ?? {};
  const within = phase && phase !== "update" ? [phase, ...(epoch ? [`epoch-${epoch}`] : []), ...(minibatch ? [`minibatch-${minibatch}`] : [])] : [];
  const parts = [
    what.toLowerCase(),
    run?.environment,
    typeof run?.seed === "number" && `seed-${run.seed}`,
    update !== undefined && `update-${update}`,
    ...within,
  ];
  return parts
    .filter(Boolean)
    .map((part) => String(part).replace(/[^\p{L}\p{N}.-]+/gu, "-"))
    .join("_");
}

/**
 * A setting as an update was made with it: the one in use, unless it was changed later.
 *
 * @param {Pick<State, "changes">} state
 * @param {string} name
 * @param {SettingValue | undefined} now
 * @param {number} update
 * @returns {SettingValue | undefined}
 */
export function settingAt({ changes }, name, now, update) {
  const later = changes.filter((change) => change.name === name && change.update > update);
  return later.length ? later.reduce((first, change) => (change.update < first.update ? change : first)).old : now;
}

/** @param {SettingValue | undefined} value */
const cell = (value) =>
  value === undefined || value === null ? null : typeof value === "number" ? value : typeof value === "string" ? value : JSON.stringify(value);

/**
 * A table that says by itself what run and update it is of, and with which settings that was made: in every line `env`,
 * `seed`, what it had, and a column for each setting, `settings.clip_range`; of names and values, in lines of their own.
 *
 * @param {Table} table
 * @param {Pick<State, "run" | "snapshot" | "settings" | "changes">} state
 * @returns {Table}
 */
export function withRun([headings, ...rows], state) {
  const { run } = state;
  if (!run) return [headings, ...rows];
  const at = headings.indexOf("update");
  const shown = state.snapshot?.header.update ?? 0;
  const settings = settingsOf(state).map(({ row, value }) => ({ name: row.name, now: run.settings[row.name], value }));
  if (headings.join() === "name,value")
    return [headings, ["env", run.environment], ["seed", run.seed], ...rows, ...settings.map(({ name, value }) => [`settings.${name}`, cell(value)])];
  /** @type {Map<number, (string | number | null)[]>} */
  const made = new Map();
  const of = (/** @type {number} */ update) => {
    const known = made.get(update) ?? settings.map(({ name, now, value }) => cell(update === shown ? value : settingAt(state, name, now, update)));
    made.set(update, known);
    return known;
  };
  return [
    ["env", "seed", ...headings, ...settings.map(({ name }) => `settings.${name}`)],
    ...rows.map((row) => [run.environment, run.seed, ...row, ...of(Number(at >= 0 ? (row[at] ?? shown) : shown))]),
  ];
}

/**
 * The series of the whole run, every update a line, with all columns of docs/metrics.md.
 *
 * @param {Pick<State, "series" | "run" | "snapshot" | "settings" | "changes">} state
 * @returns {Table}
 */
export function wholeRun(state) {
  const { series } = state;
  const names = series.columns;
  const columns = names.map((name) => series.column(name));
  const rows = Array.from({ length: series.length }, (_, at) => [series.first + at, ...columns.map((column) => column[at])]);
  return withRun([["update", ...names], ...rows], state);
}

/**
 * The same as lines of JSON: one that says what the run is, one for each update, one for each episode.
 *
 * @param {Pick<State, "series" | "episodes" | "run" | "changes">} state
 * @returns {string}
 */
export function wholeRunAsLines({ series, episodes, run, changes }) {
  const head = {
    kind: "run",
    env: run?.environment ?? null,
    seed: run?.seed ?? null,
    device: run?.device ?? null,
    settings: run?.settings ?? {},
    changes,
  };
  const columns = series.columns.map((name) => /** @type {const} */ ([name, series.column(name)]));
  const updates = Array.from({ length: series.length }, (_, at) => ({
    kind: "update",
    update: series.first + at,
    ...Object.fromEntries(columns.map(([name, column]) => [name, column[at]])),
  }));
  const ofEpisodes = ["update", "step", "episodic_return", "episodic_length"].map((name) => /** @type {const} */ ([name, episodes.column(name)]));
  const ended = Array.from({ length: episodes.length }, (_, at) => ({
    kind: "episode",
    ...Object.fromEntries(ofEpisodes.map(([name, column]) => [name, column[at]])),
  }));
  return [head, ...updates, ...ended].map((line) => JSON.stringify(line)).join("\n") + "\n"; // NaN becomes null
}

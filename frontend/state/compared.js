// Runs in groups that differ in nothing they learn by but the seed: what the groups are called, what is said of them, and their numbers.

import { count, settingText, returned } from "./format.js";

/** @import { Compared, ComparedGroup, Comparison, Parent, Setting } from "../types.js" */
/** @import { Table } from "../draw/tables.js" */

/** Groups that are drawn; what can be told apart in one chart. */
export const DRAWN = 8;

const PERCENT = 95;
const ALMOST = 0.98; // of the way: runs that ended there have all come to the end

/** @param {string} name @param {readonly Setting[]} table */
export const labelOf = (name, table) => {
  const found = table.find((row) => row.name === name);
  return found ? found.symbol || found.label : name.replaceAll("_", " ");
};

/** @param {Parent} parent */
const branch = ({ run, update }) => `fork of ${run} before update ${count(update)}`;

/**
 * What is another in a group than in the others.
 *
 * @param {ComparedGroup} group
 * @param {Comparison} comparison
 * @param {readonly Setting[]} table of settings
 */
export function nameOfGroup({ environment, settings, changes, parent }, { differing }, table) {
  const values = differing.map((name) => (name === "env" ? environment : `${labelOf(name, table)} ${settingText(settings[name])}`));
  const moved = changes.map(({ name, old, new: now, update }) => {
    return `${labelOf(name, table)} ${settingText(old)} → ${settingText(now)} at update ${count(update)}`;
  });
  return [...values, ...moved, ...(parent ? [branch(parent)] : [])].join(", ") || environment;
}

/** The label of every setting that differs, in a sentence. @param {Comparison} comparison @param {readonly Setting[]} table */
export function differingInWords({ groups, differing }, table) {
  const own = groups.some(({ changes, parent }) => changes.length || parent)
    ? "what was changed while they went on, and where they branched off"
    : "";
  const labels = differing.map((name) => {
    const found = table.find((row) => row.name === name);
    return found ? [found.label, found.symbol].filter(Boolean).join(" ") : name.replaceAll("_", " ");
  });
  if (groups.length < 2) return groups.some(({ runs }) => runs.length > 1) ? "They differ in nothing that they learn by but the seed." : "";
  return `Between the groups differ: ${[...labels, own].filter(Boolean).join("; ")}.`;
}

/** @param {ComparedGroup} group */
export const seedsInWords = ({ runs }) =>
  runs.length === 1 ? (runs[0].seed === null ? "1 run" : "1 seed") : `${runs.length} ${runs.some(({ seed }) => seed === null) ? "runs" : "seeds"}`;

/** @param {ComparedGroup} group */
export const measureInWords = ({ measure, runs }) => (measure === "iqm" ? "IQM" : runs.length === 1 ? "one run" : "mean");

/** @param {ComparedGroup} group */
export function finalOf({ steps, values, low, high }) {
  const at = steps.length - 1;
  return at < 0 ? null : { step: steps[at], value: values[at], low: low?.[at] ?? null, high: high?.[at] ?? null };
}

/** "210 to 340", or why there is none. @param {ComparedGroup} group @param {Comparison} comparison */
export function intervalInWords(group, { missing }) {
  const final = finalOf(group);
  if (!final || final.low === null || final.high === null) return group.runs.length === 1 ? "one seed has none" : missing ? "not without SciPy" : "–";
  return `${returned(final.low)} to ${returned(final.high)}`;
}

/** How a run of a group is told from the others. @param {ComparedGroup["runs"][number]} run */
const nameOfRun = ({ id, seed }) => (seed === null ? id : `seed ${seed}`);

/** A run's return at the last step of its group. @param {Compared} run */
export const finalInWords = (run) => `${nameOfRun(run)}: ${returned(run.final)}`;

/** What returns are counted in: between groups that differ in one of these none is the better one. */
const SCALES = ["env", "env_kwargs"];

/** Whether returns of all groups are on one scale. @param {Pick<Comparison, "differing">} comparison */
export const isOnOneScale = ({ differing }) => !differing.some((name) => SCALES.includes(name));

/**
 * The run whose return is highest where the curve of its group ends; null where none is known, it is the only one, or no two
 * are to be compared.
 *
 * @param {Pick<Comparison, "groups" | "differing">} comparison
 */
export function bestOf({ groups, differing }) {
  if (!isOnOneScale({ differing })) return null;
  const runs = groups.flatMap((group) => group.runs).filter(({ final }) => final !== null);
  const highest = Math.max(...runs.map(({ final }) => Number(final)));
  return runs.length > 1 ? (runs.find(({ final }) => final === highest)?.id ?? null) : null;
}

/** How the numbers came about. @param {Comparison} comparison @param {boolean} small whether they are small multiples */
export function methodInWords({ groups, missing }, small) {
  const measures = new Set(groups.filter(({ runs }) => runs.length > 1).map(({ measure }) => measure));
  const iqm = "the interquartile mean (IQM: of n seeds ⌊n/4⌋ at either end are left out)";
  const curve =
    measures.size === 2 ? `${iqm}, of two seeds the mean` : measures.has("iqm") ? iqm : measures.has("mean") ? "the mean over the seeds" : "one run";
  const percentiles = `${PERCENT}\u00a0% interval at each step by itself: the percentiles of a bootstrap over the seeds, 2,000 resamples, as in rliable.`;
  const interval = groups.some(({ low }) => low) ? ` The ${small ? "table has" : "band is"} the ${percentiles}` : "";
  const band =
    small && groups.some(({ lower }) => lower)
      ? " The band holds the middle half of the runs at each step, from the first to the third quartile."
      : "";
  return `Each ${small ? "strong " : ""}curve is ${curve}.${band}${interval}${missing ? ` ${missing}` : ""} A run's return is the mean of its last 100 episodes; between two of its updates there is a straight line, and nothing else is smoothed. Curves pass through up to 200 steps, evenly spread.`;
}

/**
 * What is not as one might think, a sentence each.
 *
 * @param {Comparison} comparison
 * @param {readonly Setting[]} table of settings
 * @param {boolean} inOne whether all are drawn in one chart
 * @returns {string[]}
 */
export function warnings(comparison, table, inOne) {
  const { groups, left_out } = comparison;
  const short = groups.flatMap((group) => {
    const end = finalOf(group)?.step ?? null;
    const name = nameOfGroup(group, comparison, table);
    if (end === null) return [`“${name}” has no curve: its runs have no step in common at which all have a return.`];
    const behind = group.runs.filter(({ last }) => last <= end).map(nameOfRun);
    const farthest = Math.max(...group.runs.map(({ last }) => last));
    return end < ALMOST * farthest
      ? [`“${name}” ends at ${count(end)} steps, where ${behind.join(", ")} does; the longest of its runs has come to ${count(farthest)}.`]
      : [];
  });
  return [
    ...(isOnOneScale(comparison) ? [] : ["The groups have different environments: their returns are not on one scale."]),
    ...(inOne && groups.length > DRAWN
      ? [`The first ${DRAWN} of ${groups.length} groups are drawn; small multiples, the table and the file have all.`]
      : []),
    ...short,
    ...left_out.map(({ id, why }) => `Run ${id} is left out. ${why}`),
  ];
}

/** Every point of every curve. @param {Comparison} comparison @returns {Table} */
export function tableOf({ groups, differing }) {
  const heads = ["group", "environment", ...differing.filter((name) => name !== "env").map((name) => `settings.${name}`), "changes", "parent"];
  const text = (/** @type {unknown} */ value) => (typeof value === "string" || typeof value === "number" ? value : JSON.stringify(value ?? null));
  const rows = groups.flatMap((group, at) => {
    const { environment, settings, changes, parent, runs, measure, steps, values, low, high, lower, upper } = group;
    const about = [
      at + 1,
      environment,
      ...differing.filter((name) => name !== "env").map((name) => text(settings[name])),
      changes.map(({ name, old, new: now, update }) => `${name} ${text(old)} → ${text(now)} at update ${update}`).join("; "),
      parent ? branch(parent) : "",
      runs.map(({ id }) => id).join(" "),
      runs.map(({ seed }) => seed ?? "").join(" "),
      measure,
    ];
    return steps.map((step, n) => [...about, step, values[n], ...[low, high, lower, upper].map((ends) => ends?.[n] ?? null)]);
  });
  return [[...heads, "runs", "seeds", "measure", "steps", "episodic_return", "low_95", "high_95", "first_quartile", "third_quartile"], ...rows];
}

// Runs side by side: what they are called, what differs, and which moments of them belong together.

import { fullTitleOf } from "./called.js";
import { count, settingText } from "./format.js";
import { letterOf } from "./looks.js";
import { samplesOfRollout } from "./scope.js";

/** @import { SettingValue, SettingValues, State, ViewChoices } from "../types.js" */

/** What the address names: a run of the server, or a recording that comes with the page. */
export const NAMED = /^(run|recording):([\w-]{1,64})$/;

/** All that are compared, the one that is asked first. @param {State} state */
export const sidesOf = (state) => [state, ...state.others];

/** What is on show of the others, as far as anything is. @param {Pick<State, "others">} state */
export const snapshotsBeside = ({ others }) => others.flatMap(({ snapshot }) => snapshot ?? []);

/** Environment steps collected at the moment on show. @param {Pick<State, "snapshot">} state */
const stepsOf = ({ snapshot }) => snapshot?.header.steps ?? 0;

const AHEAD = 0.25; // of a rollout: runs that are closer are as far as each other

/**
 * Whether a run has collected more environment steps than those that it is compared with.
 *
 * @param {State} state
 * @param {State[]} all
 */
export const isAhead = (state, all) => stepsOf(state) - Math.min(...all.map(stepsOf)) > AHEAD * samplesOfRollout(state);

/**
 * The update of another run that is beside an update of one: of the same number, or the one whose environment steps are
 * nearest. (They are never just the same: a step in which an environment is reset is none.)
 *
 * @param {number} update
 * @param {Pick<State, "series">} one
 * @param {Pick<State, "series">} other
 * @param {ViewChoices["align"]} align
 * @returns {number}
 */
export function partnerOf(update, { series: one }, { series: other }, align) {
  if (align === "update") return update;
  const reached = update < one.first ? 0 : one.column("steps")[Math.min(update - one.first, one.length - 1)];
  const steps = other.column("steps");
  let [nearest, distance] = [other.first - 1, reached];
  steps.forEach((made, at) => {
    if (Math.abs(made - reached) < distance) [nearest, distance] = [other.first + at, Math.abs(made - reached)];
  });
  return nearest;
}

/**
 * The settings that have not the same value, in the order of the one. (What one of them has not told, as an older recording or
 * a loop that is not ours, is not known to differ.)
 *
 * @param {SettingValues} one
 * @param {SettingValues} other
 */
export const differing = (one, other) =>
  Object.keys(one).filter((name) => name in other && JSON.stringify(one[name]) !== JSON.stringify(other[name]));

/**
 * What runs do otherwise, a line each: their settings as they are now, and how they came to be so.
 *
 * @param {Pick<State, "run" | "changes">[]} runs
 * @returns {{ name: string, values: (SettingValue | undefined)[], changed: boolean }[]} a value for each run
 */
export function differences(runs) {
  const all = runs.map(({ run }) => run?.settings ?? {});
  const touched = new Set(runs.flatMap(({ changes }) => changes.map(({ name }) => name)));
  const names = new Set(all.slice(1).flatMap((other) => differing(all[0], other)));
  return Object.keys(Object.assign({}, ...all))
    .filter((name) => names.has(name))
    .map((name) => ({ name, values: all.map((settings) => settings[name]), changed: touched.has(name) }));
}

/** What is said of every run, whether it is another one or not. */
const OWN_LINE = new Set(["env", "seed"]);

/**
 * What another run does otherwise, in words.
 *
 * @param {SettingValues | undefined} here
 * @param {SettingValues | undefined} there
 * @param {number} most settings that are named; of more, how many
 */
export function inWords(here, there, most = 4) {
  if (!here || !there) return "";
  const names = differing(here, there).filter((name) => !OWN_LINE.has(name));
  const shown = names.slice(0, most).map((name) => `${name.replaceAll("_", " ")} ${settingText(there[name])}`);
  const more = names.length - shown.length;
  return [...shown, more > 0 && `${more} more`].filter(Boolean).join(", ");
}

/**
 * What is varied in a sweep, as one of its runs has it: the same words whichever run is at hand.
 *
 * @param {SettingValues | undefined} own
 * @param {SettingValues[]} all of the sweep's runs, its own among them
 */
export function variedInWords(own, all) {
  if (!own) return "";
  const names = new Set(all.flatMap((other) => differing(own, other)));
  return valuesInWords(Object.fromEntries(Object.entries(own).filter(([name]) => names.has(name) && !OWN_LINE.has(name))));
}

/** @param {SettingValues} values */
export const valuesInWords = (values) =>
  Object.entries(values)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${settingText(value)}`)
    .join(", ");

/** @param {Pick<State, "run">} state */
export const nameOf = ({ run }) => (run ? fullTitleOf(run, " · ") : "no run");

/** The same among those that it is compared with: where others are called so as well, with its letter. @param {State} state */
export const fullNameOf = (state) => lettered(state, nameOf);

/** The same, as long as it has to be to tell them apart. @param {State} state */
export const shortNameOf = (state) => lettered(state, brief(state));

/** The same beside its mark, which has the letter. @param {State} state */
export const markedNameOf = (state) => brief(state)(state);

/** What tells the runs apart, their letters aside. @param {State} state @returns {(state: Pick<State, "run">) => string} */
function brief(state) {
  const runs = sidesOf(state).map(({ run }) => run);
  const seeded = runs.every((run) => run && run.environment === state.run?.environment && run.seed !== null);
  return seeded && state.others.length ? ({ run }) => `seed ${run?.seed}` : nameOf;
}

/** @param {State} state @param {(state: Pick<State, "run">) => string} called */
const lettered = (state, called) => (state.others.some((other) => called(other) === called(state)) ? `${letterOf(state)} · ` : "") + called(state);

/** Where it is, in words. @param {State} state */
export function placeOf({ snapshot, status, past }) {
  const update = `update ${count(snapshot?.header.update ?? status?.update ?? null)}`;
  return past ? `${update}, of the past` : update;
}

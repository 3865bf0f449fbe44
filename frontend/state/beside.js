// Two runs side by side: what they are called, what differs, and which moments of them belong together.

import { count, settingText } from "./format.js";
import { samplesOfRollout } from "./scope.js";

/** @import { Change, SettingValue, SettingValues, State, ViewChoices } from "../types.js" */

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
 * The settings that have not the same value, in their order.
 *
 * @param {SettingValues} one
 * @param {SettingValues} other
 */
export const differing = (one, other) =>
  Object.keys({ ...one, ...other }).filter((name) => JSON.stringify(one[name]) !== JSON.stringify(other[name]));

/**
 * What two runs do otherwise, a line each: their settings as they are now, and how they came to be so.
 *
 * @param {State} one
 * @param {State} other
 * @returns {{ name: string, one: SettingValue | undefined, other: SettingValue | undefined, changed: boolean }[]}
 */
export function differences(one, other) {
  const [here, there] = [one.run?.settings ?? {}, other.run?.settings ?? {}];
  const moved = (/** @type {Change[]} */ changes) => changes.map(({ name }) => name);
  const touched = new Set([...moved(one.changes), ...moved(other.changes)]);
  return differing(here, there).map((name) => ({ name, one: here[name], other: there[name], changed: touched.has(name) }));
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

/** The same, as long as it has to be to tell them apart. @param {Pick<State, "run">} state @param {Pick<State, "run">} other */
export const shortNameOf = ({ run }, other) =>
  run && run.environment === other.run?.environment && run.seed !== other.run.seed ? `seed ${run.seed}` : nameOf({ run });

/** @param {Pick<State, "run">} state */
export const nameOf = ({ run }) => (run ? `${run.environment}${run.seed === null ? "" : ` · seed ${run.seed}`}` : "no run");

/** Where it is, in words. @param {State} state */
export function placeOf({ snapshot, status, past }) {
  const update = `update ${count(snapshot?.header.update ?? status?.update ?? null)}`;
  return past ? `${update}, of the past` : update;
}

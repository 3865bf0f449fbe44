// What a chapter has changed of the run at hand is put back when it is left.

import { lastSetTo } from "../state/used.js";

/** @import { SettingValue, State } from "../types.js" */

/**
 * @typedef {object} Found how a chapter found the run at hand
 * @property {string} run its id
 * @property {string} name of the setting that the chapter is about
 * @property {SettingValue | undefined} value
 */

/**
 * The value that the next update of the run at hand would be made with.
 *
 * @param {State} state with the run at hand
 * @param {string} name
 * @returns {SettingValue | undefined}
 */
export function comingValue(state, name) {
  const pending = state.status?.pending?.[name];
  return pending !== undefined ? pending : lastSetTo(state, name);
}

/**
 * @param {State} state with the run at hand
 * @param {string} name
 * @returns {Found | null} null where there is no run
 */
export const asFound = (state, name) => (state.run ? { run: state.run.id, name, value: comingValue(state, name) } : null);

/**
 * What is to be set so that the run at hand goes on as the chapter found it; null where nothing has changed, or it is
 * another run by now.
 *
 * @param {State} state with the run at hand
 * @param {Found | null} found
 * @returns {Record<string, SettingValue> | null}
 */
export function toPutBack(state, found) {
  if (!found || found.value === undefined || state.run?.id !== found.run) return null;
  return comingValue(state, found.name) === found.value ? null : { [found.name]: found.value };
}

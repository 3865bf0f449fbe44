// Settings as an update used them, which is not always as they were set: schedules and the KL move some of them.

import { number, settingText } from "./format.js";

/** @import { SettingValue, SnapshotHeader, State } from "../types.js" */

/**
 * As text: what was set in full, and what was made of it in three digits.
 *
 * @param {SnapshotHeader | undefined} header of the moment
 * @param {string} name
 * @param {SettingValue | undefined} otherwise where the moment does not say it
 */
export function usedText(header, name, otherwise) {
  const value = header?.settings[name] ?? otherwise;
  return typeof value === "number" && header?.chosen && name in header.chosen ? number(value) : settingText(value);
}

/**
 * As it was set.
 *
 * @param {SnapshotHeader | undefined} header
 * @param {string} name
 */
export const setTo = (header, name) => header?.chosen?.[name] ?? header?.settings?.[name];

/**
 * As the newest update was set. A change is told sooner than the moment that shows it comes, and is drawn.
 *
 * @param {Pick<State, "run" | "newest" | "changes">} state
 * @param {string} name
 * @returns {SettingValue | undefined}
 */
export function lastSetTo({ run, newest, changes }, name) {
  const last = changes
    .filter((change) => change.name === name)
    .sort((one, other) => one.update - other.update)
    .at(-1); // some are told late
  if (last && last.update >= (newest?.header.update ?? 0)) return last.new;
  return setTo(newest?.header, name) ?? run?.settings[name];
}

// Settings as an update used them, which is not always as they were set: schedules and the KL move some of them.

import { number, settingText } from "./format.js";

/** @import { SettingValue, SnapshotHeader } from "../types.js" */

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

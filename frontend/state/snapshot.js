// Reading a snapshot: what is there, and what is not.

import { rangeOf } from "../ppo/clip-range.js";
import { scopeAlone } from "./scope.js";

/** @import { Selection, Snapshot, State, TypedArray } from "../types.js" */

/**
 * @typedef {{ values: TypedArray, rows: number, columns: number }} Matrix row after row
 */

/** @param {Snapshot} snapshot @param {string} name @returns {number | null} null where the quantity is not defined */
export const scalar = (snapshot, name) => snapshot.header.scalars[name] ?? null;

/** @param {Snapshot} snapshot @param {string} name @returns {Matrix | null} */
export function matrix(snapshot, name) {
  const values = snapshot.arrays[name];
  const shape = snapshot.header.arrays[name]?.shape;
  return values && shape?.length === 2 ? { values, rows: shape[0], columns: shape[1] } : null;
}

/** @param {Snapshot} snapshot @param {string} name @returns {number | null} a setting that this update was made with */
export function setting(snapshot, name) {
  const value = snapshot.header.settings[name];
  return typeof value === "number" ? value : null;
}

/** The clip range that this update was made with; null where it is not told. @param {Snapshot} snapshot */
export const clipRangeOf = (snapshot) => rangeOf(snapshot.header.settings);

/** @param {Snapshot} snapshot whether the update on show was made with an objective that holds samples */
export const hasClip = (snapshot) => (snapshot.header.settings.objective ?? "clip") === "clip";

/** @param {Snapshot} snapshot whether the update on show was made with the KL penalty in place of the clip */
export const isPenalised = (snapshot) => snapshot.header.settings.objective === "kl_penalty";

/** What weighs the samples of a snapshot in the policy loss. @param {Snapshot} snapshot */
export const credit = (snapshot) => (snapshot.header.settings.objective === "reinforce" ? "G" : "Â");

/**
 * true where the newest snapshot holds an array, or what to wait for.
 *
 * @param {State} state
 * @param {string} name
 */
export function holds(state, name) {
  const { snapshot } = state;
  if (!snapshot || snapshot.header.update === 0) return "the first rollout";
  return snapshot.arrays[name] ? true : "the next measurement";
}

/** Which samples a snapshot covers, in words. @param {Snapshot} snapshot */
export const scopeInWords = ({ header }) => scopeAlone(header, "samples");

/** What the loss, KL and fractions of a snapshot are means of, in words. @param {Snapshot} snapshot */
export const meansInWords = ({ header }) => scopeAlone(header, "means");

/**
 * Where a sample lies in the arrays; null where its environment is not among those that are sent.
 *
 * @param {Snapshot} snapshot
 * @param {Selection} selection
 * @returns {{ row: number, column: number } | null}
 */
export function cellOf(snapshot, { environment, step }) {
  const row = snapshot.arrays.environments?.indexOf(environment) ?? -1;
  const columns = snapshot.header.arrays.region?.shape[1] ?? 0;
  return row >= 0 && step >= 0 && step < columns ? { row, column: step } : null;
}

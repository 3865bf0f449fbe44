// What the rows of a rollout are, and the steps of one: environments and their steps, or a language model's sequences and tokens.

/** @import { Snapshot } from "../types.js" */

/** @typedef {{ row: string, rows: string, step: string, steps: string }} Names */

/** @type {Names} */
const ENVIRONMENTS = { row: "environment", rows: "environments", step: "step", steps: "steps" };
/** @type {Names} */
const SEQUENCES = { row: "sequence", rows: "sequences", step: "token", steps: "tokens" };

/** The tokens of the sequences that were sent; null where the rows are environments. @param {Snapshot | null} snapshot @returns {string[][] | null} */
export const textOf = (snapshot) => snapshot?.header.notes?.samples?.text ?? null;

/** @param {Snapshot | null} snapshot */
export const namesOf = (snapshot) => (textOf(snapshot) ? SEQUENCES : ENVIRONMENTS);

/** The text of one token; null where there is none. @param {Snapshot} snapshot @param {number} environment @param {number} step */
export function tokenAt(snapshot, environment, step) {
  const row = snapshot.arrays.environments?.indexOf(environment) ?? -1;
  return textOf(snapshot)?.[row]?.[step] ?? null;
}

/** As in "Environment 3, step 17". @param {Snapshot} snapshot @param {number} environment @param {number} step */
export function placeOf(snapshot, environment, step) {
  const names = namesOf(snapshot);
  const token = tokenAt(snapshot, environment, step);
  return `${capital(names.row)} ${environment}, ${names.step} ${step}${token === null ? "" : ` “${visible(token)}”`}`;
}

/** The axis along a row. @param {Snapshot} snapshot */
export const alongInWords = (snapshot) => (textOf(snapshot) ? "token t of the sequence" : "step t of the rollout");

/** @param {string} word */
export const capital = (word) => word[0].toUpperCase() + word.slice(1);

/** A token's text with what cannot be seen made so. @param {string} token */
export const visible = (token) => token.replaceAll("\n", "⏎").replaceAll("\t", "⇥");

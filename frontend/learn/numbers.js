// Live numbers in the guide's texts: what stands in braces, at the moment on show.

import { credit } from "../state/snapshot.js";
import { count, explained, extreme, figure, fixed, number, percent, settingText, term } from "../state/format.js";
import { previewOf } from "../state/previewed.js";
import { flowOf } from "./flow.js";

/** @import { State } from "../types.js" */

/** @typedef {Pick<State, "snapshot" | "run" | "preview" | "comparison">} Told what the numbers are read from */

/** @typedef {number | null | undefined} Value */

/** @param {Value} value */
const cosine = (value) => fixed(value, 2);

/** How a number reads best; the rest as a number with three digits. @type {Record<string, (value: Value) => string>} */
const WRITTEN = {
  loss: term,
  policy_loss: term,
  value_loss: term,
  entropy: term,
  final_entropy: term,
  entropy_term: term,
  entropy_high: term,
  held_fraction: percent,
  ratio_clip_fraction: percent,
  clip_fraction: percent,
  pulled_back_fraction: percent,
  effective_sample_size: percent,
  gradient_clip_factor: (value) => figure(value, 3),
  explained_variance: explained,
  explained_variance_before: explained,
  ratio_min: extreme,
  ratio_max: extreme,
  final_ratio_min: extreme,
  final_ratio_max: extreme,
  learning_rate: settingText,
  cosine,
};

/** @param {string} name @param {Value} value */
const written = (name, value) => (WRITTEN[name] ?? ((/** @type {Value} */ n) => number(n)))(value);

/** What stands before the point, and how what stands after it is found. @type {Record<string, (name: string, told: Told) => string>} */
const SOURCES = {
  "": (name, { snapshot }) => written(name, snapshot?.header.scalars[name]),
  set: (name, { snapshot, run }) => settingText((snapshot?.header.settings ?? run?.settings)?.[name]),
  now: (name, told) => written(name, outcome(told, "now")[name]),
  preview: (name, told) => written(name, outcome(told, "then")[name]),
  chosen: (name, { preview }) => settingText(preview?.[/** @type {keyof import("../types.js").Preview} */ (name)]),
  old: (name, told) => written(name, outcomes(told, name)[0]),
  new: (name, told) => written(name, outcomes(told, name)[1]),
  went: (name, told) => went(name, ...outcomes(told, name)),
  trial: (name, { comparison }) => settingText(/** @type {any} */ (comparison?.header)?.settings.new[name]),
  before: (name, { comparison }) => settingText(/** @type {any} */ (comparison?.header)?.settings.old[name]),
  flow: (name, { snapshot }) => written(name, Number(flowOf(snapshot)?.[/** @type {"policy"} */ (name)] ?? NaN)),
};

/** Words and numbers of the moment itself. @type {Record<string, (told: Told) => string>} */
const OF_THE_MOMENT = {
  update: ({ snapshot, comparison }) => count((comparison ?? snapshot)?.header.update),
  credit: ({ snapshot }) => (snapshot ? credit(snapshot) : "Â"),
};

/** A number of both outcomes of an update made twice. @param {Told} told @param {string} name @returns {[Value, Value]} */
function outcomes({ comparison }, name) {
  const scalars = comparison?.header.scalars ?? {};
  return [scalars[`old_${name}`], scalars[`new_${name}`]];
}

const SAME = 0.02; // of its size: what changes by less has stayed

/** How a number differs between both outcomes, in words: neither came after the other. @param {string} name @param {Value} old @param {Value} then */
function went(name, old, then) {
  if (typeof old !== "number" || typeof then !== "number") return "–";
  const [from, to] = [written(name, old), written(name, then)];
  if (from === to || Math.abs(then - old) <= SAME * Math.abs(old)) return `stays near ${to}`;
  return `is ${then > old ? "larger" : "smaller"}, ${to} instead of ${from}`;
}

/** The batch on show as it is, or with the values that were moved. @param {Told} told @param {"now" | "then"} which @returns {Record<string, Value>} */
function outcome(told, which) {
  const found = previewOf(told)?.[which];
  return found ? { ...found.terms, held_fraction: found.fractions.held } : {};
}

/**
 * A text in parts: words, and the numbers that stand in their braces: {name} is a scalar of the snapshot, {set.name} a
 * setting that its update was made with, {chosen.name} one as it was moved, {preview.name} what the batch on show would look
 * like with it, and {now.name} what it does, computed alike; {flow.name} is of `flowOf`. Of an update made twice, {old.name}
 * and {new.name} are scalars, {before.name} and {trial.name} settings, and {went.name} says what became of a scalar.
 *
 * @param {string} text
 * @param {Told} told
 * @returns {{ text: string, live: boolean }[]}
 */
export function parts(text, told) {
  return text
    .replace(/ ([=≡≈±]) /g, "\u00a0$1\u00a0") // the shortest formulas stand in one line
    .split(/\{([\w.]+)\}/)
    .map((part, index) => {
      if (index % 2 === 0) return { text: part, live: false };
      if (part in OF_THE_MOMENT) return { text: OF_THE_MOMENT[part](told), live: true };
      const [source, name] = part.includes(".") ? part.split(".") : ["", part];
      return { text: SOURCES[source](name, told), live: true };
    })
    .filter(({ text }) => text !== "");
}

// The layers of the networks as the gradients name them: in which network each one is, and in what order they stand.

/** @import { Snapshot } from "../types.js" */

/**
 * @typedef {object} Layer
 * @property {string} name as the probe says it: "policy 1", "value head", "log σ"
 * @property {string} short within its group: "1", "head"
 * @property {"policy" | "value" | "trunk"} group
 * @property {number} column in the arrays of the probe
 */

const GROUPS = /** @type {const} */ (["trunk", "policy", "value"]);

/** In the order in which data pass through them, network after network. @param {Snapshot} snapshot @returns {Layer[]} */
export function layersOf(snapshot) {
  /** @type {string[]} */
  const names = snapshot.header.notes?.gradients?.layers ?? [];
  const layers = names.map((name, column) => ({ name, column, group: groupOf(name), short: name.replace(/^(trunk|policy|value) /, "") }));
  return layers.sort((a, b) => GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group) || rank(a.name) - rank(b.name));
}

/** @param {string} name @returns {Layer["group"]} */
const groupOf = (name) => GROUPS.find((group) => name.startsWith(group)) ?? "policy"; // log σ is the policy's

/** Trunk, head, what depends on no layer. @param {string} name */
const rank = (name) => (name.endsWith("head") ? 1000 : Number(name.match(/\d+$/)?.[0]) || 2000);

/**
 * Neighbours of one group, as stretches of places.
 *
 * @param {Layer[]} layers
 * @returns {{ group: Layer["group"], from: number, to: number }[]}
 */
export function stretches(layers) {
  /** @type {{ group: Layer["group"], from: number, to: number }[]} */
  const found = [];
  layers.forEach(({ group }, at) => {
    const last = found.at(-1);
    if (last?.group === group) last.to = at;
    else found.push({ group, from: at, to: at });
  });
  return found;
}

const APART = 5; // CSS pixels between two names

/**
 * Names under the columns of a chart, in two lines: all in full where they have room; else the network's name once, and of
 * its layers as many as can be read, the head before the others.
 *
 * @param {Layer[]} layers
 * @param {number} room of a column, in CSS pixels
 * @param {(text: string) => number} measure CSS pixels that a text takes
 */
export function namesOf(layers, room, measure) {
  const full = layers.map(({ name }) => name.replace(" ", "<br>"));
  const fits = full.every((name) => Math.max(...name.split("<br>").map(measure)) + 2 <= room);
  if (fits) return full;
  const half = (/** @type {number} */ place) => (measure(layers[place].short) + APART) / 2 / room; // in columns
  const heads = layers.flatMap(({ short }, place) => (short === "head" ? [place] : []));
  /** @type {number[]} */
  const named = [];
  for (const place of [...heads, ...layers.keys()]) {
    if (named.every((other) => Math.abs(place - other) >= half(place) + half(other))) named.push(place);
  }
  const names = layers.map(({ short }, place) => (named.includes(place) ? `<br>${short}` : ""));
  for (const { from, to } of stretches(layers)) {
    const middle = Math.floor((from + to) / 2);
    names[middle] = layers[from].group + (names[middle] || "<br>");
  }
  return names;
}

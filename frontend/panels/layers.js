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
const rank = (name) => (name.endsWith("head") ? 1000 : (Number(name.match(/\d+$/)?.[0]) || 2000));

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

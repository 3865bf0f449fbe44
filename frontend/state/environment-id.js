// What is to be said of an environment's id before anybody asks for it: whether it is known, and what may have been meant.

/** @import { KnownEnvironment } from "../types.js" */

const NEAR = 0.35; // from there on a name is like another
const OFFERED = 3;

/**
 * @param {string} id as it was typed
 * @param {KnownEnvironment[]} known none: nothing can be said
 * @returns {{ problem: string | null, near: string[], note: string }} why it cannot be asked for, ids that may have been meant, and what else there is to know
 */
export function judge(id, known) {
  const name = id.trim();
  if (name === "")
    return {
      problem: "The id of an environment is needed, like CartPole-v1, or MODULE:ID where a module of your own registers it.",
      near: [],
      note: "",
    };
  const row = known.find((one) => one.id === name);
  if (row?.missing) return { problem: `${name} ${row.missing}.`, near: [], note: "" };
  if (row || known.length === 0) return { problem: null, near: [], note: "" };
  const [module, colon] = name.split(/(:)/);
  if (colon)
    return { problem: null, near: [], note: `Registered by the module ${module}, which may lie in the folder that the server was started in.` };
  const near = nearest(
    name,
    known.map((one) => one.id),
  );
  return { problem: `There is no environment ${name}.${near.length ? " Nearest are:" : ""}`, near, note: "" };
}

/**
 * The names most like `name`, the most alike first.
 *
 * @param {string} name
 * @param {string[]} names
 */
export function nearest(name, names) {
  return names
    .map((other) => ({ other, likeness: likeness(plain(name), plain(other)) }))
    .filter(({ likeness }) => likeness >= NEAR)
    .sort((a, b) => b.likeness - a.likeness || version(b.other) - version(a.other))
    .slice(0, OFFERED)
    .map(({ other }) => other);
}

/** Without module, version, case and signs. @param {string} id */
const plain = (id) =>
  id
    .replace(/^.*[:/]/, "")
    .replace(/-v\d+$/, "")
    .replace(/[^\p{L}\d]/gu, "")
    .toLowerCase();

/** @param {string} id */
const version = (id) => Number(/-v(\d+)$/.exec(id)?.[1] ?? 0);

/** The share of their pairs of letters that two words have in common, 0 to 1 (Dice). @param {string} a @param {string} b */
function likeness(a, b) {
  if (a === b) return 1;
  const [left, right] = [pairs(a), pairs(b)];
  if (!left.length || !right.length) return b.startsWith(a) || a.startsWith(b) ? NEAR : 0;
  const rest = [...right];
  let common = 0;
  for (const pair of left) {
    const at = rest.indexOf(pair);
    if (at < 0) continue;
    rest.splice(at, 1);
    common += 1;
  }
  return (2 * common) / (left.length + right.length);
}

/** @param {string} word */
const pairs = (word) => Array.from({ length: Math.max(0, word.length - 1) }, (_, i) => word.slice(i, i + 2));

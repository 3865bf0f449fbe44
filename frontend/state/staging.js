// Stage: which one or two panels are on it, and how the number keys choose them.

/** @import { ViewChoices } from "../types.js" */

const MOST = 2;
const MOST_OF_A_CHAPTER = 3; // of the guide: the third one under the first
const LOW = 650; // CSS pixels of type that is not enlarged: in a lower window half a panel shows nothing
const DIGITS = 10; // the tenth panel is 0
/** Where nobody has chosen yet. */
const USUAL = ["Ratio histogram", "Clip mask"];

/**
 * The panels on Stage; none where the page is a grid.
 *
 * @param {readonly string[]} names of all there are
 * @param {Pick<ViewChoices, "layout" | "stage" | "own">} view
 * @returns {string[]}
 */
export const onStage = (names, { layout, stage, own }) => (layout === "stage" ? fitting(names, stage, own ? MOST_OF_A_CHAPTER : MOST) : []);

/** Those that there are, at most two; the usual ones where none is left. @param {readonly string[]} names @param {readonly string[]} wanted @param {number} [most] */
export function fitting(names, wanted, most = MOST) {
  const found = [...new Set(wanted)].filter((name) => names.includes(name)).slice(0, most);
  return found.length ? found : USUAL.filter((name) => names.includes(name));
}

/** The key of a panel, by its place. @param {number} place counted from 0 */
export const digitOf = (place) => String(Math.min(place + 1, DIGITS) % DIGITS);

/**
 * The panel that a number key stands for: 0 is the tenth and, pressed again, goes through those after it.
 *
 * @param {readonly string[]} names
 * @param {number} digit
 * @param {readonly string[]} on the stage
 * @returns {string | undefined}
 */
export function numbered(names, digit, on) {
  if (digit > 0) return names[digit - 1];
  const rest = names.slice(DIGITS - 1);
  const last = rest.indexOf(on.findLast((name) => rest.includes(name)) ?? "");
  return rest[(last + 1) % rest.length];
}

/**
 * The stage once a panel was chosen.
 *
 * @param {readonly string[]} on the stage
 * @param {string} name
 * @param {boolean} beside the one that is there: in place of a second one; of two, the one that was chosen leaves
 * @returns {string[]}
 */
export function chosen(on, name, beside) {
  if (!beside || !on.length) return [name];
  if (!on.includes(name)) return [on[0], name];
  return on.length > 1 ? on.filter((other) => other !== name) : [...on];
}

/** Those of a chapter's panels that have room on Stage. @param {string[]} wanted @param {number} height of the window, in CSS pixels @param {number} scale of its type */
export const withRoom = (wanted, height, scale) => (height / scale < LOW ? wanted.slice(0, MOST) : wanted);

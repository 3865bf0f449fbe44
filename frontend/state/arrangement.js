// Which panels are shown, and in which order. Choices may name panels that another version had: they are left out.

/** @import { ViewChoices } from "../types.js" */

/** @typedef {Pick<ViewChoices, "order" | "hidden">} Arrangement */

/**
 * All panels as they are arranged; those that the choices do not name follow the one that they usually follow.
 *
 * @param {readonly string[]} names of all there are, in their usual order
 * @param {Pick<ViewChoices, "order">} view
 * @returns {string[]}
 */
export function fullOrder(names, { order }) {
  const full = order.filter((name) => names.includes(name));
  names.forEach((name, place) => {
    if (!full.includes(name)) full.splice(full.indexOf(names[place - 1]) + 1, 0, name);
  });
  return full;
}

/** @param {readonly string[]} names @param {Arrangement} view */
export const shownOrder = (names, view) => fullOrder(names, view).filter((name) => !view.hidden.includes(name));

/**
 * The order once a panel has taken the place of another: the others close up.
 *
 * @param {readonly string[]} names
 * @param {Arrangement} view
 * @param {string} name
 * @param {string} target whose place it takes
 * @returns {string[]}
 */
export function moved(names, view, name, target) {
  const before = fullOrder(names, view);
  const order = before.filter((other) => other !== name);
  order.splice(order.indexOf(target) + Number(before.indexOf(name) < before.indexOf(target)), 0, name);
  return order;
}

/**
 * The order once a panel has come to stand right after another.
 *
 * @param {readonly string[]} names
 * @param {Pick<ViewChoices, "order">} view
 * @param {string} name
 * @param {string} before
 * @returns {string[]}
 */
export function following(names, view, name, before) {
  const order = fullOrder(names, view).filter((other) => other !== name);
  order.splice(order.indexOf(before) + 1, 0, name);
  return order;
}

/**
 * The panel before or after another among those that are shown; undefined at either end.
 *
 * @param {readonly string[]} names
 * @param {Arrangement} view
 * @param {string} name
 * @param {number} by −1 or 1
 * @returns {string | undefined}
 */
export function neighbour(names, view, name, by) {
  const order = shownOrder(names, view);
  return order[order.indexOf(name) + by];
}

// Who can give a picture of what an element shows, as vectors.

/**
 * @typedef {object} Drawing
 * @property {string} markup an `<svg>` of that size
 * @property {number} width CSS pixels
 * @property {number} height
 */

/** @type {WeakMap<Element, () => Drawing | null | Promise<Drawing | null>>} */
const offers = new WeakMap();

/** @param {Element} element @param {() => Drawing | null | Promise<Drawing | null>} draw null: there is nothing yet */
export const offerDrawing = (element, draw) => void offers.set(element, draw);

/** @param {Element} element */
export const drawingOf = (element) => offers.get(element)?.() ?? null;

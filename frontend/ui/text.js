// How wide a text will be, before it is drawn.

const pen = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
/** @type {Map<string, number>} */
const known = new Map();
const MANY = 5000; // texts: labels of a run that goes on for days

/**
 * @param {string} font a font-family list
 * @param {number} size in CSS pixels
 * @returns {(text: string) => number} CSS pixels; what stands in angle brackets is markup
 */
export const measureIn = (font, size) => (text) => {
  const plain = String(text).replace(/<[^>]*>/g, "");
  const key = `${size}px ${font}|${plain}`;
  let width = known.get(key);
  if (width === undefined) {
    pen.font = `${size}px ${font}`;
    width = pen.measureText(plain).width;
    if (known.size > MANY) known.clear();
    known.set(key, width);
  }
  return width;
};

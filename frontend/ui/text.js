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

/** @type {Map<string, { ascent: number, descent: number }>} */
const heights = new Map();

/** How far a line of text reaches above and below its base line, in whole CSS pixels, as browsers lay it out. @param {string} font @param {number} size */
export function linesIn(font, size) {
  const key = `${size}px ${font}`;
  let found = heights.get(key);
  if (!found) {
    pen.font = key;
    const { fontBoundingBoxAscent: ascent, fontBoundingBoxDescent: descent } = pen.measureText("");
    heights.set(key, (found = { ascent: Math.round(ascent), descent: Math.round(descent) }));
  }
  return found;
}

// Labels in SVG. They may have several lines, subscripts and colours, in the words of markup that Plotly knows as well:
// <br>, <sub>, <span style="color:…">.

import { linesIn, measureIn } from "../ui/text.js";

/**
 * @typedef {object} Piece
 * @property {string} text
 * @property {boolean} lowered
 * @property {string | null} colour
 *
 * @typedef {object} Look
 * @property {string} family a font-family list
 * @property {number} size CSS pixels
 * @property {string} colour
 * @property {string} [halo] what it lies on, kept free around it of curves
 *
 * @typedef {object} Size CSS pixels
 * @property {number} width
 * @property {number} height
 * @property {number} ascent of the first line
 */

const SVG = "http://www.w3.org/2000/svg";
const TAG = /(<\/?(?:br|sub|span)\b[^>]*>)/;
const SMALL = 0.7; // a subscript's size
const HALO = { "paint-order": "stroke", "stroke-width": "4", "stroke-linejoin": "round" };
const LOW = 0.3; // how far down it stands, in its own size
export const LEADING = 1.3; // from line to line, in sizes of type

/** @param {string} name @param {Record<string, string | number | undefined>} attributes @param {...Node} children */
export function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/** @param {string} text @returns {Piece[][]} line by line */
export function parsed(text) {
  /** @type {Piece[][]} */
  const lines = [[]];
  let lowered = false;
  /** @type {string | null} */
  let colour = null;
  for (const part of String(text).split(TAG)) {
    const [, closing, tag] = /^<(\/?)(br|sub|span)\b/.exec(part) ?? [];
    if (tag === "br") lines.push([]);
    else if (tag === "sub") lowered = !closing;
    else if (tag === "span") colour = closing ? null : (/color:\s*([^;"]+)/.exec(part)?.[1] ?? null);
    else if (part) lines[lines.length - 1].push({ text: part, lowered, colour });
  }
  return lines;
}

/** @param {string} text @param {Pick<Look, "family" | "size">} look @returns {Size} */
export function sizeOf(text, { family, size }) {
  const lines = parsed(text);
  const [whole, small] = [measureIn(family, size), measureIn(family, SMALL * size)];
  const { ascent, descent } = linesIn(family, size);
  const depth = lines[lines.length - 1].some(({ lowered }) => lowered)
    ? Math.max(descent, LOW * SMALL * size + linesIn(family, SMALL * size).descent)
    : descent;
  const widths = lines.map((line) => line.reduce((sum, piece) => sum + (piece.lowered ? small : whole)(piece.text), 0));
  return { width: Math.max(0, ...widths), height: ascent + (lines.length - 1) * LEADING * size + depth, ascent };
}

/**
 * @param {string} text
 * @param {{ x: number, y: number, anchor: "start" | "middle" | "end", upright?: boolean }} place of the first line's
 *   beginning, middle or end, on its base line
 * @param {Look} look
 */
export function label(text, { x, y, anchor, upright }, { size, colour, halo }) {
  const lines = parsed(text);
  const transform = upright ? `rotate(-90,${x},${y})` : undefined;
  const element = svg("text", { x, y, "text-anchor": anchor, "font-size": `${size}px`, fill: colour, transform });
  for (const [name, value] of Object.entries(halo ? { ...HALO, stroke: halo } : {})) element.setAttribute(name, value);
  if (lines.length === 1 && lines[0].every(({ lowered, colour: own }) => !lowered && !own)) {
    element.textContent = lines[0].map((piece) => piece.text).join("");
    return element;
  }
  lines.forEach((line, index) => element.append(lineOf(line, x, y + index * LEADING * size)));
  return element;
}

/** @param {Piece[]} pieces @param {number} x @param {number} y */
function lineOf(pieces, x, y) {
  let low = false;
  const spans = pieces.map(({ text, lowered, colour }) => {
    const dy = lowered === low ? undefined : lowered ? `${LOW}em` : `${-LOW * SMALL}em`;
    low = lowered;
    return svg("tspan", { dy, "font-size": lowered ? `${100 * SMALL}%` : undefined, fill: colour ?? undefined }, new Text(text));
  });
  return svg("tspan", { class: "line", x, y }, ...spans);
}

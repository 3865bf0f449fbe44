// A saved picture: what a panel draws, with its title, where it comes from, and its legend. All in one SVG.

import { measureIn } from "./text.js";

/** @import { Theme } from "../types.js" */
/** @import { Drawing } from "./drawn.js" */
/** @import { Item, Part, Swatch } from "./legend.js" */

/**
 * @typedef {object} About
 * @property {string} title
 * @property {string[]} lines under it
 * @property {Item[]} legend
 */

const SVG = "http://www.w3.org/2000/svg";
const EDGE = 12; // CSS pixels around everything
const LINE = 18;
const SWATCH = 22; // a colour sample with the room after it
const APART = 16; // entries of the legend
const SHARPNESS = 2; // pixels of a PNG per CSS pixel

/**
 * Words in lines that are no wider than so much.
 *
 * @param {string} text
 * @param {number} width
 * @param {(text: string) => number} measure
 * @returns {string[]}
 */
export function wrapped(text, width, measure) {
  /** @type {string[]} */
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && measure(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/**
 * Boxes beside each other, going on in a new line where there is no room.
 *
 * @param {number[]} widths
 * @param {number} whole
 * @param {number} apart
 * @returns {{ x: number, line: number }[]}
 */
export function flowed(widths, whole, apart) {
  let [x, line] = [0, 0];
  return widths.map((width) => {
    if (x > 0 && x + width > whole) [x, line] = [0, line + 1];
    const place = { x, line };
    x += width + apart;
    return place;
  });
}

/** @param {Drawing} drawing @param {About} about @param {Theme} theme @returns {Drawing} */
export function compose({ markup, width, height }, { title, lines, legend: entries }, theme) {
  const size = 12 * theme.scale;
  const line = LINE * theme.scale;
  const measure = measureIn(theme.font, size);
  const inner = Math.max(1, width - 2 * EDGE);
  const words = lines.flatMap((text) => wrapped(text, inner, measure));
  const swatch = SWATCH * theme.scale;
  const legend = entries.flatMap((entry) => inLines(entry, inner, measure));
  const widths = legend.map(
    ({ swatch: sample, parts }) => (sample ? swatch : 0) + parts.reduce((sum, { text, lowered }) => sum + (lowered ? 0.8 : 1) * measure(text), 0),
  );
  const places = flowed(widths, inner, APART * theme.scale);
  const top = EDGE + line * 1.25 + words.length * line;
  const bottom = top + height;
  const rows = places.length ? places[places.length - 1].line + 1 : 0;
  const whole = bottom + rows * line + EDGE;
  const head = [
    text(EDGE, EDGE + size * 1.1, title, `font-size="${size * 1.25}" font-weight="600" fill="${theme.ink}"`),
    ...words.map((one, at) => text(EDGE, EDGE + line * (1.25 + at) + size, one, `fill="${theme.inkSoft}"`)),
  ];
  const key = legend.map(({ swatch: sample, parts }, at) => {
    const [x, y] = [EDGE + places[at].x, bottom + (places[at].line + 0.5) * line];
    return (sample ? swatchAt(sample, x, y, theme, at) : "") + wordsAt(parts, x + (sample ? swatch : 0), y + size * 0.35, theme);
  });
  return {
    width,
    height: whole,
    markup:
      `<svg xmlns="${SVG}" width="${width}" height="${whole}" viewBox="0 0 ${width} ${whole}" font-family="${escaped(theme.font)}" font-size="${size}">` +
      `<rect width="${width}" height="${whole}" fill="${theme.panel}"/>${head.join("")}` +
      `<svg x="0" y="${top}" width="${width}" height="${height}">${markup}</svg>${key.join("")}</svg>`,
  };
}

/** An entry, in lines where it is a sentence that is too long for one. @param {Item} item @param {number} width @param {(text: string) => number} measure @returns {Item[]} */
function inLines(item, width, measure) {
  if (item.swatch || item.parts.some(({ lowered }) => lowered)) return [item];
  const text = item.parts.map((part) => part.text).join("");
  return wrapped(text, width, measure).map((line) => ({ swatch: null, parts: [{ text: line, lowered: false }] }));
}

/** @param {string} plain */
const escaped = (plain) =>
  plain
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll('"', "&quot;")
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "");

/** @param {number} x @param {number} y @param {string} words @param {string} look */
const text = (x, y, words, look) => `<text x="${x}" y="${y}" ${look}>${escaped(words)}</text>`;

/** @param {Part[]} parts @param {number} x @param {number} y @param {Theme} theme */
function wordsAt(parts, x, y, theme) {
  let low = false;
  const spans = parts.map(({ text: words, lowered }) => {
    const shift = lowered === low ? "" : ` dy="${lowered ? "0.25em" : "-0.2em"}"`;
    low = lowered;
    return `<tspan${shift}${lowered ? ' font-size="80%"' : ""}>${escaped(words)}</tspan>`;
  });
  return `<text x="${x}" y="${y}" fill="${theme.ink}" xml:space="preserve">${spans.join("")}</text>`;
}

const DASHES = { dashed: "5 3", dotted: "2 2" };

/** @param {Swatch} swatch @param {number} x @param {number} y of its middle @param {Theme} theme @param {number} id */
function swatchAt({ kind, colour, hatching, slope = 0, dash = "", width = 2, hollow }, x, y, { scale }, id) {
  const [wide, high] = [16 * scale, 11 * scale];
  const dashed = dash in DASHES ? ` stroke-dasharray="${DASHES[/** @type {keyof typeof DASHES} */ (dash)]}"` : "";
  if (kind === "line") return `<path d="M${x} ${y}h${wide}" stroke="${colour}" stroke-width="${width}"${dashed}/>`;
  if (kind === "upright") return `<path d="M${x + wide / 2} ${y - high / 2}v${high}" stroke="${colour}" stroke-width="${width}"${dashed}/>`;
  const fill = hollow ? `fill="none" stroke="${colour}"${dashed}` : `fill="${colour}"`;
  if (kind === "dot") return `<circle cx="${x + wide / 2}" cy="${y}" r="${high / 3}" ${fill}/>`;
  const box = `x="${x}" y="${y - high / 2}" width="${wide}" height="${high}"`;
  if (!hatching) return `<rect ${box} ${fill}/>`;
  const name = `legend-${id}`;
  const tile = `<pattern id="${name}" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(${slope - 90})"><rect width="4" height="4" fill="${colour}"/><rect width="1" height="4" fill="${hatching}"/></pattern>`;
  return `${tile}<rect ${box} fill="url(#${name})"/>`;
}

/** @param {Drawing} drawing @returns {Blob} */
export const asSvg = ({ markup }) => new Blob([markup], { type: "image/svg+xml" });

/** @param {Drawing} drawing @returns {Promise<Blob>} @throws {Error} the browser cannot draw it */
export async function asPng({ markup, width, height }) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(markup)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(width * SHARPNESS), Math.round(height * SHARPNESS)];
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  /** @type {Blob | null} */
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("the picture is too large");
  return blob;
}

/** A canvas's pixels as a drawing. @param {HTMLCanvasElement} canvas @returns {Drawing | null} null where nothing was drawn */
export function ofCanvas(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  if (!canvas.width || !canvas.height || !width || !height) return null;
  return {
    width,
    height,
    markup: `<svg xmlns="${SVG}" width="${width}" height="${height}"><image href="${canvas.toDataURL()}" width="${width}" height="${height}"/></svg>`,
  };
}

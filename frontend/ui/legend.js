// The legend of a panel, read from its words on the page: what stands there in HTML goes into the picture's vectors.

/**
 * @typedef {object} Swatch
 * @property {"line" | "upright" | "area" | "dot"} kind
 * @property {string} colour
 * @property {string} [hatching] colour between the lines of a hatching
 * @property {number} [slope] of the hatching, in degrees
 * @property {string} [dash] "dashed" or "dotted"
 * @property {number} [width] of a line
 * @property {boolean} [hollow]
 *
 * @typedef {{ text: string, lowered: boolean }} Part
 * @typedef {{ swatch: Swatch | null, parts: Part[] }} Item
 */

const ITEMS = ".readout > div, .panel-key > span, .sides p, .choice > span, .caption, .preview-tag";

/** @param {Element} body of a panel @returns {Item[]} in the order of the page, those that are hidden left out */
export function legendOf(body) {
  const shown = [...body.querySelectorAll(ITEMS)].filter(
    (element) => /** @type {HTMLElement} */ (element).offsetParent !== null && element.textContent?.trim(),
  );
  return shown.map((element) => {
    const swatch = element.querySelector(".swatch, .panel-key i");
    return { swatch: swatch && swatchOf(swatch), parts: partsOf(element) };
  });
}

/** @param {Element} element @returns {Swatch} */
function swatchOf(element) {
  const style = getComputedStyle(element);
  const [top, left] = [parseFloat(style.borderTopWidth), parseFloat(style.borderLeftWidth)];
  const [width, height] = [parseFloat(style.width), parseFloat(style.height)];
  if (top && height <= top) return { kind: "line", colour: style.borderTopColor, dash: style.borderTopStyle, width: top };
  if (left && width <= left) return { kind: "upright", colour: style.borderLeftColor, dash: style.borderLeftStyle, width: left };
  const colours = style.backgroundImage.match(/rgba?\([^)]*\)|color\([^)]*\)|oklch\([^)]*\)/g);
  const hollow = !colours && /^(rgba\(0, 0, 0, 0\)|transparent)$/.test(style.backgroundColor);
  const colour = colours?.at(-1) ?? (hollow ? style.borderTopColor : style.backgroundColor);
  if (parseFloat(style.borderTopLeftRadius) >= width / 3) return { kind: "dot", colour, hollow };
  const between = colours && colours.at(-1) !== colours[0] ? colours[0] : undefined;
  return {
    kind: "area",
    colour,
    hatching: between,
    slope: parseFloat(style.backgroundImage.match(/(-?\d+)deg/)?.[1] ?? "0"),
    hollow,
    dash: style.borderTopStyle,
  };
}

/** Its words, with what is lowered in them. @param {Node} node @param {boolean} lowered @returns {Part[]} */
function partsOf(node, lowered = false) {
  const parts = [...node.childNodes].flatMap((child) => {
    if (child instanceof Text) return [{ text: child.data.replace(/\s+/g, " "), lowered }];
    if (child instanceof HTMLSelectElement) return [{ text: child.selectedOptions[0]?.text ?? "", lowered }];
    return partsOf(child, lowered || child.nodeName === "SUB").concat(child.nodeName === "DT" ? [{ text: " ", lowered: false }] : []);
  });
  return parts.filter(({ text }) => text);
}

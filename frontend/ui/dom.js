// Elements in one line.

import { overwrite } from "../page/texts.js";

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * An HTML element. `props` are attributes; on<event> adds a listener; true gives an empty attribute, and false,
 * null or undefined leave it out.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {{ [name: string]: unknown }} props
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  fill(element, props, children);
  return element;
}

/**
 * A MathML element.
 *
 * @param {string} tag
 * @param {{ [name: string]: unknown }} props as for an HTML element
 * @param {...Child} children
 * @returns {MathMLElement}
 */
export function m(tag, props = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/1998/Math/MathML", tag);
  fill(element, props, children);
  return element;
}

/**
 * A drawing on a 16 × 16 grid, in the colour of the text beside it.
 *
 * @param {string} path
 */
export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  fill(svg, { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" }, []);
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

/**
 * Writes only where something changed: a page that repaints unchanged text has work for nothing. A text that is there
 * is written over: a new node would have every `:has()` above it asked anew. (Of what is above a panel's body there is none.)
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  const only = element.firstChild;
  if (only instanceof Text && !only.nextSibling) overwrite(only, text);
  else if (element.textContent !== text) element.textContent = text;
}

/** As setText, for what is hidden. @param {HTMLElement} element @param {boolean} hidden */
export function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/** As setText, for what keeps its room where it cannot be seen. @param {HTMLElement} element @param {boolean} visible */
export function setVisible({ style }, visible) {
  const visibility = visible ? "" : "hidden";
  if (style.visibility !== visibility) style.visibility = visibility;
}

/**
 * As setText, for an attribute.
 *
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Of one letter, V_targ: autoreset_mode is a name in somebody's code. */
const INDEX = /(?<![\p{L}\p{N}_]\p{L})(?<=\p{L})_([A-Za-zθ]+)/u;

/**
 * Prose with indices: "π_old" becomes π with a lowered "old".
 *
 * @param {string} text
 * @returns {(Node | string)[]}
 */
export function prose(text) {
  return text.split(INDEX).map((part, i) => (i % 2 ? h("sub", {}, part) : part));
}

/** What setProse has written. @type {WeakMap<HTMLElement, string>} */
const written = new WeakMap();

/**
 * As setText, for prose with indices.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
export function setProse(element, text) {
  if (written.get(element) === text) return;
  const parts = text.split(INDEX);
  if (written.has(element) && element.childNodes.length === parts.length) parts.forEach((part, i) => rewrite(element.childNodes[i], part));
  else element.replaceChildren(...prose(text));
  written.set(element, text);
}

/** @param {Node} node a text, or an index @param {string} text */
function rewrite(node, text) {
  const holder = node instanceof Text ? node : node.firstChild;
  if (holder instanceof Text) overwrite(holder, text);
}

/**
 * @param {Element} element
 * @param {{ [name: string]: unknown }} props
 * @param {Child[]} children
 */
function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(.../** @type {(Node | string)[]} */ (children.filter((child) => child !== null && child !== undefined && child !== false)));
}

// A picture of the whole page: its own elements and styles, drawn by the browser into a canvas. Canvases, which would be
// empty in a copy, go in as images.

import { download } from "./download.js";
import { writeTexts } from "../page/texts.js";

const SETTLES = 600; // milliseconds until what came into sight is measured and drawn
const MOST = 16_000; // pixels of a side; beyond that browsers refuse
/** What follows the window on the page stands in its place in the picture, as long as it is. */
const UNROLLED = ".bar, .settings, .guide { position: static !important; max-height: none !important; }";

/** @returns {Promise<void>} once the picture is handed over @throws {Error} the browser cannot draw it */
export async function picturePage() {
  await passBy();
  const { width, height } = sizeUnrolled();
  writeTexts(); // at full speed they are behind what is drawn
  const copy = /** @type {HTMLElement} */ (document.documentElement.cloneNode(true));
  replaceCanvases(copy);
  keepValues(copy);
  for (const element of copy.querySelectorAll("script, link, dialog, noscript, .toasts")) element.remove();
  const style = document.createElement("style");
  style.textContent = `${rules()} ${UNROLLED}`;
  copy.querySelector("head")?.append(style);
  // An attribute may hold characters that HTML takes and XML does not.
  const markup = new XMLSerializer().serializeToString(copy).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "");
  // In it the root is the drawing, not the page: what is given in rem would lose the theme's size of type.
  const { fontSize } = getComputedStyle(document.documentElement);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" style="font-size: ${fontSize}"><foreignObject width="100%" height="100%">${markup}</foreignObject></svg>`;
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  const scale = height * 2 <= MOST ? Math.max(1, devicePixelRatio) : 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.scale(scale, scale);
  pen.drawImage(image, 0, 0);
  /** @type {Blob | null} */
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("the page is too large");
  download(blob, "ppo-scope.png");
}

/** The size of the page where nothing of it is rolled up; measured, and not shown. */
function sizeUnrolled() {
  const style = document.createElement("style");
  style.textContent = UNROLLED;
  document.head.append(style);
  const { scrollWidth: width, scrollHeight: height } = document.documentElement;
  style.remove();
  return { width, height: Math.min(height, MOST) };
}

/** Brings every panel into sight once: what nobody has seen was neither measured nor drawn. */
async function passBy() {
  const { scrollY } = window;
  for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight) {
    window.scrollTo({ top: y, behavior: "instant" });
    await new Promise((resolve) => setTimeout(resolve, SETTLES));
  }
  window.scrollTo({ top: scrollY, behavior: "instant" });
}

/** @param {HTMLElement} copy */
function replaceCanvases(copy) {
  const originals = [...document.querySelectorAll("canvas")];
  [...copy.querySelectorAll("canvas")].forEach((canvas, index) => {
    const original = originals[index];
    const image = document.createElement("img");
    image.className = canvas.className;
    image.alt = "";
    if (original.width && original.height) image.src = original.toDataURL();
    const { width, height } = original.getBoundingClientRect();
    image.style.cssText = `${canvas.style.cssText};width:${width}px;height:${height}px`;
    canvas.replaceWith(image);
  });
}

/** What was typed or moved is no attribute, and would be lost. @param {HTMLElement} copy */
function keepValues(copy) {
  const originals = [...document.querySelectorAll("input, select, details")];
  [...copy.querySelectorAll("input, select, details")].forEach((element, index) => {
    const original = originals[index];
    if (original instanceof HTMLInputElement) {
      element.setAttribute("value", original.value);
      element.toggleAttribute("checked", original.checked);
    }
    if (original instanceof HTMLSelectElement)
      [...element.children].forEach((option, at) => option.toggleAttribute("selected", at === original.selectedIndex));
  });
}

/** All styles of the page, which come from its own server; in the picture, whose window is its whole height, vh means another thing. */
function rules() {
  const all = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules].map((rule) => rule.cssText)).join("\n");
  return all.replace(/([\d.]+)vh\b/g, (_, share) => `${(Number(share) * innerHeight) / 100}px`);
}

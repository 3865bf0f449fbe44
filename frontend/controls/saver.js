// Saving what a panel shows: its chart or its canvas as a picture, its numbers as a table.

import { csv, download } from "./download.js";
import { h, icon } from "./dom.js";
import { createPopup } from "./popup.js";

/** @import { Panel } from "../types.js" */

const DISK = "M2 2h9l3 3v9H2zm2 1.6V6h6V3.6zM4 9v3.4h8V9z";

/**
 * @param {Panel} panel
 * @param {HTMLElement} body
 * @param {() => (string | number | null)[][] | null} table
 */
export function saver(panel, body, table) {
  const name = panel.name.toLowerCase().replaceAll(" ", "-");
  const menu = h("menu", {});
  const opener = h("button", { type: "button", class: "quiet square", title: "Save", "aria-label": `Save ${panel.name}` }, icon(DISK));
  const { root, close } = createPopup("saver", opener, menu, () => {
    menu.replaceChildren(...choices().map(([text, act]) => h("li", {}, h("button", { type: "button", class: "quiet", onclick: () => (close(), act()) }, text))));
  });

  /** @returns {[string, () => void][]} */
  function choices() {
    const chart = body.querySelector(".chart");
    const canvas = body.querySelector("canvas");
    const numbers = table();
    /** @param {string} format @returns {[string, () => void]} */
    const ofChart = (format) => [`Chart as ${format.toUpperCase()}`, () => chart?.dispatchEvent(new CustomEvent("save", { detail: format }))];
    /** @type {[string, () => void][]} */
    const found = chart ? [ofChart("png"), ofChart("svg")] : canvas ? [["Picture as PNG", () => canvas.toBlob((blob) => blob && download(blob, `${name}.png`))]] : [];
    if (!chart && canvas?.dataset.saves) found.push(["Picture as SVG", () => canvas.dispatchEvent(new CustomEvent("save", { detail: "svg" }))]);
    if (numbers) found.push(["Numbers as CSV", () => download(new Blob([csv(numbers)], { type: "text/csv" }), `${name}.csv`)]);
    return found.length ? found : [["Text as TXT", () => download(new Blob([body.innerText], { type: "text/plain" }), `${name}.txt`)]];
  }

  return root;
}

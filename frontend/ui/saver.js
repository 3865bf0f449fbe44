// Saving what a panel shows: its chart or its canvas as a picture, its numbers as a table, the whole run's series.
// Every file says what run and moment it is of.

import { fileName, momentOf, settingsInWords, wholeRun, wholeRunAsLines, withRun } from "../state/provenance.js";
import { csv, download } from "./download.js";
import { h, icon } from "./dom.js";
import { drawingOf } from "./drawn.js";
import { asPng, asSvg, compose, ofCanvas } from "./figure.js";
import { legendOf } from "./legend.js";
import { createPopup } from "./popup.js";
import { writeTexts } from "../page/texts.js";

/** @import { Panel, State, Theme } from "../types.js" */

/** Of a panel whose body is covered: what lies under the cover is of another moment. */
const NOTHING = "Nothing to save of this moment";
const DISK = "M2 2h9l3 3v9H2zm2 1.6V6h6V3.6zM4 9v3.4h8V9z";

/**
 * @param {Panel} panel
 * @param {HTMLElement} body
 * @param {() => (string | number | null)[][] | null} table
 * @param {{ state: State, theme: () => Theme, failed: (words: string) => void }} surroundings
 */
export function saver(panel, body, table, { state, theme, failed }) {
  const menu = h("menu", {});
  const opener = h("button", { type: "button", class: "quiet square", title: "Save", "aria-label": `Save ${panel.name}` }, icon(DISK));
  const { root, close } = createPopup("saver", opener, menu, () => {
    menu.replaceChildren(
      ...choices().map(([text, act]) =>
        h("li", {}, act ? h("button", { type: "button", class: "quiet", onclick: () => (close(), act()) }, text) : text),
      ),
    );
  });
  body.addEventListener("save", (event) => void savePicture(/** @type {CustomEvent} */ (event).detail));

  /** @param {Blob} blob @param {string} ending @param {string} name */
  const give = (blob, ending, name = fileName(panel.name, state)) => download(blob, `${name}.${ending}`);

  /** @param {"png" | "svg"} format */
  async function savePicture(format) {
    try {
      const [chart, canvas] = [body.querySelector(".chart"), body.querySelector("canvas")];
      // All of it now, while it is of one moment: at full speed texts are behind, and what is waited for goes by.
      writeTexts();
      const begun = chart ? drawingOf(chart) : canvas && (drawingOf(canvas) ?? ofCanvas(canvas));
      const about = { title: panel.title, lines: [momentOf(state), settingsInWords(state)], legend: legendOf(body) };
      const name = fileName(panel.name, state);
      const drawing = await begun;
      if (!drawing) return;
      const picture = compose(drawing, about, theme());
      give(format === "svg" ? asSvg(picture) : await asPng(picture), format, name);
    } catch (error) {
      failed(`The picture could not be made: ${error instanceof Error ? error.message : error}`);
    }
  }

  function asText() {
    writeTexts();
    return `${momentOf(state)}\n${settingsInWords(state)}\n\n${body.innerText}`;
  }

  /** @returns {[string, (() => void) | null][]} */
  function choices() {
    const covered = body.inert;
    const chart = covered ? null : body.querySelector(".chart");
    const canvas = covered ? null : body.querySelector("canvas");
    const numbers = table();
    const what = chart ? "Chart" : "Picture";
    /** @type {[string, (() => void) | null][]} */
    const found = [];
    if (chart || canvas) found.push([`${what} as PNG`, () => void savePicture("png")], [`${what} as SVG`, () => void savePicture("svg")]);
    if (numbers) found.push(["Numbers as CSV", () => give(new Blob([csv(withRun(numbers, state))], { type: "text/csv" }), "csv")]);
    if (covered) found.push([NOTHING, null]);
    else if (!found.length) found.push(["Text as TXT", () => give(new Blob([asText()], { type: "text/plain" }), "txt")]);
    if (panel.extras?.includes("series")) {
      found.push(["Whole run as CSV", () => give(new Blob([csv(wholeRun(state))], { type: "text/csv" }), "csv", fileName("run", state))]);
      found.push([
        "Whole run as JSONL",
        () => give(new Blob([wholeRunAsLines(state)], { type: "application/jsonl" }), "jsonl", fileName("run", state)),
      ]);
    }
    return found;
  }

  return root;
}

// The sheet that compares what runs have achieved: which runs, their curves by groups of seeds, and a table of the end.

import { drawingOf } from "../ui/drawn.js";
import { csv, download } from "../ui/download.js";
import { h, setHidden, setText } from "../ui/dom.js";
import { asPng, asSvg, compose } from "../ui/figure.js";
import { legendOf } from "../ui/legend.js";
import {
  DRAWN,
  differingInWords,
  bestOf,
  finalInWords,
  finalOf,
  intervalInWords,
  measureInWords,
  methodInWords,
  nameOfGroup,
  seedsInWords,
  tableOf,
  warnings,
} from "../state/compared.js";
import { count, number } from "../state/format.js";
import { createChoice } from "./returns-choice.js";
import { createReturnsChart } from "./returns-chart.js";

/** @import { Compared, ComparedGroup, Comparison, RunBrief, Shelf, State, Theme } from "../types.js" */

const AGAIN = 5000; // milliseconds until runs that go on are looked at again
const SOON = 150; // milliseconds after a choice: several come at once
const FILE = "ppo-scope-returns";

/**
 * @param {HTMLElement} parent
 * @param {State} state
 * @param {object} page
 * @param {() => Theme} page.theme
 * @param {() => Promise<RunBrief[]>} page.here the server's runs
 * @param {() => Promise<Shelf>} page.kept
 * @param {(runs: string[]) => Promise<Comparison>} page.compare
 * @param {(run: string, here: boolean) => void} page.open one of them
 * @param {(words: string) => void} page.failed
 */
export function createReturns(parent, state, { theme, here, kept, compare, open, failed }) {
  const choice = createChoice(() => soon());
  const legend = h("p", { class: "panel-key compared-key" });
  const said = h("p", { class: "compared-said", role: "status" });
  const differing = h("p", { class: "compared-differing" });
  const box = h("div", { class: "compared-chart" });
  const chart = createReturnsChart(box, theme);
  const rows = h("tbody", {});
  const heads = ["group", "seeds", "measure", "at step", "return", "95 % interval", "each run there"];
  const table = h(
    "table",
    { class: "compared-table" },
    h("caption", {}, "At the end of each curve"),
    h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)))),
    rows,
  );
  const notes = h("ul", { class: "compared-notes", "aria-label": "To know about this comparison" });
  const method = h("p", { class: "compared-method" });
  const shown = h(
    "div",
    { class: "compared-shown" },
    differing,
    legend,
    box,
    h("div", { class: "compared-scroll", tabindex: "0", role: "group", "aria-label": "Final values" }, table),
    notes,
    method,
  );
  const saveTable = h(
    "button",
    { type: "button", onclick: () => found && save(new Blob([csv(tableOf(found))], { type: "text/csv" }), "csv") },
    "Curves as CSV",
  );
  const savePicture = h("button", { type: "button", onclick: () => void picture("png") }, "Chart as PNG");
  const dialog = h(
    "dialog",
    { class: "compared sheet", "aria-labelledby": "compared-title" },
    h("h2", { id: "compared-title" }, "Return over steps"),
    h("div", { class: "compared-room" }, choice.element, h("section", { class: "compared-result", "aria-label": "Comparison" }, said, shown)),
    h("div", { class: "compared-ends" }, saveTable, savePicture, h("button", { type: "button", onclick: () => dialog.close() }, "Close")),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => (clearTimeout(timer), (asked += 1)));
  parent.append(dialog);
  new ResizeObserver(() => (chart.resize(), found && dialog.open && chart.draw(found.groups))).observe(box);

  /** What was heard last. @type {Comparison | null} */
  let found = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let asked = 0;

  /** After a moment. */
  function soon(wait = SOON) {
    clearTimeout(timer);
    timer = setTimeout(() => void look(), wait);
  }

  async function look() {
    const [runs, mine] = [choice.chosen(), (asked += 1)];
    if (!runs.length) return show(null);
    try {
      const answer = await compare(runs);
      if (mine === asked) show(answer);
    } catch (error) {
      if (mine === asked) show(null, error instanceof Error ? error.message : String(error));
    }
    if (mine !== asked || !dialog.open) return;
    clearTimeout(timer);
    timer = setTimeout(() => void again(), AGAIN);
  }

  /** Others may have begun: those of the kind that is compared are chosen as well. Where nothing goes on nothing is drawn anew. */
  async function again() {
    const before = choice.standing();
    await offer().catch(() => {}); // the server is away: it is asked again
    if (choice.standing() !== before) return look();
    timer = setTimeout(() => void again(), AGAIN);
  }

  async function offer() {
    const [server, disk] = await Promise.all([here(), kept()]);
    choice.offer(server, disk.runs, state.run, disk.more);
  }

  /** @param {Comparison | null} comparison @param {string} problem */
  function show(comparison, problem = "") {
    const known = comparison?.groups.length ? comparison : null;
    found = known;
    choice.mark(known?.groups.slice(0, DRAWN) ?? []);
    const nothing = comparison
      ? warnings(comparison, state.settings).join(" ")
      : "Choose the runs to compare. Those that differ in nothing they learn by but the seed become one curve.";
    setText(said, problem || (known ? "" : nothing));
    setHidden(said, said.textContent === "");
    setHidden(shown, known === null);
    saveTable.disabled = savePicture.disabled = known === null;
    if (!known) return;
    const name = (/** @type {ComparedGroup} */ group) => nameOfGroup(group, known, state.settings);
    setText(differing, differingInWords(known, state.settings));
    legend.replaceChildren(
      ...known.groups
        .slice(0, DRAWN)
        .map((group, at) => h("span", {}, h("i", { "data-look": String(at) }), `${name(group)}, ${seedsInWords(group)}`)),
    );
    chart.draw(known.groups);
    const best = bestOf(known);
    const show = (/** @type {string} */ id) => (dialog.close(), open(id, choice.isHere(id)));
    rows.replaceChildren(...known.groups.map((group, at) => row(group, at, name(group), known, (run) => each(run, run.id === best, show))));
    notes.replaceChildren(...warnings(known, state.settings).map((text) => h("li", {}, text)));
    setHidden(notes, !notes.childElementCount);
    setText(method, methodInWords(known));
  }

  /** @param {Blob} blob @param {string} ending */
  const save = (blob, ending) => download(blob, `${FILE}.${ending}`);

  box.addEventListener("save", (event) => void picture(/** @type {CustomEvent} */ (event).detail)); // by the chart's own buttons

  /** @param {"png" | "svg"} format */
  async function picture(format) {
    try {
      const drawing = await drawingOf(chart.element);
      if (!drawing || !found) return;
      const about = {
        title: "Return over environment steps",
        lines: [differingInWords(found, state.settings), methodInWords(found)].filter(Boolean),
        legend: legendOf(shown),
      };
      const composed = compose(drawing, about, theme());
      save(format === "svg" ? asSvg(composed) : await asPng(composed), format);
    } catch (error) {
      failed(`The picture could not be made: ${error instanceof Error ? error.message : error}`);
    }
  }

  return {
    isOpen: () => dialog.open,
    /** Colours are others now. */
    draw() {
      if (found && dialog.open) chart.draw(found.groups);
    },
    /** @throws {Error} the server cannot be reached */
    async open() {
      await offer();
      show(null);
      dialog.showModal();
      choice.focus();
      await look();
    },
  };
}

/** What one has come to, by which it is opened. @param {Compared} run @param {boolean} best @param {(id: string) => void} show */
const each = (run, best, show) =>
  h(
    "button",
    { type: "button", class: "quiet", title: `Open run ${run.id}`, onclick: () => show(run.id) },
    `${finalInWords(run)}${best ? ", the best" : ""}`,
  );

/** @param {ComparedGroup} group @param {number} at @param {string} name @param {Comparison} comparison @param {(run: Compared) => Element} each */
function row(group, at, name, comparison, each) {
  const final = finalOf(group);
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, at < DRAWN && h("i", { "data-look": String(at), "aria-hidden": "true" }), name),
    h("td", {}, String(group.runs.length)),
    h("td", {}, measureInWords(group)),
    h("td", {}, final ? count(final.step) : "–"),
    h("td", {}, h("b", {}, number(final?.value, 4))),
    h("td", {}, intervalInWords(group, comparison)),
    h("td", { class: "compared-each" }, ...group.runs.map(each)),
  );
}

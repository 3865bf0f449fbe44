// The sheet that compares what runs have achieved: which runs, their curves by groups of seeds, and a table of the end.

import { drawingOf } from "../ui/drawn.js";
import { csv, download } from "../ui/download.js";
import { h, setHidden, setText } from "../ui/dom.js";
import { asPng, asSvg, compose } from "../ui/figure.js";
import { legendOf } from "../ui/legend.js";
import { renew } from "../ui/renew.js";
import { DRAWN, differingInWords, methodInWords, nameOfGroup, seedsInWords, tableOf, warnings } from "../state/compared.js";
import { isMany } from "../state/multiples.js";
import { createMultiples } from "./multiples.js";
import { createChoice } from "./returns-choice.js";
import { createReturnsChart } from "./returns-chart.js";
import { createTable } from "./returns-table.js";

/** @import { Comparison, RunBrief, Shelf, State, SweepTold, Theme } from "../types.js" */

/** How it is arranged, as an address says it; "open": as is usual for so many. @typedef {"open" | "chart" | "multiples"} Arranged */

const AGAIN = 5000; // milliseconds until the curves of runs that go on are looked at again; that one begins or ends is told
const SHARE = 10; // of what an answer takes, at least: the server's runs train meanwhile
const LATEST = 20_000; // and yet nobody waits longer than so for news
const SOON = 150; // milliseconds after a choice, or news: several come at once
const FILE = "ppo-scope-returns";

/**
 * @param {HTMLElement} parent
 * @param {State} state
 * @param {object} page
 * @param {() => Theme} page.theme
 * @param {() => Promise<RunBrief[]>} page.here the server's runs
 * @param {(sweep?: string) => Promise<Shelf>} page.kept those on the disk; or all of a sweep
 * @param {(runs: string[]) => Promise<Comparison>} page.compare
 * @param {(sweep: string) => Promise<SweepTold>} page.planned
 * @param {(run: string, here: boolean) => void} page.open one of them
 * @param {() => void} page.moved it is open or not, or arranged in another way
 * @param {(words: string) => void} page.failed
 */
export function createReturns(parent, state, { theme, here, kept, compare, planned, open, moved, failed }) {
  const choice = createChoice(() => soon());
  const openRun = (/** @type {string} */ id) => (dialog.close(), open(id, choice.isHere(id)));
  const legend = h("p", { class: "panel-key compared-key" });
  const said = h("p", { class: "compared-said", role: "status" });
  const differing = h("p", { class: "compared-differing" });
  const box = h("div", { class: "compared-chart" });
  const chart = createReturnsChart(box, theme);
  const multiples = createMultiples(theme, openRun);
  const table = createTable(openRun);
  const ways = arrangements((way) => {
    chosen = way;
    if (found) draw(found);
    moved();
  });
  const choose = h("button", { type: "button", class: "compared-choose", "aria-expanded": "false", onclick: () => showChoice() }, "Choose runs");
  const notes = h("ul", { class: "compared-notes", "aria-label": "To know about this comparison" });
  const method = h("p", { class: "compared-method" });
  const shown = h("div", { class: "compared-shown" }, differing, legend, box, multiples.element, table.element, notes, method);
  const saveTable = h(
    "button",
    { type: "button", onclick: () => found && save(new Blob([csv(tableOf(found))], { type: "text/csv" }), "csv") },
    "Curves as CSV",
  );
  const savePicture = h("button", { type: "button", onclick: () => void picture("png") }, "Chart as PNG");
  const result = h("section", { class: "compared-result", "aria-label": "Comparison" }, said, shown);
  const dialog = h(
    "dialog",
    { class: "compared sheet", "aria-labelledby": "compared-title" },
    h("div", { class: "compared-head" }, h("h2", { id: "compared-title" }, "Return over steps"), choose, ways.element),
    h("div", { class: "compared-room" }, choice.element, result),
    h("div", { class: "compared-ends" }, saveTable, savePicture, h("button", { type: "button", onclick: () => dialog.close() }, "Close")),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => (clearTimeout(timer), (asked += 1), moved()));
  parent.append(dialog);
  new ResizeObserver(() => (chart.resize(), found && isShown(box) && chart.draw(found.groups))).observe(box);

  /** What was heard last. @type {Comparison | null} */
  let found = null;
  /** Whose plan it is, if it is of one. @type {SweepTold | null} */
  let sweep = null;
  /** By somebody; null: as is usual. @type {Exclude<Arranged, "open"> | null} */
  let chosen = null;
  /** Where somebody has scrolled to. @type {Map<Element, number>} */
  const places = new Map();
  for (const part of [choice.element, result]) part.addEventListener("scroll", () => dialog.open && places.set(part, part.scrollTop));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let asked = 0;
  /** The server's runs and their states, as the server has told them. */
  let told = "";
  /** Whether that is another than what was last looked at. */
  let news = false;
  let took = 0; // milliseconds, the last answer
  /** @type {Theme | null} */
  let painted = null;

  /** Small multiples take the room of the list, until somebody wants it. */
  function showChoice() {
    const shown = dialog.toggleAttribute("data-choosing");
    choose.setAttribute("aria-expanded", String(shown));
  }

  /** After a moment. */
  function soon(wait = SOON) {
    clearTimeout(timer);
    timer = setTimeout(() => void look(), wait);
  }

  async function look() {
    const [runs, mine, began] = [choice.chosen(), (asked += 1), performance.now()];
    if (!runs.length) {
      show(null);
      return dialog.open && wait(0); // a sweep may be about to begin its first
    }
    try {
      const name = choice.sweep();
      const [answer, plan] = await Promise.all([compare(runs), name ? planned(name).catch(() => null) : null]); // of copied runs the plan is elsewhere
      if (mine === asked) show(answer, plan);
    } catch (error) {
      if (mine === asked) show(null, null, error instanceof Error ? error.message : String(error));
    }
    if (mine === asked && dialog.open) wait(performance.now() - began);
  }

  /** @param {number} [answered] milliseconds that an answer has taken */
  function wait(answered = took) {
    took = answered;
    clearTimeout(timer);
    timer = setTimeout(() => void again(), Math.min(LATEST, Math.max(news ? SOON : AGAIN, SHARE * took)));
  }

  /** Others may have begun: those of the kind that is compared are chosen as well. Where nothing goes on nothing is drawn anew. */
  async function again() {
    const [before, began] = [choice.standing(), performance.now()];
    news = false;
    await offer().catch(() => {}); // the server is away: it is asked again
    if (!dialog.open) return;
    if (choice.standing() !== before) return look();
    wait(performance.now() - began);
  }

  async function offer() {
    const [server, { runs, more }] = await Promise.all([here(), kept()]);
    const all = more && state.run?.sweep ? [...runs, ...(await kept(state.run.sweep)).runs] : runs;
    const each = new Map(all.map((run) => [run.id, run]));
    choice.offer(server, [...each.values()], state.run, more - (each.size - runs.length));
  }

  /** @param {Comparison | null} comparison @param {SweepTold | null} plan @param {string} problem */
  function show(comparison, plan = null, problem = "") {
    const known = comparison?.groups.length ? comparison : null;
    [found, sweep] = [known, plan];
    const nothing = comparison
      ? warnings(comparison, state.settings, false).join(" ")
      : choice.chosen().length
        ? "The chosen runs are being read."
        : "Choose the runs to compare. Those that differ in nothing they learn by but the seed become one curve.";
    const words = problem || (known ? "" : nothing);
    setText(said, words);
    setHidden(said, words === "");
    setHidden(shown, known === null);
    setHidden(ways.element, known === null);
    if (!known) delete dialog.dataset.arranged; // else nobody could choose
    saveTable.disabled = savePicture.disabled = known === null;
    if (known) draw(known);
    else choice.mark([]);
  }

  /** @param {Comparison} comparison */
  function draw(comparison) {
    const way = chosen ?? (isMany(comparison, sweep) ? "multiples" : "chart");
    const small = way === "multiples";
    ways.show(way);
    dialog.dataset.arranged = way;
    setHidden(box, small);
    setHidden(multiples.element, !small);
    setText(savePicture, small ? "Charts as PNG" : "Chart as PNG");
    setText(differing, differingInWords(comparison, state.settings));
    const drawn = small ? [] : comparison.groups.slice(0, DRAWN);
    choice.mark(drawn);
    if (small) {
      const mine = new Set(choice.chosen());
      multiples.draw(comparison, sweep, state.settings, (id) => (mine.has(id) ? choice.stateOf(id) : null));
    } else chart.draw(comparison.groups);
    const name = (/** @type {typeof drawn[number]} */ group) => nameOfGroup(group, comparison, state.settings);
    const key = small
      ? multiples.key()
      : drawn.map((group, at) => h("span", {}, h("i", { "data-look": String(at) }), `${name(group)}, ${seedsInWords(group)}`));
    renew(legend, key);
    table.draw(comparison, state.settings, !small);
    renew(
      notes,
      warnings(comparison, state.settings, !small).map((text) => h("li", {}, text)),
    );
    setHidden(notes, !notes.childElementCount);
    setText(method, methodInWords(comparison, small));
  }

  /** @param {Blob} blob @param {string} ending */
  const save = (blob, ending) => download(blob, `${FILE}.${ending}`);

  shown.addEventListener("save", (event) => void picture(/** @type {CustomEvent} */ (event).detail)); // by the chart's own buttons

  /** @param {"png" | "svg"} format */
  async function picture(format) {
    try {
      const small = dialog.dataset.arranged === "multiples"; // whose headings say what differs
      const drawing = small ? multiples.drawing() : await drawingOf(chart.element);
      if (!drawing || !found) return;
      const about = {
        title: "Return over environment steps",
        lines: [small ? "" : differingInWords(found, state.settings), methodInWords(found, small)].filter(Boolean),
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
    /** As an address says it; null: it is not open. @returns {Arranged | null} */
    arranged: () => (dialog.open ? (chosen ?? "open") : null),
    /** Colours are others now, or the server's runs. */
    draw() {
      const [before, look] = [told, theme()];
      told = state.runs.map(({ id, state: standing }) => `${id} ${standing}`).join();
      if (!dialog.open) return;
      if (told !== before) {
        news = true;
        wait();
      }
      if (!found || look === painted) return;
      painted = look;
      if (isShown(box)) chart.draw(found.groups);
      multiples.paint();
    },
    /** @param {Arranged} [way] what an address asks for @throws {Error} the server cannot be reached */
    async open(way = "open") {
      if (way !== "open") chosen = way;
      await offer();
      if (!found) show(null);
      dialog.showModal();
      choice.focus();
      for (const [part, top] of places) part.scrollTop = top;
      if (found) draw(found); // as it was, until there is news
      moved();
      await look();
    },
  };
}

/** @param {HTMLElement} element */
const isShown = (element) => element.offsetParent !== null;

/** How the groups are laid out: a choice of two. @param {(way: Exclude<Arranged, "open">) => void} choose */
function arrangements(choose) {
  const option = (/** @type {Exclude<Arranged, "open">} */ way, /** @type {string} */ text) => {
    const input = h("input", { type: "radio", name: "compared-arranged", value: way, onchange: () => choose(way) });
    return { way, input, label: h("label", {}, input, text) };
  };
  const options = [option("chart", "One chart"), option("multiples", "Small multiples")];
  return {
    element: h("div", { class: "compared-ways", role: "radiogroup", "aria-label": "Arrangement" }, ...options.map(({ label }) => label)),
    /** @param {string} shown */
    show: (shown) => options.forEach(({ way, input }) => (input.checked = way === shown)),
  };
}

// The menu "Runs": all of the server's runs, how each goes, what is another than with the run at hand, and the way there.

import { inWords, variedInWords } from "../state/beside.js";
import { inParts, fullTitleOf, scriptOf, titleOf } from "../state/called.js";
import { isGone, runState } from "../state/ended.js";
import { count } from "../state/format.js";
import { createConfirm } from "../ui/confirm.js";
import { createCopyable } from "../ui/copyable.js";
import { h, icon, setAttribute, setHidden, setText } from "../ui/dom.js";
import { forkedFrom, hereAt, lineageInWords } from "../state/lineage.js";
import { whyNoControl, whyNothingBeside } from "../state/permission.js";
import { stateInWords } from "../state/stands.js";
import { createPopup } from "../ui/popup.js";
import { onPress } from "../ui/pressed.js";
import { renew } from "../ui/renew.js";
import { sparkline } from "./curve.js";
import { COMES, LEAVES, createShelf } from "./shelf.js";

/** @import { Parent, RunBrief, SettingValues, State } from "../types.js" */
/** @import { Shelves } from "./shelf.js" */

/** That it is shown by lines that were put in. @param {State["run"]} run */
const insertionInWords = (run) => run?.attached?.inserted && "lines put in";

const DOWN = "M3 5.5h10L8 11z";

/** @typedef {Omit<RunBrief, "returns"> & { settings: SettingValues, returns?: RunBrief["returns"], parent?: Parent | null }} Described */

/**
 * @param {State} state
 * @param {object} page
 * @param {(run: string) => void} page.open
 * @param {() => void} page.end
 * @param {(run: string) => void} page.compare shows it beside the run at hand
 * @param {(run: string) => void} page.part takes it out of the comparison
 * @param {() => void} page.compareRecorded the same with the run that was recorded for this page
 * @param {(file: File) => void} page.compareFile
 * @param {() => Promise<Described[]>} page.describe
 * @param {(() => void) | null} page.returns compares what several runs have achieved; null: there is no server
 * @param {() => void} page.fork branches off where the run on show is looked at
 * @param {Omit<Shelves, "whyNot" | "atHand" | "part" | "beside">} page.kept
 */
export function createRuns(state, { open, end, compare, part, compareRecorded, compareFile, describe, returns, fork, kept }) {
  const environment = h("strong", { class: "run-environment" });
  const known = h("span", {});
  const forkOf = h("span", { class: "run-fork" });
  const facts = h("span", { class: "run-facts" }, known, forkOf);
  const number = h("span", { class: "runs-count" });
  const opener = h(
    "button",
    { type: "button", class: "quiet run", "aria-controls": "runs-sheet" },
    h("span", { class: "visually-hidden" }, "Runs: "),
    environment,
    facts,
    number,
    icon(DOWN),
  );
  const list = h("ul", { "aria-label": "Runs of this server" });
  const ender = h("button", { type: "button", onclick: () => confirm.toggle() }, "End this run");
  const forker = h("button", { type: "button", onclick: () => (close(), fork()) }, "Fork from here…");
  const comparer = h(
    "button",
    {
      type: "button",
      title: "Return over environment steps of any of these runs, with its interval over seeds",
      hidden: returns === null,
      onclick: () => (close(), returns?.()),
    },
    "Compare returns…",
  );
  const confirm = createConfirm(ender, {
    question: () => "End the run at hand? Its process goes; what it has shown stays in this list.",
    yes: "End it",
    no: "Let it go on",
    action: end,
  });
  const file = h("input", {
    type: "file",
    accept: ".rec",
    hidden: true,
    "aria-label": "A recording to compare with",
    onchange: () => (close(), file.files?.[0] && compareFile(file.files[0]), (file.value = "")),
  });
  const isBeside = (/** @type {string} */ id) => state.others.some(({ run }) => run?.id === id);
  const whyNot = () => whyNothingBeside(state);
  const shelf = createShelf({ ...kept, part, beside: isBeside, whyNot, atHand: () => state.run?.id ?? null }, () => close());
  const head = h("h3", { class: "runs-head" }, "On this server");
  const lines = createCopyable("Lines that were put into the script");
  const insertion = h("summary", {});
  const inserted = h("details", { class: "runs-inserted", ontoggle: () => fit() }, insertion, lines.element);
  const sheet = h(
    "div",
    { class: "panels-sheet runs-sheet", id: "runs-sheet", role: "group", "aria-label": "Runs" },
    inserted,
    head,
    list,
    shelf.element,
    h(
      "div",
      { class: "runs-recorded" },
      h(
        "button",
        { type: "button", class: "quiet", title: "A run of CartPole that comes with the page", onclick: () => (close(), compareRecorded()) },
        "Compare with the recorded run",
      ),
      h("button", { type: "button", class: "quiet", title: "A file that ppo-scope record has made", onclick: () => file.click() }, "with a file…"),
      file,
    ),
    h("div", { class: "runs-end" }, comparer, forker, ender, confirm.element),
  );
  const { root, close, fit } = createPopup("runs", opener, sheet, fill);

  /** Of each run, once it was asked for. @type {Map<string, Described>} */
  let described = new Map();

  /** Which runs this server had, and their states, when the kept ones were asked for. */
  let seen = "";

  function fill() {
    seen = "";
    drawList();
    void shelf.fill().then(() => (draw(state), fit()));
    describe().then(
      (runs) => {
        described = new Map(runs.map((run) => [run.id, run]));
        drawList();
        fit();
      },
      () => {},
    ); // then the list stays without what differs
  }

  /** Which lines were put into the script of the run at hand. */
  function drawInserted() {
    const told = state.run?.attached?.inserted || null;
    setHidden(inserted, told === null);
    setText(insertion, `Lines that were put in, in memory, to show ${scriptOf(state.run)}`);
    lines.show(told);
  }

  function drawList() {
    const here = state.runs.length ? state.runs : [...described.values()];
    renew(list, here.filter(({ id }) => !shelf.lists(id)).map(item));
    setHidden(head, !list.childElementCount);
  }

  /** (The list is written anew as the runs go on, and somebody may be about to press something in it.) */
  onPress(list, (button) => {
    const run = button.dataset.run ?? button.dataset.compare;
    if (!run) return;
    close();
    if (button.dataset.compare) return isBeside(run) ? part(run) : compare(run);
    // A recording in the server's place has nothing to go to another run with: it is compared with.
    if (run !== state.run?.id) return state.recorded ? compare(run) : open(run);
  });

  /** @param {RunBrief | Described} run of a sweep */
  function variedOf({ id, sweep }) {
    const all = [...described.values()].filter((other) => other.sweep === sweep).map(({ settings }) => settings);
    return variedInWords(described.get(id)?.settings, all);
  }

  /** @param {RunBrief | Described} run */
  function item(run) {
    const here = run.id === state.run?.id;
    const beside = isBeside(run.id);
    const called = fullTitleOf(run);
    const lineage = here ? lineageInWords(state.run) : forkedFrom(described.get(run.id)?.parent);
    const differs = run.sweep ? variedOf(run) : here ? "" : inWords(state.run?.settings, described.get(run.id)?.settings);
    return h(
      "li",
      { "data-key": run.id },
      h(
        "button",
        { type: "button", class: "run-item", "data-run": run.id, "aria-current": here ? "true" : undefined },
        h("strong", {}, titleOf(run)),
        h("span", { class: "run-item-state", "data-state": run.state }, stateInWords(run.state)),
        sparkline(run.returns ?? []),
        h(
          "span",
          { class: "run-item-facts" },
          `${run.seed === null ? "" : `seed ${run.seed} · `}update ${count(run.update)}${here ? " · on show" : beside ? " · beside it" : ""} · ${run.id}`,
        ),
        differs && h("span", { class: "run-item-differs" }, differs),
        lineage && h("span", { class: "run-item-lineage" }, lineage),
      ),
      !here &&
        h(
          "button",
          {
            type: "button",
            class: "run-compare",
            "aria-label": beside ? `Take ${called} out of the comparison` : `Compare with ${called}`,
            title: beside ? LEAVES : COMES,
            "data-compare": run.id,
          },
          beside ? "Take out" : "Compare",
        ),
    );
  }

  /** @param {State} state */
  function draw(state) {
    const { run, runs } = state;
    const others = runs.filter(({ id }) => id !== run?.id).length;
    const script = scriptOf(run);
    const { id, module } = inParts(run?.environment ?? "");
    const what = script || id || (state.awaited?.script ?? (state.connection.state === "connecting" ? "connecting" : "no run"));
    setText(environment, what);
    const where = run?.attached?.library ?? (run?.kept ? "from the disk" : device(run?.device ?? ""));
    const about = run
      ? [script && id, run.seed === null ? "" : `seed ${run.seed}`, where, insertionInWords(run), run.attached?.loss, module]
          .filter(Boolean)
          .join(" · ")
      : "";
    setText(known, about);
    setText(forkOf, run?.parent ? ` · fork of ${run.parent.run}` : "");
    setText(number, others ? `+${others}` : "");
    const list = others ? ` The list of this server's ${runs.length} runs` : " The runs of this server: one so far";
    const lineage = lineageInWords(run);
    setAttribute(opener, "title", [what, about].filter(Boolean).join(", ") + `.${lineage && ` ${lineage}`}${list}`);
    opener.disabled = document.body.hasAttribute("data-bare"); // who embeds a page has chosen its run
    const now = runState(state);
    const shown = now === "kept" ? "It is only shown: nothing of it goes on." : null;
    const reason = whyNoControl(state) ?? shown ?? (now === null || isGone(state) ? "The run has ended." : null);
    ender.disabled = reason !== null;
    setAttribute(ender, "title", reason ?? "Its process goes; what it has shown stays");
    const gone = now === "deleted" ? "It has been deleted: nothing of it is kept." : null;
    const theirs = run?.attached ? "Its training loop is somebody else's, and cannot be begun here." : null;
    const noFork = whyNothingBeside(state) ?? gone ?? theirs ?? (shelf.keeps() ? null : "This server keeps no runs.");
    forker.disabled = noFork !== null || !run;
    setAttribute(forker, "title", noFork ?? `Begins a run that is this one up to the moment on show, before update ${count(hereAt(state))}`);
    if (sheet.hidden) return;
    drawInserted();
    drawList();
    const listed = [...runs.map(({ id, state }) => `${id} ${state}`), run?.id, noFork].join();
    if (listed !== seen) void shelf.fill().then(fit);
    seen = listed;
  }

  return {
    root,
    draw,
    /** Where the other runs are. */
    focus: () => opener.focus(),
    open: () => sheet.hidden && opener.click(),
  };
}

/** @param {string} name */
const device = (name) => (name === "cpu" ? "CPU" : name.toUpperCase());

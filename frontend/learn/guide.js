// The guide: eight chapters beside the panels. A chapter shows a moment of the run at hand that has its point, or else a
// recorded example. It trains nothing and changes nothing unless its reader asks, and puts back what it has changed.

import { h, setHidden, setText } from "../ui/dom.js";
import { whyNoControl } from "../state/permission.js";
import { settingText } from "../state/format.js";
import { CHAPTERS, OF_THE_PAIR } from "./chapters.js";
import { pairOf, rowsOf } from "./pairs.js";
import { asFound, toPutBack } from "./put-back.js";
import { isAt, placeInWords } from "./scene.js";
import { inline, nameOf, pairTable, trialTable, writeOnce } from "./telling.js";

/** @import { Frame, Selection, Snapshot, State } from "../types.js" */
/** @import { Chapter, Entry } from "./chapters.js" */
/** @import { Example } from "./examples.js" */
/** @import { Found } from "./put-back.js" */

/** @typedef {() => boolean} Holds whether what was asked for is still wished for */

/**
 * @typedef {object} GuidePage what the guide can do to the page
 * @property {(chapter: number | null) => void} choose remembers the chapter; null: the guide is closed
 * @property {(panels: string[], watch: Chapter["watch"]) => void} light shows what a chapter speaks of
 * @property {() => void} unlight shows the panels as they were before
 * @property {(chapter: Chapter, holds: Holds) => Promise<boolean>} showOwn a moment of the run at hand that has the point; false: there is none
 * @property {(chapter: Chapter, example: Example, holds: Holds) => Promise<void>} showExample
 * @property {() => void} leave shows the run at hand again, as it is
 * @property {(chapter: Chapter, holds: Holds) => Promise<void>} walk steps the run at hand to the chapter's moment
 * @property {(settings: Record<string, any>) => Promise<void>} redo makes the last update of the run at hand a second time
 * @property {(name: string) => void} compare shows that of the example
 * @property {() => Promise<void>} keepOld
 * @property {(settings: Record<string, any>) => Promise<void>} apply
 * @property {(sample: Selection | null) => void} select
 * @property {() => void} forget what was moved and not applied
 */

const SETTLES = 400; // milliseconds after which a value that was moved counts as chosen
const DRAWN = 200; // milliseconds in which what is on show has been drawn
const [TRIES, MEASURED] = [20, 250]; // looks at a run that was stepped there, and milliseconds between two
const PHONE = matchMedia("(max-width: 720px)");

/**
 * @param {HTMLElement} root
 * @param {State} state of what is on show
 * @param {State} atHand the state with the run at hand
 * @param {GuidePage} page
 */
export function createGuide(root, state, atHand, page) {
  const place = h("p", { class: "place" });
  const title = h("h2", { id: "guide-title", tabindex: -1 });
  const shown = h("p", {});
  const walk = h("button", { type: "button", class: "quiet", title: "Pauses the run and trains two updates at most, until it comes to this moment", onclick: () => void goThere() }, "Step my run there");
  const text = h("div", { class: "text" });
  const pair = h("div", { class: "pair" });
  const task = h("p", {});
  const offer = h("button", { type: "button", onclick: () => void take() });
  const reaction = h("div", { class: "reaction", role: "status" });
  const note = h("p", { class: "note", role: "status" });
  const back = h("button", { type: "button", onclick: () => choose(current() - 1) }, "Previous");
  const next = h("button", { type: "button", class: "primary", onclick: () => choose(current() + 1 < CHAPTERS.length ? current() + 1 : null) });
  const list = h("ol", { class: "chapters", "aria-label": "Chapters" }, ...CHAPTERS.map(({ title }, index) => h("li", {}, h("button", { type: "button", title, "aria-label": `Chapter ${index + 1}: ${title}`, onclick: () => choose(index) }, String(index + 1)))));
  root.setAttribute("aria-labelledby", "guide-title");
  root.append(
    h("header", {}, place, h("button", { type: "button", class: "quiet square", "aria-label": "Close the guide", title: "Close the guide (g)", onclick: () => choose(null) }, "×")),
    list,
    title,
    h("div", { class: "shown" }, shown, walk),
    text,
    pair,
    h("div", { class: "task" }, h("h3", {}, "Do this"), task, offer, reaction),
    note,
    h("footer", {}, back, next),
  );

  /** The chapter that is open here. @type {number | null} */
  let entered = null;
  /** @type {Entry | null} */
  let entry = null;
  /** Whose moment is on show; null: none yet. @type {"own" | "example" | null} */
  let whose = null;
  /** @type {Found | null} */
  let found = null;
  /** An update made twice because the chapter was asked to; shown below the task also when it has been decided. @type {Frame | null} */
  let outcome = null;
  let trying = false;
  /** The sample that the reader had chosen before. @type {Selection | null} */
  let chosen = null;
  let turns = 0; // counts up: of two chapters only the later one is still wished for
  let turn = Promise.resolve();
  let values = "";
  let movedAt = -Infinity;
  /** @type {Set<number>} */
  const finished = new Set();

  const current = () => state.view.chapter ?? 0;
  const chapter = () => CHAPTERS[current()];
  const isReady = () => atHand.run !== null && atHand.status !== null;
  /** @param {number | null} index */
  const choose = (index) => page.choose(index);

  /** What was asked for first is over before the next begins, and is not begun where it is not wished for any more. @param {(holds: Holds) => Promise<void>} what */
  function inTurn(what) {
    const mine = ++turns;
    const holds = () => mine === turns;
    turn = turn.then(async () => {
      if (!holds()) return;
      setText(note, "");
      try {
        await what(holds);
      } catch (error) {
        if (holds()) setText(note, error instanceof Error ? error.message : String(error));
      }
      draw();
    });
    return turn;
  }

  /** @param {number} index */
  function enter(index) {
    if (entered === null) chosen = state.selection;
    const before = entered === null ? Promise.resolve("") : putBack();
    entered = index;
    entry = outcome = whose = null;
    trying = false;
    setText(reaction, "");
    setText(title, CHAPTERS[index].title);
    title.focus({ preventScroll: true });
    page.light(CHAPTERS[index].panels, CHAPTERS[index].watch);
    void inTurn(async (holds) => {
      const words = await before;
      page.forget();
      const { task, watch } = CHAPTERS[index];
      found = asFound(atHand, task.trial?.name ?? (watch === "settings" ? "clip_range" : ""));
      await show(CHAPTERS[index].example, holds);
      if (holds() && words) setText(note, words);
    });
  }

  /** @param {Example} example shown where the run at hand has no such moment @param {Holds} holds */
  async function show(example, holds) {
    const own = !PHONE.matches && example === chapter().example && (await page.showOwn(chapter(), holds));
    if (!holds()) return;
    if (!own) await page.showExample(chapter(), example, holds);
    if (!holds()) return;
    whose = own ? "own" : "example";
    const two = chapter().pair && state.snapshot ? pairOf(state.snapshot) : null;
    page.select(two ? two.held.place : null);
    remember();
    await new Promise((resolve) => setTimeout(resolve, DRAWN)); // what is on show may take other room than what was
    if (holds()) page.light(chapter().panels, chapter().watch);
  }

  /** What is on show once the moment is there is what the reader begins with. */
  function remember() {
    const { run, snapshot, selection, preview } = state;
    if (snapshot && !entry) entry = { run, snapshot, selection, preview };
  }

  /** Steps the run at hand to the chapter's moment, and shows that. */
  const goThere = () =>
    inTurn(async (holds) => {
      whose = null;
      page.leave();
      try {
        await page.walk(chapter(), holds);
      } catch (error) {
        if (holds()) await show(chapter().example, holds);
        throw error;
      }
      if (!holds()) return;
      entry = null;
      const own = await patiently(() => page.showOwn(chapter(), holds), holds);
      if (!holds()) return;
      if (!own) await page.showExample(chapter(), chapter().example, holds);
      whose = own ? "own" : "example";
      if (!own) throw new Error("Your run has come to this moment, and it does not show the point yet: train for some updates, then try again.");
      remember();
    });

  /** Does what the task offers. */
  const take = () =>
    inTurn(async (holds) => {
      const { trial, other } = chapter().task;
      if (other) await page.showExample(chapter(), other.example, holds);
      if (!trial) return;
      outcome = null;
      if (whose === "example") page.compare(trial.name);
      else {
        trying = true;
        await page.redo({ [trial.name]: trial.value(/** @type {any} */ (used(trial.name))) });
      }
    });

  /** @param {string} name */
  const used = (name) => state.snapshot?.header.settings[name];

  /** The run at hand goes on as the chapter found it. @returns {Promise<string>} what was put back, in words */
  async function putBack() {
    const mine = trying && atHand.comparison !== null;
    const settings = toPutBack(atHand, found);
    found = null;
    trying = false;
    if (whyNoControl(atHand) !== null || !(mine || settings)) return "";
    page.leave();
    if (mine) await page.keepOld();
    if (!settings) return "";
    await page.apply(settings);
    return `Put back: ${Object.entries(settings).map(([name, value]) => `${nameOf(name)} ${settingText(value)}`).join(", ")}.`;
  }

  function leave() {
    if (entered === null) return;
    entered = whose = null;
    turns++;
    page.leave();
    void putBack().catch(() => {}); // it was said
    page.forget();
    page.select(chosen);
    page.unlight();
  }

  function draw() {
    const { chapter: index } = state.view;
    setHidden(root, index === null);
    document.body.toggleAttribute("data-guide", index !== null);
    document.body.toggleAttribute("data-example", index !== null && whose === "example");
    if (index === null) return leave();
    if (entered !== index && isReady()) enter(index);
    if (whose === "example" && !state.recorded) {
      whose = null; // something else has taken its place, such as the run of a server that was started anew
      void inTurn((holds) => show(CHAPTERS[index].example, holds));
    }
    if (entered === index) react(index);
    write(index);
  }

  /** Whether a value that was moved has been left where it is. */
  function isSettled() {
    const now = JSON.stringify(state.preview);
    if (now !== values) {
      [values, movedAt] = [now, performance.now()];
      setTimeout(draw, SETTLES);
    }
    return performance.now() - movedAt >= SETTLES;
  }

  /** @param {number} index */
  function react(index) {
    const settled = isSettled();
    const { task } = chapter();
    if (!entry) return;
    if (task.trial && state.comparison && (trying || whose === "example")) outcome = state.comparison;
    const isDone = task.trial ? outcome !== null : settled && task.isDone?.(state, entry);
    if (!isDone) return;
    const first = reaction.textContent === "";
    finished.add(index);
    const told = { ...state, comparison: outcome };
    const words = [task.done, ...(task.trial ? [task.trial.about, ...task.trial.rows.map(([, name]) => `{new.${name}}`)] : [])];
    writeOnce(reaction, words, told, () => [h("p", {}, h("b", {}, "Done. "), ...inline(task.done, told)), ...(task.trial ? [trialTable(task.trial, told), h("p", {}, ...inline(task.trial.about, told))] : [])]);
    if (first) reaction.scrollIntoView({ block: "nearest" });
  }

  /** @param {number} index */
  function write(index) {
    const one = CHAPTERS[index];
    setText(place, `Guide, chapter ${index + 1} of ${CHAPTERS.length}`);
    [...list.querySelectorAll("button")].forEach((button, at) => {
      if (at === index) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
      button.toggleAttribute("data-done", finished.has(at));
    });
    setText(shown, whatIsShown());
    setHidden(walk, whose !== "example" || PHONE.matches || whyNoControl(atHand) !== null || atHand.comparison !== null || atHand.recorded);
    const paragraphs = one.text.flatMap((each) => (typeof each === "string" ? each : each.when(state) ? each.text : []));
    writeOnce(text, paragraphs, state, () => paragraphs.map((paragraph) => h("p", {}, ...inline(paragraph, state))));
    writePair(one);
    const wanted = one.task.needsControls && PHONE.matches ? elsewhere(one.task.text) : one.task.text;
    writeOnce(task, [wanted], state, () => inline(wanted, state));
    back.disabled = index === 0;
    setText(next, index + 1 < CHAPTERS.length ? "Next" : "Finish");
    const { trial, other } = one.task;
    setHidden(offer, whose === null || !(trial || other));
    if (trial && !offer.hidden) setText(offer, `Make it twice: ${nameOf(trial.name)} ${settingText(used(trial.name))} and ${settingText(trial.value(/** @type {any} */ (used(trial.name))))}`);
    if (other) setText(offer, other.label);
  }

  function whatIsShown() {
    if (whose === null || !state.snapshot || !state.run) return "";
    const where = placeInWords(state.snapshot.header);
    if (whose === "own") return `On show: your run, ${where}.`;
    const { state: now, update } = atHand.status ?? { state: "", update: 0 };
    return `On show: an example recorded for this page, ${state.run.environment}, ${where}. Your run is not touched (${now}, update ${update}).`;
  }

  /** @param {Chapter} one */
  function writePair(one) {
    const found = one.pair && state.snapshot ? pairOf(state.snapshot) : null;
    setHidden(pair, found === null);
    if (!found) return;
    const numbers = [found.held, found.pulledBack].flatMap(({ facts }) => rowsOf(facts).map(([, text]) => text));
    writeOnce(pair, [...numbers, ...OF_THE_PAIR], state, () => [pairTable(found, page.select), ...OF_THE_PAIR.map((paragraph) => h("p", {}, ...inline(paragraph, state)))]);
  }

  /** For who has no room for the bar and the sliders. @param {string} wanted */
  const elsewhere = (wanted) => `On a larger screen you would now: ${wanted[0].toLowerCase()}${wanted.slice(1)}`;

  return { draw, choose };
}

/** What was just stepped to may not be measured yet. @param {() => Promise<boolean>} look @param {Holds} holds */
async function patiently(look, holds) {
  for (let tries = 0; tries < TRIES && holds(); tries++) {
    if (await look()) return true;
    await new Promise((resolve) => setTimeout(resolve, MEASURED));
  }
  return false;
}

/**
 * Whether a moment of a run has the point of a chapter, and can be tried what the chapter offers: only the last update can
 * be made twice, by who leads, and not while two outcomes wait already.
 *
 * @param {Chapter} chapter
 * @param {State} atHand
 */
export function fitness(chapter, atHand) {
  const { run, status, comparison } = atHand;
  const able = whyNoControl(atHand) === null && status?.state === "paused" && status.phase === "update" && !status.cause && comparison === null;
  return {
    /** @param {import("../types.js").Moment} moment @param {number} last */
    wanted: (moment, last) => isAt(moment, chapter.scene, { epochs: last }) && (!chapter.task.trial || (able && moment.update === status.update)),
    /** @param {Snapshot} snapshot */
    shows: (snapshot) => run !== null && chapter.shows(snapshot, run),
  };
}

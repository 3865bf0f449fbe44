// The guide: eight chapters beside the panels. A chapter shows a moment of the run at hand that has its point, or else a
// recorded example. It trains nothing and changes nothing unless its reader asks, and puts back what it has changed.

import { h, setHidden, setText } from "../ui/dom.js";
import { whyNoControl } from "../state/permission.js";
import { settingText } from "../state/format.js";
import { CHAPTERS, CLOSING, OF_THE_FLOWS, OF_THE_LEASHES, OF_THE_PAIR, OF_THE_RULE } from "./chapters.js";
import { pairOf, rowsOf } from "./pairs.js";
import { asFound, toPutBack } from "./put-back.js";
import { isAt, ofTheRunAtHand, placeInWords } from "./scene.js";
import { flowTable, inline, leashTable, nameOf, pairTable, ruleTable, trialTable, writeOnce } from "./telling.js";

/** @import { Frame, Selection, Snapshot, State } from "../types.js" */
/** @import { Chapter, Entry } from "./chapters.js" */
/** @import { Example } from "./examples.js" */
/** @import { Found } from "./put-back.js" */

/** @typedef {() => boolean} Holds whether what was asked for is still wished for */

/**
 * @typedef {object} GuidePage what the guide can do to the page
 * @property {(chapter: number | null) => void} choose remembers the chapter; null: the guide is closed
 * @property {(chapter: Chapter) => void} light shows what a chapter speaks of
 * @property {() => void} unlight shows the panels as they were before
 * @property {(words: string) => void} say to who has left the guide
 * @property {(chapter: Chapter, holds: Holds) => Promise<boolean>} showOwn a moment of the run at hand that has the point; false: there is none
 * @property {(chapter: Chapter, example: Example, holds: Holds) => Promise<void>} showExample
 * @property {() => void} leave shows the run at hand again, as it is
 * @property {(chapter: Chapter, holds: Holds) => Promise<void>} walk steps the run at hand to the chapter's moment
 * @property {(settings: Record<string, any>) => Promise<void>} redo makes the last update of the run at hand a second time, finished first where it is under way
 * @property {(name: string) => void} compare shows that of the example
 * @property {() => Promise<void>} keepOld
 * @property {(settings: Record<string, any>) => Promise<void>} apply
 * @property {(sample: Selection | null) => void} select
 * @property {() => void} forget what was moved and not applied
 */

const SETTLES = 400; // milliseconds after which a value that was moved counts as chosen
const DRAWN = 200; // milliseconds in which what is on show has been drawn
const [TRIES, MEASURED] = [20, 250]; // looks at a run that was stepped there, and milliseconds between two
const AGAIN = "This is the example again: of your run, no moment that is kept shows this chapter's point.";
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
  const walk = h(
    "button",
    {
      type: "button",
      class: "quiet",
      title: "Pauses the run and trains two updates at most, until it comes to this moment",
      onclick: () => void goThere(),
    },
    "Step my run there",
  );
  const toExample = h(
    "button",
    { type: "button", class: "quiet", title: "Your run stays where it is", onclick: () => enter(current(), true) },
    "Show the example",
  );
  const text = h("div", { class: "text" });
  const pair = h("div", { class: "pair" });
  const task = h("p", {});
  const offer = h("button", { type: "button", onclick: () => void take() });
  const after = h("small", { class: "after" }, "Both outcomes are then shown large; “Keep it as it was” ends it.");
  const reaction = h("div", { class: "reaction", role: "status" });
  const note = h("p", { class: "note", role: "status" });
  /** What is read scrolls; what is done, and the way on, stay in sight. */
  const reading = h(
    "div",
    { class: "reading", tabindex: 0, role: "region", "aria-labelledby": "guide-title" },
    title,
    h("div", { class: "shown" }, shown, walk, toExample),
    note,
    text,
    pair,
    reaction,
  );
  const back = h("button", { type: "button", onclick: () => choose(current() - 1) }, "Previous");
  const next = h("button", { type: "button", class: "primary", onclick: () => goOn() });
  const list = h(
    "ol",
    { class: "chapters", "aria-label": "Chapters" },
    ...CHAPTERS.map(({ title }, index) =>
      h(
        "li",
        {},
        h("button", { type: "button", title, "aria-label": `Chapter ${index + 1}: ${title}`, onclick: () => choose(index) }, String(index + 1)),
      ),
    ),
  );
  root.setAttribute("aria-labelledby", "guide-title");
  root.append(
    h(
      "header",
      {},
      place,
      h(
        "button",
        { type: "button", class: "quiet square", "aria-label": "Close the guide", title: "Close the guide (g)", onclick: () => choose(null) },
        "×",
      ),
    ),
    list,
    reading,
    h("div", { class: "task" }, h("h3", {}, "Do this"), task, offer, after),
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
  /** Whether the guide has stepped the run at hand, or made its update twice. */
  let touched = false;
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

  function goOn() {
    const last = current() + 1 === CHAPTERS.length;
    choose(last ? null : current() + 1);
    if (last) page.say(CLOSING);
  }

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

  /** What the chapter has shown so far is of another moment. */
  function forgetOutcome() {
    entry = outcome = whose = null;
    trying = false;
    setText(reaction, "");
  }

  /** @param {number} index @param {boolean} [example] whether its example is asked for, whatever the run at hand has to show */
  function enter(index, example = false) {
    if (entered === null) [chosen, touched] = [state.selection, false];
    const returns = whose === "own" && !example;
    const before = entered === null ? Promise.resolve("") : putBack();
    entered = index;
    forgetOutcome();
    reading.scrollTop = 0;
    setText(title, CHAPTERS[index].title);
    title.focus({ preventScroll: true });
    page.light(CHAPTERS[index]);
    void inTurn(async (holds) => {
      const words = await before;
      page.forget();
      const { task, watch } = CHAPTERS[index];
      found = asFound(atHand, task.trial?.name ?? (watch === "settings" ? "clip_range" : ""));
      await show(CHAPTERS[index].example, holds, !example);
      if (holds()) setText(note, [words, returns && whose === "example" ? AGAIN : ""].filter(Boolean).join(" "));
    });
  }

  /** @param {Example} example shown where the run at hand has no such moment @param {Holds} holds @param {boolean} [looks] whether such a moment is looked for */
  async function show(example, holds, looks = true) {
    const own = looks && !PHONE.matches && (await page.showOwn(chapter(), holds));
    if (!holds()) return;
    if (!own) await page.showExample(chapter(), example, holds);
    if (holds()) await present(own ? "own" : "example", holds);
  }

  /** What is on show is what the chapter speaks of. @param {"own" | "example"} one whose moment it is @param {Holds} holds */
  async function present(one, holds) {
    whose = one;
    const two = chapter().pair && state.snapshot ? pairOf(state.snapshot) : null;
    page.select(two ? two.held.place : null);
    remember();
    await new Promise((resolve) => setTimeout(resolve, DRAWN)); // what is on show may take other room than what was
    if (holds()) page.light(chapter());
  }

  /** What is on show once the moment is there is what the reader begins with. */
  function remember() {
    const { run, snapshot, selection, preview } = state;
    if (snapshot && !entry) entry = { run, snapshot, selection, preview };
  }

  /** Steps the run at hand to the chapter's moment, and shows that. */
  const goThere = () =>
    inTurn(async (holds) => {
      forgetOutcome();
      touched = true;
      page.leave();
      try {
        await page.walk(chapter(), holds);
      } catch (error) {
        if (holds()) await show(chapter().example, holds);
        throw error;
      }
      if (!holds()) return;
      const own = await patiently(() => page.showOwn(chapter(), holds), holds);
      if (!holds()) return;
      if (own) return present("own", holds);
      await show(chapter().example, holds, false);
      throw new Error(
        "Your run has come to this moment, and it does not show the point yet: train for some updates, then try again. This is the example again.",
      );
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
        trying = touched = true;
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
    return `Put back: ${Object.entries(settings)
      .map(([name, value]) => `${nameOf(name)} ${settingText(value)}`)
      .join(", ")}.`;
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
    const begun = entry.snapshot;
    const words = [task.done, ...(task.trial ? [task.trial.about, ...task.trial.rows.map(([, name]) => `{new.${name}}`)] : [])];
    writeOnce(reaction, words, told, () => [
      h("p", {}, h("b", {}, "Done. "), ...inline(task.done, told)),
      ...(task.trial ? [trialTable(task.trial, told), h("p", {}, ...inline(task.trial.about, told))] : []),
      ...(task.flows ? [flowTable([begun, state.snapshot]), h("p", {}, OF_THE_FLOWS)] : []),
    ]);
    if (first) reading.scrollTo({ top: reaction.offsetTop - reading.offsetTop });
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
    setHidden(toExample, whose !== "own");
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
    setHidden(after, whose === null || !trial);
    if (trial && !offer.hidden)
      setText(
        offer,
        `${isMidway() ? "Finish your update, and make it twice" : "Make it twice"}: ${nameOf(trial.name)} ${settingText(used(trial.name))} and ${settingText(trial.value(/** @type {any} */ (used(trial.name))))}`,
      );
    if (other) setText(offer, other.label);
  }

  /** Whether the run at hand, which is on show, is inside an update. */
  const isMidway = () => whose === "own" && atHand.status?.phase !== "update";

  function whatIsShown() {
    if (whose === null || !state.snapshot || !state.run) return "";
    const where = placeInWords(state.snapshot.header);
    if (whose === "own") return `On show: your run, ${where}.`;
    return `On show: an example recorded for this page, ${state.run.environment}, ${where}. ${ofTheRunAtHand(atHand, touched)}`;
  }

  /** @param {Chapter} one */
  function writePair(one) {
    const found = one.pair && state.snapshot ? pairOf(state.snapshot) : null;
    setHidden(pair, found === null);
    if (!found) return;
    const numbers = [found.held, found.pulledBack].flatMap(({ facts }) => rowsOf(facts).map(([, text]) => text));
    const told = (/** @type {string[]} */ texts) => texts.map((paragraph) => h("p", {}, ...inline(paragraph, state)));
    const [second, adapted] = OF_THE_LEASHES;
    writeOnce(pair, [...numbers, ...OF_THE_PAIR, ...OF_THE_RULE, ...OF_THE_LEASHES], state, () => [
      pairTable(found, page.select),
      ...told(OF_THE_PAIR),
      ruleTable(),
      ...told(OF_THE_RULE),
      ...told([second]),
      leashTable(),
      ...told([adapted]),
    ]);
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
 * be made twice, once it is finished, by who leads, and not while two outcomes wait already.
 *
 * @param {Chapter} chapter
 * @param {State} atHand
 */
export function fitness(chapter, atHand) {
  const { run, status, comparison } = atHand;
  const able = whyNoControl(atHand) === null && status?.state === "paused" && !status.cause && comparison === null;
  return {
    /** @param {import("../types.js").Moment} moment @param {number} last */
    wanted: (moment, last) => isAt(moment, chapter.scene, { epochs: last }) && (!chapter.task.trial || (able && moment.update === status.update)),
    /** @param {Snapshot} snapshot */
    shows: (snapshot) => run !== null && chapter.shows(snapshot, run),
  };
}

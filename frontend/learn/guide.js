// The guide: eight chapters beside the panels. A chapter shows a moment of the run at hand that has its point, or else a
// recorded example. It trains nothing and changes nothing unless its reader asks, and puts back what it has changed.

import { setHidden } from "../ui/dom.js";
import { PHONE } from "../ui/phone.js";
import { whyNoControl } from "../state/permission.js";
import { settingText } from "../state/format.js";
import { CHAPTERS, CLOSING } from "./chapters.js";
import { pairOf } from "./pairs.js";
import { asFound, toPutBack } from "./put-back.js";
import { createSheet } from "./sheet.js";
import { nameOf } from "./telling.js";

/** @import { Frame, Selection, State } from "../types.js" */
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
 * @property {() => Promise<void>} settled resolves once what was ordered is done, and heard of
 * @property {(sample: Selection | null) => void} select
 * @property {() => void} forget what was moved and not applied
 */

const SETTLES = 400; // milliseconds after which a value that was moved counts as chosen
const DRAWN = 200; // milliseconds in which what is on show has been drawn
const [TRIES, MEASURED] = [20, 250]; // looks at a run that was stepped there, and milliseconds between two
const AGAIN = "This is the example again: of your run, no moment that is kept shows this chapter's point.";

/**
 * @param {HTMLElement} root
 * @param {State} state of what is on show
 * @param {State} atHand the state with the run at hand
 * @param {GuidePage} page
 */
export function createGuide(root, state, atHand, page) {
  const sheet = createSheet(root, state, atHand, {
    choose: (index) => choose(index),
    goBack: () => choose(current() - 1),
    goOn,
    goThere: () => void goThere(),
    showExample: () => enter(current(), true),
    take: () => void take(),
    select: page.select,
  });

  /** The chapter that is open here. @type {number | null} */
  let entered = null;
  /** The run that was at hand then. */
  let ran = "";
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
  /** What had the focus before. @type {Element | null} */
  let opener = null;
  let turns = 0; // counts up: of two chapters only the later one is still wished for
  let turn = Promise.resolve();
  /** The last putting back. @type {Promise<string>} */
  let back = Promise.resolve("");
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
      sheet.note("");
      try {
        await what(holds);
      } catch (error) {
        if (holds()) sheet.note(error instanceof Error ? error.message : String(error));
      }
      draw();
    });
    return turn;
  }

  /** What the chapter has shown so far is of another moment. */
  function forgetOutcome() {
    entry = outcome = whose = null;
    trying = false;
    sheet.clear();
  }

  /** @param {number} index @param {boolean} [example] whether its example is asked for, whatever the run at hand has to show */
  function enter(index, example = false) {
    if (entered === null) [chosen, touched, opener] = [state.selection, false, document.activeElement];
    const returns = whose === "own" && !example;
    const before = entered === null ? back.then(() => "") : putBack();
    [entered, ran] = [index, atHand.run?.id ?? ""];
    forgetOutcome();
    sheet.open(index);
    page.light(CHAPTERS[index]);
    void inTurn(async (holds) => {
      const words = await before;
      page.forget();
      void look(index);
      await show(CHAPTERS[index].example, holds, !example);
      if (holds()) sheet.note([words, returns && whose === "example" ? AGAIN : ""].filter(Boolean).join(" "));
    });
  }

  /** How the run at hand is; nothing of a chapter waits for that. @param {number} index */
  async function look(index) {
    const { task, watch } = CHAPTERS[index];
    await page.settled(); // what its reader has ordered just before is not the chapter's
    if (entered === index) found = asFound(atHand, task.trial?.name ?? (watch === "settings" ? "clip_range" : ""));
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

  /** The run at hand goes on as the chapter found it. @returns {Promise<string>} what was put back, in words; empty where it could not be, which was said */
  function putBack() {
    const [then, tried] = [found, trying];
    found = null;
    trying = false;
    back = back.then(() => putBackTo(then, tried)).catch(() => "");
    return back;
  }

  /** @param {Found | null} then @param {boolean} tried whether two outcomes are the chapter's */
  async function putBackTo(then, tried) {
    await page.settled(); // before, it is not known what there is to put back
    const mine = tried && atHand.comparison !== null;
    const settings = toPutBack(atHand, then);
    if (whyNoControl(atHand) !== null || !(mine || settings)) return "";
    if (entered !== null) page.leave();
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
    void putBack();
    page.forget();
    page.select(chosen);
    page.unlight();
  }

  function draw() {
    const { chapter: index } = state.view;
    const returns = index === null && root.contains(document.activeElement);
    setHidden(root, index === null);
    if (returns && opener instanceof HTMLElement) opener.focus({ preventScroll: true });
    document.body.toggleAttribute("data-guide", index !== null);
    document.body.toggleAttribute("data-example", index !== null && whose === "example");
    if (index === null) return leave();
    if (isReady() && (entered !== index || atHand.run?.id !== ran)) enter(index);
    if (whose === "example" && !state.recorded) {
      whose = null; // something else has taken its place, such as the run of a server that was started anew
      void inTurn((holds) => show(CHAPTERS[index].example, holds));
    }
    if (entered === index) react(index);
    sheet.write({ index, whose, touched, finished });
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
    finished.add(index);
    sheet.praise(task, { ...state, comparison: outcome }, entry.snapshot);
  }

  return {
    draw,
    choose,
    /** Another run is about to be at hand. @returns {Promise<unknown>} resolves once this one goes on as the chapter found it */
    letGo: () => (entered === null ? back : putBack()),
  };
}

/** What was just stepped to may not be measured yet. @param {() => Promise<boolean>} look @param {Holds} holds */
async function patiently(look, holds) {
  for (let tries = 0; tries < TRIES && holds(); tries++) {
    if (await look()) return true;
    await new Promise((resolve) => setTimeout(resolve, MEASURED));
  }
  return false;
}

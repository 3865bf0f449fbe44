// The guide's sheet: what it is made of, and what stands in it.

import { h, setHidden, setText } from "../ui/dom.js";
import { PHONE } from "../ui/phone.js";
import { whyNoControl } from "../state/permission.js";
import { settingText } from "../state/format.js";
import { CHAPTERS, OF_THE_FLOWS, OF_THE_LEASHES, OF_THE_PAIR, OF_THE_RULE } from "./chapters.js";
import { pairOf, rowsOf } from "./pairs.js";
import { ofTheRunAtHand, placeInWords } from "./scene.js";
import { flowTable, inline, leashTable, nameOf, pairTable, ruleTable, trialTable, writeOnce } from "./telling.js";

/** @import { Selection, Snapshot, State } from "../types.js" */
/** @import { Chapter } from "./chapters.js" */

/**
 * @typedef {object} Acts what its buttons do
 * @property {(chapter: number | null) => void} choose null: close the guide
 * @property {() => void} goBack
 * @property {() => void} goOn
 * @property {() => void} goThere steps the run at hand to the chapter's moment
 * @property {() => void} showExample whatever the run at hand has to show
 * @property {() => void} take does what the task offers
 * @property {(sample: Selection | null) => void} select
 *
 * @typedef {object} Standing where the guide is
 * @property {number} index of the chapter
 * @property {"own" | "example" | null} whose moment is on show; null: none yet
 * @property {boolean} touched whether the guide has stepped the run at hand, or made its update twice
 * @property {Set<number>} finished chapters whose task is done
 */

/**
 * @param {HTMLElement} root
 * @param {State} state of what is on show
 * @param {State} atHand the state with the run at hand
 * @param {Acts} acts
 */
export function createSheet(root, state, atHand, acts) {
  const place = h("p", { class: "place" });
  const title = h("h2", { id: "guide-title", tabindex: -1 });
  const shown = h("p", {});
  const walk = h(
    "button",
    {
      type: "button",
      class: "quiet",
      title: "Pauses the run and trains two updates at most, until it comes to this moment",
      onclick: acts.goThere,
    },
    "Step my run there",
  );
  const toExample = h(
    "button",
    { type: "button", class: "quiet", title: "Your run stays where it is", onclick: acts.showExample },
    "Show the example",
  );
  const text = h("div", { class: "text" });
  const pair = h("div", { class: "pair" });
  const task = h("p", {});
  const offer = h("button", { type: "button", onclick: acts.take });
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
  const back = h("button", { type: "button", onclick: acts.goBack }, "Previous");
  const next = h("button", { type: "button", class: "primary", onclick: acts.goOn });
  const list = h(
    "ol",
    { class: "chapters", "aria-label": "Chapters" },
    ...CHAPTERS.map(({ title }, index) =>
      h(
        "li",
        {},
        h("button", { type: "button", title, "aria-label": `Chapter ${index + 1}: ${title}`, onclick: () => acts.choose(index) }, String(index + 1)),
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
        { type: "button", class: "quiet square", "aria-label": "Close the guide", title: "Close the guide (g)", onclick: () => acts.choose(null) },
        "×",
      ),
    ),
    list,
    reading,
    h("div", { class: "task" }, h("h3", {}, "Do this"), task, offer, after),
    h("footer", {}, back, next),
  );

  /** @param {Standing} standing */
  function write(standing) {
    const { index, whose, finished } = standing;
    const one = CHAPTERS[index];
    setText(place, `Guide, chapter ${index + 1} of ${CHAPTERS.length}`);
    [...list.querySelectorAll("button")].forEach((button, at) => {
      if (at === index) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
      button.toggleAttribute("data-done", finished.has(at));
    });
    setText(shown, whatIsShown(standing));
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
    const used = trial && state.snapshot?.header.settings[trial.name];
    if (trial && !offer.hidden)
      setText(
        offer,
        `${isMidway(standing) ? "Finish your update, and make it twice" : "Make it twice"}: ${nameOf(trial.name)} ${settingText(used)} and ${settingText(trial.value(/** @type {any} */ (used)))}`,
      );
    if (other) setText(offer, other.label);
  }

  /** Whether the run at hand, which is on show, is inside an update. @param {Standing} standing */
  const isMidway = ({ whose }) => whose === "own" && atHand.status?.phase !== "update";

  /** @param {Standing} standing */
  function whatIsShown({ whose, touched }) {
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
      pairTable(found, acts.select),
      ...told(OF_THE_PAIR),
      ruleTable(),
      ...told(OF_THE_RULE),
      ...told([second]),
      leashTable(),
      ...told([adapted]),
    ]);
  }

  return {
    /** A chapter is opened. @param {number} index */
    open(index) {
      reading.scrollTop = 0;
      setText(title, CHAPTERS[index].title);
      title.focus({ preventScroll: true });
    },

    /** What is said beside the chapter: what did not go, what was put back. @param {string} words */
    note: (words) => setText(note, words),

    /** Nothing of a task that was done. */
    clear: () => setText(reaction, ""),

    /** A task is done. @param {Chapter["task"]} task @param {State} told @param {Snapshot} begun what the reader began with */
    praise({ done, trial, flows }, told, begun) {
      const first = reaction.textContent === "";
      const words = [done, ...(trial ? [trial.about, ...trial.rows.map(([, name]) => `{new.${name}}`)] : [])];
      writeOnce(reaction, words, told, () => [
        h("p", {}, h("b", {}, "Done. "), ...inline(done, told)),
        ...(trial ? [trialTable(trial, told), h("p", {}, ...inline(trial.about, told))] : []),
        ...(flows ? [flowTable([begun, state.snapshot]), h("p", {}, OF_THE_FLOWS)] : []),
      ]);
      if (first) reading.scrollTo({ top: reaction.offsetTop - reading.offsetTop });
    },

    write,
  };
}

/** For who has no room for the bar and the sliders. @param {string} wanted */
const elsewhere = (wanted) => `On a larger screen you would now: ${wanted[0].toLowerCase()}${wanted.slice(1)}`;

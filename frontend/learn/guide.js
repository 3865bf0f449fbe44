// The guide: eight chapters beside the panels, on the run at hand.

import { createConfirm } from "../controls/confirm.js";
import { h, prose, setHidden, setText } from "../controls/dom.js";
import { losesTraining, lossInWords, whyNoControl } from "../controls/permission.js";
import { settled } from "../state/painted.js";
import { CHAPTERS } from "./chapters.js";
import { parts } from "./numbers.js";
import { isAt } from "./scene.js";

/** @import { State } from "../types.js" */
/** @import { Ask, Chapter, Entry, Scene } from "./chapters.js" */
/** @import { Told } from "./numbers.js" */
/** @import { Wish } from "./scene.js" */

/**
 * @typedef {object} Page what the guide can do to it
 * @property {(chapter: number | null) => void} choose remembers the chapter; null: the guide is closed
 * @property {(scene: Scene, wish: Wish) => Promise<void>} setScene brings the run, or what is shown of it, to that moment
 * @property {(panels: string[]) => void} light shows these panels, and brings the first into view
 * @property {(settings: Record<string, unknown>) => void} apply
 * @property {(settings: Record<string, unknown>) => void} begin a run in place of the one at hand
 */

const UNTOUCHED = "Nothing was touched. “Set the scene” pauses the run and steps it to the moment that this chapter speaks of.";

/**
 * @param {HTMLElement} root
 * @param {State} state
 * @param {Page} page
 */
export function createGuide(root, state, page) {
  const place = h("p", { class: "place" });
  const title = h("h2", { id: "guide-title", tabindex: -1 });
  const text = h("div", { class: "text" });
  const task = h("p", {});
  const offer = h("button", { type: "button", onclick: () => takeOffer() });
  const confirm = createConfirm(offer, { question: () => lossInWords(state), yes: "End this run", no: "Keep it", action: () => page.begin(ask().offer?.settings ?? {}) });
  const reaction = h("div", { class: "reaction", role: "status" });
  const note = h("p", { class: "note", role: "status" });
  const again = h("button", { type: "button", class: "quiet", onclick: () => void setScene(true) });
  const back = h("button", { type: "button", onclick: () => choose(current() - 1) }, "Previous");
  const next = h("button", { type: "button", class: "primary", onclick: () => choose(current() + 1 < CHAPTERS.length ? current() + 1 : null) });
  const list = h("ol", { class: "chapters", "aria-label": "Chapters" }, ...CHAPTERS.map(({ title }, index) => h("li", {}, h("button", { type: "button", title, "aria-label": `Chapter ${index + 1}: ${title}`, onclick: () => choose(index) }, String(index + 1)))));
  root.setAttribute("aria-labelledby", "guide-title");
  root.append(
    h("header", {}, place, h("button", { type: "button", class: "quiet square", "aria-label": "Close the guide", title: "Close the guide (g)", onclick: () => choose(null) }, "×")),
    list,
    title,
    text,
    h("div", { class: "task" }, h("h3", {}, "Do this"), task, h("span", { class: "beginner" }, offer, confirm.element), reaction),
    note,
    h("footer", {}, back, again, next),
  );

  /** The chapter that is open here. @type {number | null} */
  let entered = null;
  /** The one that the reader has asked for; any other comes from the address, or from an earlier visit. @type {number | null} */
  let asked = null;
  /** @type {Entry | null} */
  let entry = null;
  /** What has become of the scene: what happens while it is being set is not the reader's doing. @type {"due" | "being set" | "shown" | "set"} */
  let scene = "due";
  let reacted = false;
  let turns = 0; // counts up: of two scenes only the later one is still wished for
  let turn = Promise.resolve();
  /** @type {Set<number>} */
  const finished = new Set();

  const current = () => state.view.chapter ?? 0;
  const isReady = () => state.run !== null && state.status !== null && (state.recorded || state.connection.state === "open");

  /** By the reader's hand. @param {number | null} index */
  function choose(index) {
    asked = isReady() ? index : null;
    page.choose(index);
  }

  /** @param {number} index */
  function enter(index) {
    entered = index;
    entry = null;
    scene = "due";
    reacted = false;
    turns++;
    setText(reaction, "");
    setText(note, "");
    setText(title, CHAPTERS[index].title);
    title.focus({ preventScroll: true });
    page.light(CHAPTERS[index].panels);
  }

  function leave() {
    entered = asked = null;
    turns++;
  }

  /** Sets the scene, or, where the reader has not asked for it, only looks for it. @param {boolean} walks */
  function setScene(walks) {
    const mine = ++turns;
    const chapter = CHAPTERS[current()];
    const holds = () => mine === turns;
    // Set for the first time, it is where the chapter begins; later it is a means to do its task.
    if (walks && scene === "shown" && entry?.run?.id === state.run?.id) entry = null;
    const wasSet = scene === "set";
    scene = "being set";
    setText(note, "");
    turn = turn.then(async () => {
      if (!holds()) return;
      let problem = "";
      try {
        await page.setScene(chapter.scene, { walks, holds });
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
      }
      if (!holds()) return;
      scene = walks || wasSet ? "set" : "shown";
      const untouched = !walks && whyNoControl(state) === null;
      if (problem) setText(note, untouched ? UNTOUCHED : problem);
      draw();
    });
  }

  function takeOffer() {
    const { offer } = ask();
    if (!offer) return;
    if (!offer.restart) page.apply(offer.settings);
    else if (losesTraining(state)) confirm.toggle();
    else page.begin(offer.settings);
  }

  /** @returns {Ask} */
  function ask() {
    const { task } = CHAPTERS[current()];
    return entry && task.otherwise?.when(entry) ? task.otherwise : task;
  }

  function draw() {
    const { chapter: index } = state.view;
    setHidden(root, index === null);
    document.body.toggleAttribute("data-guide", index !== null);
    if (index === null) return leave();
    const chapter = CHAPTERS[index];
    if (entered !== index) enter(index);
    if (scene === "due" && isReady()) setScene(asked === index);
    remember();
    react(chapter, index);
    write(chapter, index);
  }

  /** What is on show once the scene is set is what the reader begins with. */
  function remember() {
    const { run, snapshot, selection, preview, status, past } = state;
    if (entry || !snapshot || scene === "due" || scene === "being set") return;
    if (past === null && status && !settled(snapshot, status)) return;
    entry = { run, snapshot, selection, preview };
  }

  /** @param {Chapter} chapter @param {number} index */
  function react({ task }, index) {
    if (reacted || !entry || scene === "being set" || !task.isDone(state, entry)) return;
    reacted = true;
    finished.add(index);
    reaction.replaceChildren(h("p", {}, h("b", {}, "Done. "), ...inline(task.done, state)));
    if (task.compared) reaction.append(comparison(task.compared, [{ ...state, snapshot: entry.snapshot }, state]), h("p", {}, ...prose(task.compared.about)));
    reaction.scrollIntoView({ block: "nearest" });
  }

  /** @param {NonNullable<Chapter["task"]["compared"]>} compared @param {Told[]} moments */
  function comparison({ heading, rows }, moments) {
    return h(
      "table",
      {},
      h("thead", {}, h("tr", {}, h("td", {}), ...moments.map((told) => h("th", { scope: "col" }, ...inline(heading, told))))),
      h("tbody", {}, ...rows.map(([label, number]) => h("tr", {}, h("th", { scope: "row" }, ...prose(label)), ...moments.map((told) => h("td", {}, ...inline(number, told)))))),
    );
  }

  /** @param {Chapter} chapter @param {number} index */
  function write(chapter, index) {
    const { offer: offered, text: wanted } = ask();
    const why = whyNoControl(state);
    setText(place, `Guide, chapter ${index + 1} of ${CHAPTERS.length}`);
    [...list.querySelectorAll("button")].forEach((button, at) => {
      if (at === index) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
      button.toggleAttribute("data-done", finished.has(at));
    });
    const paragraphs = chapter.text.flatMap((one) => (typeof one === "string" ? one : one.when(state) ? one.text : []));
    writeProse(text, paragraphs, (paragraph) => h("p", {}, ...inline(paragraph, state)));
    const here = why === null || !chapter.task.trains;
    writeProse(task, [here ? wanted : elsewhere(wanted)], (sentence) => h("span", {}, ...inline(sentence, state)));
    back.disabled = index === 0;
    setText(next, index + 1 < CHAPTERS.length ? "Next" : "Finish");
    setText(again, scene === "set" ? "Set the scene again" : "Set the scene");
    setHidden(offer, !offered || why !== null);
    setText(offer, offered?.label ?? "");
    if (offer.hidden) confirm.close();
    if (note.textContent === UNTOUCHED && state.snapshot && isAt(state.snapshot.header, chapter.scene, state.snapshot.header)) setText(note, "");
  }

  /** For who cannot do it here. @param {string} wanted */
  function elsewhere(wanted) {
    const where = state.recorded ? "On a run that trains you would now:" : "In control of the run you would now:";
    return `${where} ${/^[A-Z][a-z]/.test(wanted) ? wanted[0].toLowerCase() : wanted[0]}${wanted.slice(1)}`;
  }

  /** Writes only what has changed. @param {HTMLElement} element @param {string[]} texts @param {(text: string) => HTMLElement} make */
  function writeProse(element, texts, make) {
    const key = texts.map((one) => parts(one, state).map(({ text }) => text).join("")).join("\n");
    if (element.dataset.text === key) return;
    element.dataset.text = key;
    element.replaceChildren(...texts.map(make));
  }

  /** @param {string} paragraph @param {Told} told */
  const inline = (paragraph, told) => parts(paragraph, told).flatMap(({ text, live }) => (live ? [h("b", { class: "live-number" }, text)] : prose(text)));

  return { draw, choose };
}

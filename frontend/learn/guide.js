// The guide: eight chapters beside the panels, on the run at hand.

import { h, prose, setText } from "../controls/dom.js";
import { whyNoControl } from "../controls/permission.js";
import { CHAPTERS } from "./chapters.js";
import { parts } from "./numbers.js";

/** @import { State } from "../types.js" */
/** @import { Chapter } from "./chapters.js" */

/**
 * @typedef {object} Page what the guide can do to it
 * @property {(chapter: number | null) => void} choose remembers the chapter; null: the guide is closed
 * @property {(scene: Chapter["scene"]) => Promise<void>} setScene brings the run, or what is shown of it, to that moment
 * @property {(panels: string[]) => void} light shows these panels, and brings the first into view
 * @property {(settings: Record<string, unknown>, restart: boolean) => void} apply
 * @property {(text: string) => void} say politely
 */

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
  const reaction = h("p", { class: "reaction", role: "status" });
  const again = h("button", { type: "button", class: "quiet", onclick: () => void enter(current()) }, "Set the scene again");
  const back = h("button", { type: "button", onclick: () => page.choose(current() - 1) }, "Previous");
  const next = h("button", { type: "button", class: "primary", onclick: () => (current() + 1 < CHAPTERS.length ? page.choose(current() + 1) : page.choose(null)) }, "Next");
  const list = h("ol", { class: "chapters", "aria-label": "Chapters" }, ...CHAPTERS.map(({ title }, index) => h("li", {}, h("button", { type: "button", title, "aria-label": `Chapter ${index + 1}: ${title}`, onclick: () => page.choose(index) }, String(index + 1)))));
  root.setAttribute("aria-labelledby", "guide-title");
  root.append(
    h("header", {}, place, h("button", { type: "button", class: "quiet square", "aria-label": "Close the guide", title: "Close the guide (g)", onclick: () => page.choose(null) }, "×")),
    list,
    title,
    text,
    h("div", { class: "task" }, h("h3", {}, "Do this"), task, offer, reaction),
    h("footer", {}, back, again, next),
  );

  /** @type {number | null} */
  let entered = null;
  /** @type {Set<number>} */
  const finished = new Set();
  /** What was on show when the scene was set. @type {State["snapshot"]} */
  let before = null;
  let setting = false; // the scene is being set: nothing that happens meanwhile is the reader's doing

  const current = () => state.view.chapter ?? 0;

  /** @param {number} index */
  async function enter(index) {
    entered = index;
    const chapter = CHAPTERS[index];
    page.light(chapter.panels);
    setting = true;
    try {
      await page.setScene(chapter.scene);
    } catch (error) {
      setText(reaction, error instanceof Error ? error.message : String(error));
    }
    setting = false;
    before = state.snapshot;
    draw();
  }

  function takeOffer() {
    const { offer } = CHAPTERS[current()].task;
    if (offer) page.apply(offer.settings(state), offer.restart ?? false);
  }

  function draw() {
    const { chapter: index } = state.view;
    root.hidden = index === null;
    document.body.toggleAttribute("data-guide", index !== null);
    if (index === null) {
      entered = null;
      return;
    }
    const chapter = CHAPTERS[index];
    if (entered !== index) {
      setText(reaction, "");
      setText(title, chapter.title);
      title.focus({ preventScroll: true });
      void enter(index);
    }
    setText(place, `Guide, chapter ${index + 1} of ${CHAPTERS.length}`);
    [...list.querySelectorAll("button")].forEach((button, at) => {
      if (at === index) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
      button.toggleAttribute("data-done", finished.has(at));
    });
    write(text, chapter.text);
    const needsTraining = state.recorded && chapter.task.offer !== undefined;
    write(task, [needsTraining ? `On a run that trains you would now: ${chapter.task.text[0].toLowerCase()}${chapter.task.text.slice(1)}` : chapter.task.text]);
    back.disabled = index === 0;
    setText(next, index + 1 < CHAPTERS.length ? "Next" : "Finish");
    offer.hidden = !chapter.task.offer || whyNoControl(state) !== null;
    setText(offer, chapter.task.offer?.label ?? "");
    react(chapter, index);
  }

  /** @param {Chapter} chapter @param {number} index */
  function react(chapter, index) {
    if (setting || !before || !chapter.task.isDone(state, before)) {
      if (finished.has(index) && !setting) return;
      return;
    }
    if (!finished.has(index)) page.say(`Done. ${chapter.task.done.replace(/\{[\w.]+\}/g, "")}`);
    finished.add(index);
    reaction.replaceChildren(h("b", {}, "Done. "), ...inline(chapter.task.done));
    list.querySelectorAll("button")[index].toggleAttribute("data-done", true);
  }

  /** @param {HTMLElement} element @param {string[]} paragraphs */
  function write(element, paragraphs) {
    const key = paragraphs.map((paragraph) => parts(paragraph, state).map(({ text }) => text).join("")).join("\n");
    if (element.dataset.text === key) return;
    element.dataset.text = key;
    if (element instanceof HTMLParagraphElement) element.replaceChildren(...inline(paragraphs[0]));
    else element.replaceChildren(...paragraphs.map((paragraph) => h("p", {}, ...inline(paragraph))));
  }

  /** @param {string} paragraph */
  const inline = (paragraph) => parts(paragraph, state).flatMap(({ text, live }) => (live ? [h("b", { class: "live-number" }, text)] : prose(text)));

  return { draw };
}

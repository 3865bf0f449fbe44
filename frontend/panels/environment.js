// Environment: the current policy acting in its own copy of the environment.

import { h, setHidden, setText } from "../ui/dom.js";
import { Canvas } from "../draw/canvas.js";
import { sizeOf } from "../state/pictures.js";

/** @import { Decoded, Panel, PanelContext, PanelView, Picture, State } from "../types.js" */

const CALM = 250; // milliseconds between two captions

/** @type {Panel} */
export const environment = {
  name: "Environment",
  title: "Environment",
  hint: "The current policy, acting in its own copy of the environment (not the training data)",
  ideas: ["policy"],
  probes: ["picture"],
  compares: "beside",
  absent: ({ run }) => Boolean(run?.attached),
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const canvas = new Canvas(body, "environment-picture");
  canvas.element.setAttribute("role", "img");
  canvas.element.setAttribute("aria-label", "The environment, as the current policy acts in it");
  const reason = h("p", { class: "environment-reason", role: "status", hidden: true });
  const caption = h("p", { class: "caption" });
  body.append(reason, caption);

  /** @type {Picture | null} */
  let painted = null;
  let sized = false;
  let said = { at: -Infinity, about: "", words: "" };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;

  /** @param {Picture} picture */
  function paint(picture) {
    if (picture === painted && sized) return;
    if (!sized) canvas.fit();
    sized = true;
    painted = picture;
    if (!picture.bitmap) return canvas.clear();
    letterbox(canvas, picture.bitmap);
    canvas.element.dataset.sequence = String(picture.header.sequence);
  }

  /** Numbers that change with each picture cannot be read, and would have the panel laid out with each. @param {Picture} picture @param {number | null} viewed */
  function say(picture, viewed) {
    const about = [picture.header.reason, picture.bitmap === null, viewed].join();
    const wait = about === said.about ? said.at + CALM - performance.now() : 0;
    clearTimeout(later);
    if (wait > 0) {
      later = setTimeout(context.redraw, wait + CALM); // no further picture may come
      return;
    }
    said = { at: performance.now(), about, words: inWords(picture, viewed, context) };
    setText(caption, picture.header.reason ? "" : said.words);
  }

  return {
    needs: ["picture", "snapshot"],
    ready: ({ picture }) => (picture ? true : "the first picture of the environment"),
    draw(state) {
      if (!state.picture) return;
      const { header } = state.picture;
      setHidden(reason, !header.reason);
      setText(reason, header.reason ?? "");
      paint(state.picture);
      say(state.picture, viewedUpdate(state));
    },
    resize() {
      sized = false;
    },
    summary(state) {
      if (!state.picture) return "No picture yet.";
      return state.picture.bitmap ? `The current policy is acting: ${said.words}.` : said.words;
    },
  };
}

/** The update of the past that is on show. @param {State} state */
const viewedUpdate = ({ past, snapshot }) => (past && snapshot ? snapshot.header.update : null);

/** Also whose policy acts: the present one, or of a run on the disk the one on show. @param {Picture} picture @param {number | null} viewed @param {PanelContext} context */
function inWords({ header: { scalars, reason, update }, bitmap }, viewed, context) {
  if (reason) return reason;
  if (!bitmap) return "This picture of the environment could not be read; the next one replaces it.";
  const [step, sum] = [context.number(scalars.episode_step), context.number(scalars.episode_return)];
  if (viewed === update) return `Policy of update ${viewed}: step ${step}, return ${sum}`;
  if (viewed !== null) return `Present policy, not that of update ${viewed}: step ${step}, return ${sum}`;
  return `episode step ${step}, return so far ${sum}`;
}

/**
 * The whole picture as large as it fits: enlarged pixels stay pixels, reduced ones are averaged.
 *
 * @param {Canvas} canvas
 * @param {Decoded} picture
 */
function letterbox(canvas, picture) {
  const { pen, width, height } = canvas;
  const own = sizeOf(picture);
  const scale = Math.min(width / own[0], height / own[1]);
  const size = own.map((side) => Math.round(side * scale));
  canvas.clear();
  pen.imageSmoothingEnabled = scale < 2;
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, Math.round((width - size[0]) / 2), Math.round((height - size[1]) / 2), size[0], size[1]);
}

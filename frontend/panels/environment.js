// Environment: the current policy acting in its own copy of the environment.

import { h, setText } from "../controls/dom.js";
import { Canvas } from "./canvas.js";

/** @import { Panel, PanelContext, PanelView, Picture } from "../types.js" */

/** @type {Panel} */
export const environment = {
  name: "Environment",
  title: "Environment",
  hint: "The current policy, acting in its own copy of the environment (not the training data)",
  ideas: ["policy"],
  probes: ["picture"],
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const canvas = new Canvas(body, "environment-picture");
  canvas.element.setAttribute("role", "img");
  canvas.element.setAttribute("aria-label", "The environment, as the current policy acts in it");
  const caption = h("p", { class: "caption" });
  body.append(caption);

  /** @type {ImageBitmap | null} */
  let bitmap = null;
  /** @type {Picture | null} */
  let newest = null;
  let decoding = false;
  let sized = false;

  /** @param {Picture} picture */
  const paint = ({ header }) => {
    if (!sized) canvas.fit();
    sized = true;
    letterbox(canvas, /** @type {ImageBitmap} */ (bitmap));
    canvas.element.dataset.sequence = String(header.sequence);
    setText(caption, inWords(header, context));
  };

  // The browser decodes off the main thread. A picture that arrives meanwhile replaces one that still waits.
  const decode = async () => {
    if (decoding) return;
    decoding = true;
    try {
      for (let done = null; newest && done !== newest; ) {
        done = newest;
        const decoded = await createImageBitmap(new Blob([/** @type {any} */ (done.image)], { type: done.header.mime }));
        bitmap?.close();
        bitmap = decoded;
        paint(done);
      }
    } catch {
      setText(caption, "This picture of the environment could not be read; the next one replaces it.");
    } finally {
      decoding = false;
    }
  };

  return {
    needs: ["picture"],
    ready: ({ picture }) => (picture ? true : "the first picture of the environment"),
    draw({ picture }) {
      if (picture === newest && picture && bitmap) return paint(picture);
      newest = picture;
      void decode();
    },
    resize() {
      sized = false;
    },
    summary: ({ picture }) =>
      picture ? `The current policy is acting: ${inWords(picture.header, context)}.` : "No picture yet.",
  };
}

/** @param {Picture["header"]} header @param {PanelContext} context */
function inWords({ scalars }, context) {
  return `episode step ${context.number(scalars.episode_step)}, return so far ${context.number(scalars.episode_return)}`;
}

/**
 * The whole picture as large as it fits: enlarged pixels stay pixels, reduced ones are averaged.
 *
 * @param {Canvas} canvas
 * @param {ImageBitmap} picture
 */
function letterbox(canvas, picture) {
  const { pen, width, height } = canvas;
  const scale = Math.min(width / picture.width, height / picture.height);
  const size = [Math.round(picture.width * scale), Math.round(picture.height * scale)];
  canvas.clear();
  pen.imageSmoothingEnabled = scale < 2;
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, Math.round((width - size[0]) / 2), Math.round((height - size[1]) / 2), size[0], size[1]);
}

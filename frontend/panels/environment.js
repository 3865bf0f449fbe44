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

  /** What has been decoded, and the picture that it is of. @type {{ bitmap: ImageBitmap, picture: Picture } | null} */
  let decoded = null;
  /** @type {Picture | null} */
  let painted = null;
  /** @type {Picture | null} */
  let newest = null;
  /** @type {number | null} */
  let viewed = null; // the update of the past that is on show
  let decoding = false;
  let sized = false;

  function paint() {
    if (!decoded) return;
    const { bitmap, picture } = decoded;
    setText(caption, inWords(picture.header, viewed, context));
    if (picture === painted && sized) return;
    if (!sized) canvas.fit();
    sized = true;
    painted = picture;
    letterbox(canvas, bitmap);
    canvas.element.dataset.sequence = String(picture.header.sequence);
  }

  // The browser decodes off the main thread; what it has decoded is painted with everything else, in the next round. A
  // picture that arrives meanwhile replaces one that still waits.
  const decode = async () => {
    if (decoding) return;
    decoding = true;
    try {
      for (let done = null; newest && done !== newest; ) {
        done = newest;
        const bitmap = await createImageBitmap(new Blob([/** @type {any} */ (done.image)], { type: done.header.mime }));
        decoded?.bitmap.close();
        decoded = { bitmap, picture: done };
        context.redraw();
      }
    } catch {
      setText(caption, "This picture of the environment could not be read; the next one replaces it.");
    } finally {
      decoding = false;
    }
  };

  return {
    needs: ["picture", "snapshot"],
    ready: ({ picture }) => (picture ? true : "the first picture of the environment"),
    draw({ picture, past, snapshot }) {
      viewed = past && snapshot ? snapshot.header.update : null;
      paint();
      if (picture === newest) return;
      newest = picture;
      void decode();
    },
    resize() {
      sized = false;
    },
    summary: ({ picture }) => (picture ? `The current policy is acting: ${inWords(picture.header, viewed, context)}.` : "No picture yet."),
  };
}

/** Also that it is always the present that is acted in. @param {Picture["header"]} header @param {number | null} viewed @param {PanelContext} context */
function inWords({ scalars }, viewed, context) {
  const [step, sum] = [context.number(scalars.episode_step), context.number(scalars.episode_return)];
  if (viewed !== null) return `Present policy, not that of update ${viewed}: step ${step}, return ${sum}`;
  return `episode step ${step}, return so far ${sum}`;
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

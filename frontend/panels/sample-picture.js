// The environment as it looked at one step, where the trainer can still draw it; else why not.

import { h, setText } from "../controls/dom.js";

/** @typedef {{ run: string, update: number, environment: number, step: number }} Where */

const NONE = "No picture was recorded: pictures are recorded while the run is stepped.";

export function createPicture() {
  const image = h("img", { alt: "", hidden: true });
  const reason = h("p", { class: "sample-note", hidden: true });
  const element = h("div", { class: "sample-picture" }, image, reason);
  let shown = "";

  /** @param {string} path @param {string} alt */
  async function load(path, alt) {
    let url = "";
    let why = "";
    try {
      const response = await fetch(path);
      if (response.ok) url = URL.createObjectURL(await response.blob());
      else why = (await response.json().catch(() => null))?.message ?? NONE;
    } catch {
      why = "The picture could not be fetched.";
    }
    if (path !== shown) return URL.revokeObjectURL(url); // somebody has gone on meanwhile
    if (image.src) URL.revokeObjectURL(image.src);
    image.alt = alt;
    if (url) image.src = url;
    image.hidden = !url;
    reason.hidden = !why;
    setText(reason, why);
    element.dataset.picture = url ? path : "";
  }

  return {
    element,
    /** @param {Where | null} where null: nothing to show */
    draw(where) {
      const path = where ? `api/runs/${encodeURIComponent(where.run)}/pictures/${where.update}/${where.environment}/${where.step}` : "";
      if (path === shown) return;
      shown = path;
      if (where) void load(path, `The environment ${where.environment} at step ${where.step}`);
      else image.hidden = reason.hidden = true;
    },
  };
}

// The environment as it looked at one step, where the trainer can still draw it; else why not, and a way to ask again.

import { h, setText } from "../../ui/dom.js";
import { getPicture, picturePath } from "../../net/http.js";

/** @typedef {{ run: string, update: number, environment: number, step: number }} Where */

export function createPicture() {
  const image = h("img", { alt: "", hidden: true });
  const reason = h("span", {});
  const again = h("button", { type: "button", class: "quiet", onclick: () => where && load(where) }, "Ask again");
  const refused = h("p", { class: "sample-note", hidden: true }, reason, " ", again);
  const element = h("div", { class: "sample-picture" }, image, refused);
  /** @type {Where | null} */
  let where = null;
  let wanted = "";

  /** @param {Where} place */
  async function load(place) {
    const path = (wanted = picturePath(place));
    again.disabled = true;
    try {
      const picture = await getPicture(path);
      if (path === wanted) show(path, URL.createObjectURL(picture), place);
    } catch (error) {
      if (path === wanted) show("", "", place, /** @type {Error} */ (error).message); // else somebody has gone on meanwhile
    }
  }

  /** @param {string} path @param {string} url @param {Where} place @param {string} [why] there is none */
  function show(path, url, { environment, step }, why = "") {
    if (image.src) URL.revokeObjectURL(image.src);
    image.alt = `The environment ${environment} at step ${step}`;
    if (url) image.src = url;
    else image.removeAttribute("src");
    image.hidden = !url;
    refused.hidden = !why;
    again.disabled = false;
    setText(reason, why);
    element.dataset.picture = path;
  }

  return {
    element,
    /** @param {Where} next */
    draw(next) {
      again.hidden = false;
      if (picturePath(next) === wanted) return;
      where = next;
      void load(next);
    },
    /** There is none, and no use in asking. @param {string} why nothing: the place is left empty */
    explain(why) {
      where = null;
      wanted = "";
      image.hidden = again.hidden = true;
      refused.hidden = !why;
      setText(reason, why);
    },
  };
}

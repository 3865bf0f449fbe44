// The label of a preview: what is dashed was not trained with, and says so beside the panel's title.

import { h, setText } from "../controls/dom.js";
import { count } from "../state/format.js";
import { moved } from "../state/previewed.js";

/** @import { Previewed } from "../state/previewed.js" */

/**
 * @param {HTMLElement} body of the panel
 * @returns {(previewed: Previewed | null) => void} shows or hides the label
 */
export function previewTag(body) {
  const heading = body.closest(".panel")?.querySelector("h2");
  heading?.querySelector(".preview-tag")?.remove();
  const tag = h("span", { class: "preview-tag", hidden: true, title: "What the batch on show would be with these values. Nothing was trained with them yet." });
  heading?.append(tag);
  return (previewed) => {
    tag.hidden = previewed === null;
    setText(tag, previewed ? previewText(previewed) : "");
  };
}

/** @param {Previewed} previewed */
export function previewText(previewed) {
  const covered = previewed.partial ? `, of ${count(previewed.then.samples)} shown samples` : "";
  return `preview ${moved(previewed).join(", ")}${covered}`;
}

/** "now → preview", or the one number where they are the same. @param {string} now @param {string | null | undefined} then */
export const arrow = (now, then) => (then === undefined || then === null || then === now ? now : `${now} → ${then}`);

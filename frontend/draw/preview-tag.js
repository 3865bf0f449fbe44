// The label of a preview: what is dashed was not trained with, and says so on the panel's frame.

import { h, setAttribute, setHidden, setText } from "../ui/dom.js";
import { count, percent, term } from "../state/format.js";
import { moved } from "../state/previewed.js";

/** @import { Preview } from "../types.js" */
/** @import { Previewed } from "../state/previewed.js" */

/**
 * @param {HTMLElement} body of the panel
 * @param {readonly (keyof Preview)[]} [names] the settings that matter to it; default: all
 * @returns {(previewed: Previewed | null) => void} shows or hides the label
 */
export function previewTag(body, names) {
  const tag = h("span", { class: "preview-tag", hidden: true });

  /** The panel is put around its body later, and what is drawn anew after a failure has another label. */
  function attach() {
    const panel = body.closest(".panel");
    const heading = panel?.querySelector("h2");
    panel?.toggleAttribute("data-previews", true);
    heading?.querySelector(".preview-tag")?.remove();
    heading?.append(tag);
  }

  return (previewed) => {
    if (!tag.isConnected) attach();
    setHidden(tag, previewed === null);
    const covered = previewed?.partial ? `, of ${count(previewed.then.samples)} shown samples` : "";
    const text = previewed ? `preview ${moved(previewed, names).join(", ")}${covered}` : "";
    setText(tag, text);
    setAttribute(tag, "title", `${text}. What the batch on show would be with it: nothing was trained with it yet.`);
  };
}

/** A preview for those who cannot see it; nothing where there is none. @param {Previewed | null} previewed */
export function previewInWords(previewed) {
  if (!previewed) return "";
  const { fractions, terms, samples } = previewed.then;
  const shares = `held ${percent(fractions.held)}, pulled back ${percent(fractions.pulledBack)}, clip fraction ${percent(fractions.clip)}`;
  return ` Preview with ${moved(previewed).join(", ")}, of ${count(samples)} samples: ${shares}, L_PG ${term(terms.policy_loss)}, L ${term(terms.loss)}.`;
}

/** "now → preview", with its unit once, or the one number where they are the same. @param {string} now @param {string | null | undefined} then */
export const arrow = (now, then) => (then === undefined || then === null || then === now ? now : `${now.replace("\u00a0%", "")} → ${then}`);

/** Whether it says two numbers. @param {string | null} text of `arrow` */
export const isChange = (text) => text !== null && text.includes(" → ");

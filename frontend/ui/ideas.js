// One colour per idea, and one light: what belongs to the same idea lights up together.

/** @import { Idea } from "../types.js" */

/** @type {Record<string, Idea | undefined>} */
export const IDEA_OF_SETTING = {
  clip_range: "clip",
  clip_range_high: "clip",
  ratio_cap: "clip",
  anneal_clip_range: "clip",
  kl_coef: "clip",
  kl_coef_target: "clip",
  value_coef: "value",
  value_clip_range: "value",
  entropy_coef: "entropy",
  anneal_entropy_coef: "entropy",
  learning_rate: "loss",
  anneal_learning_rate: "loss",
  desired_kl: "loss",
  learning_rate_min: "loss",
  learning_rate_max: "loss",
  max_grad_norm: "loss",
  target_kl: "ratio",
  discount: "advantage",
  gae_lambda: "advantage",
  normalize_advantages: "advantage",
};

/** @param {Element} element */
const ideasOf = (element) => (element.getAttribute("data-idea") ?? "").split(" ").filter(Boolean);

/**
 * Pointing at, or focusing, anything with data-idea lights whatever shares an idea with it. From a panel, which
 * has several ideas, only symbols and sliders are lit: otherwise everything would be.
 *
 * @param {HTMLElement} root
 */
export function connectIdeas(root) {
  /** @type {Element | null} */
  let source = null;

  /** @param {Element | null} element */
  function light(element) {
    if (element === source) return;
    source = element;
    const ideas = element ? ideasOf(element) : [];
    root.style.setProperty("--lit", `var(--${ideas[0] ?? "accent"})`);
    const fromPanel = element?.matches(".panel") ?? false;
    for (const other of root.querySelectorAll("[data-idea]")) {
      const shares = ideasOf(other).some((idea) => ideas.includes(idea));
      other.classList.toggle("lit", shares && !(fromPanel && other.matches(".panel")));
    }
  }

  /** @param {Event} event */
  const at = (event) => (event.target instanceof Element ? event.target.closest("[data-idea]") : null);
  root.addEventListener("pointerover", (event) => light(at(event)));
  root.addEventListener("pointerleave", () => light(null));
  root.addEventListener("focusin", (event) => light(at(event)));
  root.addEventListener("focusout", () => light(null));
}

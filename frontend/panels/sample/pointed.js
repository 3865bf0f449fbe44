// A cloud of samples under a pointer: the nearest one's numbers stand in a tip, and a click has Sample show it.

import { h, setHidden, setText } from "../../ui/dom.js";
import { revealSample } from "./reveal.js";

/** @import { PanelContext } from "../../types.js" */
/** @import { Canvas } from "../../draw/canvas.js" */

const ASIDE = 12; // CSS pixels from the pointer to the tip

/**
 * @template {{ environment: number, step: number }} Sample
 * @param {HTMLElement} box that the cloud fills
 * @param {Canvas} canvas
 * @param {{ nearest: (x: number, y: number, reach: number) => Sample | null }} cloud in the canvas's pixels
 * @param {{ near: number, inWords: (sample: Sample) => string }} how near, in CSS pixels, a sample is found
 * @param {PanelContext} context
 * @returns {() => void} says anew what lies under a pointer that rests: to be called where other samples are drawn
 */
export function pointOut(box, canvas, cloud, { near, inWords }, context) {
  const tip = h("p", { class: "tip", hidden: true });
  box.append(tip);
  /** Where the pointer is. @type {{ clientX: number, clientY: number } | null} */
  let pointer = null;

  /** @param {{ clientX: number, clientY: number }} place */
  function under({ clientX, clientY }) {
    const { left, top } = canvas.element.getBoundingClientRect();
    return cloud.nearest((clientX - left) * canvas.density, (clientY - top) * canvas.density, near * canvas.ratio);
  }

  function say() {
    const sample = pointer && !context.running ? under(pointer) : null;
    setHidden(tip, !sample);
    if (!pointer || !sample) return;
    setText(tip, inWords(sample));
    const { left, top, width } = box.getBoundingClientRect();
    const [across, down] = [pointer.clientX - left, pointer.clientY - top];
    const x = Math.min(Math.max(0, across + ASIDE), width - tip.offsetWidth);
    const y = down > tip.offsetHeight + ASIDE ? down - tip.offsetHeight - ASIDE : down + ASIDE;
    tip.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }

  box.addEventListener("pointermove", ({ clientX, clientY }) => {
    pointer = { clientX, clientY };
    say();
  });
  box.addEventListener("pointerleave", () => {
    pointer = null;
    say();
  });
  box.addEventListener("click", (event) => {
    const sample = under(event);
    if (!sample) return;
    context.select({ environment: sample.environment, step: sample.step });
    revealSample(context);
  });
  return () => pointer && say();
}

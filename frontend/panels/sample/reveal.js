// Whoever points a sample out wants to see it: the panel Sample, which is shown as soon as one is chosen, comes into view.

/** @import { PanelContext } from "../../types.js" */

/** @param {PanelContext} context */
export function revealSample({ reducedMotion }) {
  const panel = document.getElementById("panel-sample");
  panel?.scrollIntoView({ block: "nearest", behavior: reducedMotion ? "auto" : "smooth" });
}

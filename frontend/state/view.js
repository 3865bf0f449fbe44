// What this reader chose to see; it outlives the page.

/** @import { ViewChoices } from "../types.js" */

const KEY = "ppo-scope.view";

/** @returns {ViewChoices} */
const standard = () => ({
  theme: "system",
  hidden: [],
  order: [],
  maximised: null,
  layout: "grid",
  stage: [],
  stepSize: "update",
  until: { quantity: "kl_k3", above: 0.02 },
  pace: null,
  chapter: null,
  align: "update",
});

/** @returns {ViewChoices} */
export function loadView() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    const view = { ...standard(), ...kept };
    return Array.isArray(view.hidden) && Array.isArray(view.order) && Array.isArray(view.stage) ? view : standard();
  } catch {
    // Storage may be forbidden, or hold what another version wrote: the choices are a comfort, not a need.
    return standard();
  }
}

/** What its reader has chosen, without what a chapter of the guide shows for a while. @param {ViewChoices} view @returns {ViewChoices} */
export const chosenBy = ({ own, ...view }) => ({ ...view, ...own });

/** @param {ViewChoices} view */
export function saveView(view) {
  try {
    localStorage.setItem(KEY, JSON.stringify(chosenBy(view)));
  } catch {
    // As above.
  }
}

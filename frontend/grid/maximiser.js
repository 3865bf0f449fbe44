// The button that gives a panel all the room, and takes it back.

import { icon } from "../ui/dom.js";

const RESTORE = "M5.4 2H7v5H2V5.4h3.4zM9 2h1.6v3.4H14V7H9zM2 9h5v5H5.4v-3.4H2zM9 9h5v1.6h-3.4V14H9z";
const MAXIMISE = "M2 2h5v1.6H3.6V7H2zM9 2h5v5h-1.6V3.6H9zM2 9h1.6v3.4H7V14H2zM12.4 9H14v5H9v-1.6h3.4z";

/** @param {HTMLButtonElement} button @param {string} name of the panel @param {boolean} isMaximised */
export function drawMaximiser(button, name, isMaximised) {
  button.setAttribute("aria-label", isMaximised ? `Back to all panels` : `Maximise ${name}`);
  button.setAttribute("aria-pressed", String(isMaximised));
  button.replaceChildren(icon(isMaximised ? RESTORE : MAXIMISE));
  button.title = isMaximised ? "Back to all panels (Esc)" : "Maximise";
}

// Moving panels: by their header or their grip with the pointer, or by the grip with the arrow keys.

import { h, icon } from "./dom.js";

const GRIP = "M5 2h2v2H5zm4 0h2v2H9zM5 7h2v2H5zm4 0h2v2H9zM5 12h2v2H5zm4 0h2v2H9z";
const DRAGGED = "application/x-ppo-scope-panel";

/** @type {Record<string, number>} */
const KEYS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/**
 * @param {string} name of the panel
 * @param {(by: number) => void} move one place on, or back
 */
export function createGrip(name, move) {
  const grip = h(
    "button",
    {
      type: "button",
      class: "quiet square grip",
      "data-arrows": true,
      title: "Move: drag the panel by its header, or use the arrow keys here",
      "aria-label": `Move ${name} with the arrow keys`,
    },
    icon(GRIP),
  );
  grip.addEventListener("keydown", (event) => {
    const by = KEYS[event.key];
    if (by === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    move(by);
    grip.focus(); // a browser takes the focus away from what moves in the document
    grip.scrollIntoView({ block: "nearest" });
  });
  return grip;
}

/**
 * @param {HTMLElement} section the panel, which others can be dropped on
 * @param {HTMLElement} header by which it is taken
 * @param {string} name
 * @param {(dropped: string) => void} take another panel takes this one's place
 */
export function makeMovable(section, header, name, take) {
  header.draggable = true;
  header.addEventListener("dragstart", (event) => {
    if (!event.dataTransfer) return;
    event.dataTransfer.setData(DRAGGED, name);
    event.dataTransfer.effectAllowed = "move";
    section.toggleAttribute("data-dragged", true);
  });
  header.addEventListener("dragend", () => section.toggleAttribute("data-dragged", false));
  section.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes(DRAGGED) || section.hasAttribute("data-dragged")) return;
    event.preventDefault();
    section.toggleAttribute("data-target", true);
  });
  section.addEventListener("dragleave", ({ relatedTarget }) => {
    if (!(relatedTarget instanceof Node && section.contains(relatedTarget))) section.toggleAttribute("data-target", false);
  });
  section.addEventListener("drop", (event) => {
    section.toggleAttribute("data-target", false);
    const dropped = event.dataTransfer?.getData(DRAGGED);
    if (!dropped || dropped === name) return;
    event.preventDefault();
    take(dropped);
  });
}

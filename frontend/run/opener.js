// Opening a recording that is a file: dropped onto the page, or chosen.

import { h } from "../ui/dom.js";

/**
 * @param {(file: File) => void} open
 * @returns {{ button: HTMLButtonElement }}
 */
export function createOpener(open) {
  const input = h("input", { type: "file", accept: ".rec", hidden: true, "aria-label": "A recording", onchange: () => take(input.files) });
  const button = h("button", { type: "button", onclick: () => input.click() }, "Open a recording…");
  button.append(input);

  /** @param {FileList | null | undefined} files */
  function take(files) {
    if (files?.[0]) open(files[0]);
    input.value = "";
  }

  /** @param {boolean} over whether a file is held over the page */
  const mark = (over) => document.body.toggleAttribute("data-file", over);
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => relatedTarget === null && mark(false));
  document.addEventListener("drop", (event) => {
    mark(false);
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files);
  });
  return { button };
}

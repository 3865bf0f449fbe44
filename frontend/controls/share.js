// Sharing what is on show: its address, with the controls or without them.

import { h, setText } from "./dom.js";

/**
 * @param {HTMLElement} parent
 * @param {(bare: boolean) => URLSearchParams} address
 */
export function createShare(parent, address) {
  const link = h("input", { type: "text", readonly: true, "aria-label": "Link to this view", onclick: () => link.select() });
  const bare = h("input", { type: "checkbox", onchange: () => show() });
  const said = h("p", { role: "status" });
  const close = h("button", { type: "button", onclick: () => dialog.close() }, "Close");
  const dialog = h(
    "dialog",
    { class: "share sheet", "aria-labelledby": "share-title" },
    h("h2", { id: "share-title" }, "Share this view"),
    h("p", {}, "Panels, theme, settings, seed, environment and the guide's chapter. Who opens it is asked before anything happens to a run; it gives nobody control."),
    h("div", { class: "row" }, link, h("button", { type: "button", class: "primary", onclick: () => void copy() }, "Copy the link")),
    h("label", {}, bare, " Hide the controls, for a page that embeds this one"),
    h("div", { class: "row" }, said, close),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  parent.append(dialog);

  function show() {
    link.value = `${location.origin}${location.pathname}?${address(bare.checked)}`;
  }

  async function copy() {
    link.select();
    try {
      await navigator.clipboard.writeText(link.value);
      setText(said, "Copied.");
    } catch {
      setText(said, "Copying is not permitted here: the link is selected, copy it with the keyboard.");
    }
  }

  return {
    isOpen: () => dialog.open,
    open() {
      setText(said, "");
      show();
      dialog.showModal();
    },
  };
}

// Says what happened: politely to a screen reader, and errors also to the eye.

import { h } from "./dom.js";

const STAYS = 8000;

/** @returns {{ element: HTMLElement, say(text: string): void, warn(text: string): void }} */
export function createAnnouncer() {
  const spoken = h("p", { class: "visually-hidden", role: "status", "aria-live": "polite" });
  const seen = h("div", { class: "toasts", role: "alert" });

  return {
    element: h("div", {}, spoken, seen),
    say: (text) => (spoken.textContent = text),
    warn(text) {
      const toast = h("div", { class: "toast" }, h("p", {}, text));
      toast.append(h("button", { class: "quiet", type: "button", "aria-label": "Dismiss", onclick: () => toast.remove() }, "×"));
      while (seen.children.length >= 3) seen.firstElementChild?.remove();
      seen.append(toast);
      setTimeout(() => toast.remove(), STAYS);
    },
  };
}

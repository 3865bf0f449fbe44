// Says what happened: politely to a screen reader, and errors also to the eye.

import { h } from "./dom.js";

const STAYS = 8000;
const REMEMBERED = 4; // what was said last; a screen reader reads what is added

/** @returns {{ element: HTMLElement, say(text: string): void, note(text: string): void, warn(text: string): void }} */
export function createAnnouncer() {
  const spoken = h("div", { class: "visually-hidden", role: "status", "aria-live": "polite", "aria-atomic": "false" });
  const errors = h("div", { role: "alert" });
  const notes = h("div", { role: "status" });

  /** Until when each stands. @type {WeakMap<Element, ReturnType<typeof setTimeout>>} */
  const timers = new WeakMap();

  /** What stands there already is not said twice, and stands as long as if it came now. @param {HTMLElement} where @param {string} text @param {string} style @param {number} stays */
  function show(where, text, style, stays) {
    const same = [...where.children].find((other) => other.firstElementChild?.textContent === text);
    const toast = same ?? made(where, text, style);
    clearTimeout(timers.get(toast));
    timers.set(
      toast,
      setTimeout(() => toast.remove(), stays),
    );
  }

  /** @param {HTMLElement} where @param {string} text @param {string} style */
  function made(where, text, style) {
    const toast = h("div", { class: style }, h("p", {}, text));
    toast.append(h("button", { class: "quiet", type: "button", "aria-label": "Dismiss", onclick: () => toast.remove() }, "×"));
    while (where.children.length >= 3) where.firstElementChild?.remove();
    where.append(toast);
    return toast;
  }

  return {
    element: h("div", {}, spoken, h("div", { class: "toasts" }, notes, errors)),
    /** Two things in one moment are both said: the second must not take the place of the first. */
    say(text) {
      spoken.append(h("p", {}, text));
      while (spoken.children.length > REMEMBERED) spoken.firstElementChild?.remove();
    },
    /** Something worth reading that is no error. */
    note: (text) => show(notes, text, "toast note", 2 * STAYS),
    warn: (text) => show(errors, text, "toast", STAYS),
  };
}

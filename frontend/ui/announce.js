// Says what happened: politely to a screen reader, and errors also to the eye.

import { h } from "./dom.js";

const STAYS = 16_000; // milliseconds: a sentence with what to do, for somebody who looks elsewhere first
const MOST = 3; // of a kind at once
const REMEMBERED = 4; // what was said last; a screen reader reads what is added

/** @returns {{ element: HTMLElement, say(text: string): void, note(text: string): void, warn(text: string): void, dismiss(): boolean }} */
export function createAnnouncer() {
  const spoken = h("div", { class: "visually-hidden", role: "status", "aria-live": "polite", "aria-atomic": "false" });
  const errors = h("div", { role: "alert" });
  const notes = h("div", { role: "status" });
  const toasts = h("div", { class: "toasts" }, notes, errors);
  const element = h("div", {}, spoken, toasts);
  document.addEventListener("close", rise, true);

  /** Until when each stands. @type {WeakMap<Element, ReturnType<typeof setTimeout>>} */
  const timers = new WeakMap();
  /** Those that stand, the one that came last at the end. @type {HTMLElement[]} */
  let standing = [];

  /** What stands there already is not said twice, and stands as long as if it came now. @param {HTMLElement} where @param {string} text @param {string} style */
  function show(where, text, style) {
    const same = standing.find((other) => other.parentElement === where && other.firstElementChild?.textContent === text);
    rise();
    const toast = same ?? made(where, text, style);
    standing = [...standing.filter((other) => other !== toast), toast];
    stay(toast);
  }

  /** Into the dialog that is open, if one is: it lies above all else, and outside of it nothing is read aloud or pressed. */
  function rise() {
    const host = [...document.querySelectorAll("dialog:modal")].at(-1) ?? element;
    if (toasts.parentElement !== host) host.append(toasts);
  }

  /** For as long again. @param {HTMLElement} toast */
  function stay(toast) {
    clearTimeout(timers.get(toast));
    timers.set(
      toast,
      setTimeout(() => (toast.matches(":hover, :focus-within") ? stay(toast) : remove(toast)), STAYS),
    );
  }

  /** @param {HTMLElement} toast */
  function remove(toast) {
    clearTimeout(timers.get(toast));
    standing = standing.filter((other) => other !== toast);
    toast.remove();
  }

  /** @param {HTMLElement} where @param {string} text @param {string} style */
  function made(where, text, style) {
    const toast = h("div", { class: style }, h("p", {}, text));
    toast.append(h("button", { class: "quiet", type: "button", "aria-label": "Dismiss", onclick: () => remove(toast) }, "×"));
    const others = standing.filter((other) => other.parentElement === where);
    if (others.length === MOST) remove(others[0]);
    where.append(toast);
    return toast;
  }

  return {
    element,
    /** Two things in one moment are both said: the second must not take the place of the first. */
    say(text) {
      spoken.append(h("p", {}, text));
      while (spoken.children.length > REMEMBERED) spoken.firstElementChild?.remove();
    },
    /** Something worth reading that is no error. */
    note: (text) => show(notes, text, "toast note"),
    warn: (text) => show(errors, text, "toast"),
    /** Takes away the error that was said last: it asks to be read, a note does not. @returns whether there was one */
    dismiss() {
      const last = standing.findLast((toast) => toast.parentElement === errors);
      if (last) remove(last);
      return last !== undefined;
    },
  };
}

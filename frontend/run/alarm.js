// The badge in the bar that says that something is wrong with the run, wherever the page is scrolled to; below it, what that
// is and what to do. Why, and since when, stands in the panel Health.

import { causes, findingsOf, whenInWords } from "../state/findings.js";
import { h, prose, setAttribute, setHidden, setText } from "../ui/dom.js";
import { followWays, remedyOf, SIGNS } from "../ui/finding.js";
import { createPopup } from "../ui/popup.js";
import { renew } from "../ui/renew.js";

/** @import { Finding, State } from "../types.js" */

const LONGEST = 18; // characters that have room in a window of 1440 pixels

/**
 * @param {State} state
 * @param {object} ways
 * @param {() => void} ways.health shows the panel
 * @param {(setting: string) => void} ways.focusSetting
 */
export function createAlarm(state, { health, focusSetting }) {
  const [words, number] = [h("span", { class: "alarm-words" }), h("span", { class: "alarm-number", "aria-hidden": "true" })];
  const badge = h("button", { type: "button", class: "health-badge", hidden: true }, words, number);
  const list = h("ul", { class: "findings", "aria-label": "What is wrong" });
  const more = h("button", { type: "button", onclick: () => (close(), health()) }, "Why, and what else was looked for");
  const sheet = h("div", { class: "panels-sheet alarm-sheet", role: "group", "aria-label": "What is wrong" }, list, more);
  let shown = "";
  const { root, close, fit } = createPopup("alarm", badge, sheet, fill);

  followWays(list, {
    focusSetting(name) {
      sheet.hidden = true;
      badge.setAttribute("aria-expanded", "false");
      focusSetting(name);
    },
  });

  /** @param {string} name */
  function symbol(name) {
    const setting = state.settings.find((one) => one.name === name);
    return setting?.symbol || setting?.label || name.replaceAll("_", " ");
  }

  function fill() {
    const serious = seriousOf(state);
    const key = JSON.stringify([serious, state.run?.settings]);
    if (key !== shown) renew(list, serious.map(item));
    shown = key;
  }

  /** @param {Finding} finding */
  function item(finding) {
    const { name, severity, title, since, until = null, summary } = finding;
    const text = h(
      "p",
      {},
      h("b", {}, title),
      " ",
      h("span", { class: "since" }, `${severity}, ${whenInWords({ since, until })}.`),
      " ",
      ...prose(summary),
    );
    return h(
      "li",
      { "data-key": name, "data-severity": severity },
      h("b", { class: "sign", "aria-hidden": "true" }, SIGNS[severity]),
      h("div", {}, text, remedyOf(finding, state, symbol)),
    );
  }

  return {
    root,
    draw() {
      const serious = seriousOf(state);
      setHidden(badge, serious.length === 0);
      setText(words, textOf(serious));
      setText(number, String(serious.length));
      setAttribute(badge, "title", serious.map(({ title, summary }) => `${title}: ${summary}`).join("\n"));
      if (sheet.hidden) return;
      if (serious.length === 0) return close();
      fill();
      fit();
    },
  };
}

/** Of those that explain each other, the first. @param {State} state */
const seriousOf = (state) => causes(findingsOf(state)).filter(({ severity }) => severity !== "note");

/** Never cut off: a long title stands below it. @param {ReturnType<typeof seriousOf>} serious what follows from others is not among them */
function textOf(serious) {
  const [first, ...others] = serious;
  if (others.length) return `${serious.length} ${serious.some(({ followers }) => followers) ? "causes" : "findings"}`;
  return first && first.title.length > LONGEST ? "1 finding" : (first?.title ?? "");
}

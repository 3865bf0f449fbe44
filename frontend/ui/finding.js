// A finding, as the panel Health and the sheet below the bar's badge write it.

import { triesOf } from "../state/tries.js";
import { h, prose } from "./dom.js";
import { onPress } from "./pressed.js";

/** @import { Finding, State } from "../types.js" */

/** Not by colour alone: each severity has a sign and a word. @type {Record<Finding["severity"], string>} */
export const SIGNS = { error: "✕", warning: "!", note: "i" };

/**
 * What to do about it, with the values to begin with and the way to the setting that is spoken of (`followWays`).
 *
 * @param {Finding} finding
 * @param {Pick<State, "run" | "settings">} state of the run that it is of
 * @param {(setting: string) => string} symbol
 */
export function remedyOf(finding, state, symbol) {
  const { remedy, setting } = finding;
  if (!remedy) return null;
  const there = setting && h("button", { type: "button", class: "quiet to-setting", "data-setting": setting }, `Go to ${symbol(setting)}`);
  const tries = triesOf(finding, state).flatMap((text, place) => [place ? ", or " : " Try ", h("code", {}, text)]);
  return h("p", { class: "remedy" }, h("b", {}, "Do: "), ...prose(remedy), ...tries, tries.length ? ". " : " ", there);
}

/** The way to an update's end (`followWays`). @param {number} update @param {string} words */
export const wayTo = (update, words) => h("button", { type: "button", class: "quiet to-setting", "data-update": String(update) }, words);

/**
 * Has the buttons of a list of findings lead where they say. (They are written anew while the run goes on, and somebody may
 * be about to press one: what is done with them is listened for above them.)
 *
 * @param {HTMLElement} list
 * @param {{ focusSetting?(setting: string): void, goTo?(update: number): void }} ways
 */
export function followWays(list, { focusSetting, goTo }) {
  onPress(list, ({ dataset: { setting, update } }) => {
    if (setting) focusSetting?.(setting);
    if (update) goTo?.(Number(update));
  });
}

// A finding, as the panel Health and the sheet below the bar's badge write it.

import { triesOf } from "../state/tries.js";
import { h, prose } from "./dom.js";

/** @import { Finding, State } from "../types.js" */

/** Not by colour alone: each severity has a sign and a word. @type {Record<Finding["severity"], string>} */
export const SIGNS = { error: "✕", warning: "!", note: "i" };

/**
 * What to do about it, with the values to begin with and the way to the setting that is spoken of.
 *
 * @param {Finding} finding
 * @param {Pick<State, "run" | "settings">} state of the run that it is of
 * @param {{ symbol(setting: string): string, focusSetting(setting: string): void }} ways
 */
export function remedyOf(finding, state, { symbol, focusSetting }) {
  const { remedy, setting } = finding;
  if (!remedy) return null;
  const there =
    setting && h("button", { type: "button", class: "quiet to-setting", onclick: () => focusSetting(setting) }, `Go to ${symbol(setting)}`);
  const tries = triesOf(finding, state).flatMap((text, place) => [place ? ", or " : " Try ", h("code", {}, text)]);
  return h("p", { class: "remedy" }, h("b", {}, "Do: "), ...prose(remedy), ...tries, tries.length ? ". " : " ", there);
}

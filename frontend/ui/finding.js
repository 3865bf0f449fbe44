// A finding, as the panel Health and the sheet below the bar's badge write it.

import { h, prose } from "./dom.js";

/** @import { Finding } from "../types.js" */

/** Not by colour alone: each severity has a sign and a word. @type {Record<Finding["severity"], string>} */
export const SIGNS = { error: "✕", warning: "!", note: "i" };

/**
 * What to do about it, with the way to the setting that is spoken of.
 *
 * @param {Finding} finding
 * @param {{ symbol(setting: string): string, focusSetting(setting: string): void }} ways
 */
export function remedyOf({ remedy, setting }, { symbol, focusSetting }) {
  if (!remedy) return null;
  const there =
    setting && h("button", { type: "button", class: "quiet to-setting", onclick: () => focusSetting(setting) }, `Go to ${symbol(setting)}`);
  return h("p", { class: "remedy" }, h("b", {}, "Do: "), ...prose(remedy), there);
}

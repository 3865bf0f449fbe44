// One setting as a field of the form for a new run: its name, what can be typed or chosen, and a line for what is wrong.

import { settingText } from "../state/format.js";
import { read, same, written } from "../state/setting-text.js";
import { h, setText } from "../ui/dom.js";

/** @import { Setting, SettingValue } from "../types.js" */

/**
 * @typedef {object} Field
 * @property {Setting} setting
 * @property {HTMLElement} element
 * @property {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} input
 * @property {() => { value: unknown } | { problem: string }} read
 * @property {(value: unknown) => void} show
 * @property {(problem: string | null) => void} fail
 * @property {() => boolean} isDefault whether it holds its default, as far as it can be read
 */

/**
 * @param {Setting} setting
 * @param {{ list?: string, changed(): void, extra?: HTMLElement, prefix: string, of: string }} options `list` id of a datalist; `extra` goes
 *   beside the line; `prefix` of ids; `of` what the default is
 * @returns {Field}
 */
export function createField(setting, { list, changed, extra, prefix, of }) {
  const id = `${prefix}-${setting.name}`;
  const note = h("p", { class: "field-note", id: `${id}-note` });
  const input = control(setting, { id, list, "aria-describedby": `${id}-note`, title: setting.help });
  const name = h(
    "label",
    { for: id, title: setting.help },
    setting.symbol ? `${setting.label} ` : setting.label,
    setting.symbol ? h("i", { class: "symbol" }, setting.symbol) : null,
  );
  const element = h(
    "div",
    { class: "field", "data-type": setting.type, "data-name": setting.name },
    name,
    input,
    h("div", { class: "field-foot" }, note, extra),
  );
  input.addEventListener("change", () => {
    const result = given();
    fail("problem" in result ? result.problem : null);
    changed();
  });

  if (extra) input.addEventListener("input", changed); // said while it is typed: nothing moves once something else is pressed

  const given = () => {
    if (input instanceof HTMLInputElement && input.type === "checkbox") return { value: input.checked };
    return input instanceof HTMLSelectElement ? { value: input.value } : read(setting, input.value);
  };

  const isDefault = () => {
    const result = given();
    return "value" in result && sameValue(result.value, setting.default);
  };

  /** @param {string | null} problem */
  function fail(problem) {
    if (problem) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    const shown = isDefault() ? "" : `${of} ${settingText(setting.default) || "none"}`;
    setText(note, problem ?? shown);
    note.toggleAttribute("data-problem", problem !== null);
  }

  return {
    setting,
    element,
    input,
    read: given,
    fail,
    isDefault,
    show(value) {
      if (input instanceof HTMLInputElement && input.type === "checkbox") input.checked = value === true;
      else input.value = setting.type === "choice" ? String(value) : written(setting, value);
      fail(null);
    },
  };
}

/** @param {Setting} setting @param {Record<string, unknown>} about */
function control({ type, choices, optional }, about) {
  if (type === "choice") return h("select", about, ...(choices ?? []).map((value) => h("option", { value }, settingText(value))));
  if (type === "bool") return h("input", { ...about, type: "checkbox", role: "switch" });
  if (type === "object") return h("textarea", { ...about, rows: 1, spellcheck: "false", autocomplete: "off", placeholder: "{ }" });
  const mode = type === "int" ? "numeric" : type === "float" ? "decimal" : "text";
  return h("input", { ...about, type: "text", inputmode: mode, spellcheck: "false", autocomplete: "off", placeholder: optional ? "off" : null });
}

/** @param {unknown} a @param {unknown} b */
export function sameValue(a, b) {
  if (a !== null && typeof a === "object") return JSON.stringify(a) === JSON.stringify(b);
  return same(/** @type {SettingValue} */ (a), /** @type {SettingValue} */ (b));
}

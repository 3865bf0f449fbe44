// One live setting: a slider with an editable number, a choice, or a switch.

import { NONE, rounded, settingText } from "../state/format.js";
import { same } from "../state/setting-text.js";
import { h, icon, setAttribute, setText, setVisible } from "../ui/dom.js";
import { IDEA_OF_SETTING } from "../ui/ideas.js";
import { scaleOf } from "../ui/scale.js";
import { unfold } from "./unfold.js";

/** @import { Setting, SettingValue } from "../types.js" */

const RESET = "M8 2.2a5.8 5.8 0 1 0 5.6 7.3l-1.7-.5A4 4 0 1 1 8 4v2.2l4-3.1L8 0z";

/**
 * @typedef {object} Shown
 * @property {SettingValue} value
 * @property {string} note what is to be known of a value that is not in use; empty where it is
 * @property {string} [inForce] what a schedule or the KL has made of it, as a note
 * @property {string | null} locked why it cannot be moved
 * @property {Origin | null} [origin] where it goes back to; null: nobody knows
 *
 * @typedef {{ element: HTMLElement, focus(): string | null, show(shown: Shown): void }} Control focus: says why it cannot be moved
 */

/** @typedef {{ word: string, value: SettingValue }} Origin */

/** @param {Setting} setting */
const fullName = (setting) => (setting.symbol ? `${setting.label} ${setting.symbol}` : setting.label);

/**
 * @param {Setting} setting
 * @param {Send} sent
 * @returns {Control}
 */
export function createSetting(setting, sent) {
  /** Since nobody has moved it. @type {Shown | null} */
  let shown = null;
  /** @type {Send} */
  const send = (value, final) => {
    shown = null;
    sent(value, final);
  };
  const body = setting.type === "choice" ? choice(setting, send) : setting.type === "bool" ? toggle(setting, send) : slider(setting, send);

  const id = `setting-${setting.name}`;
  const origin = h("span", {});
  const initial = h("button", { type: "button", class: "default", onclick: () => send(begin.value, true) }, icon(RESET), origin);
  const applies = h("span", { class: "applies" });
  const element = h(
    "div",
    { class: "setting", id, "data-idea": IDEA_OF_SETTING[setting.name] ?? "", "data-setting": setting.name, title: setting.help },
    ...body.parts,
    h("div", { class: "foot" }, initial, applies),
  );
  /** @type {string | null} */
  let fixed = null;
  /** @type {Origin} */
  let begin = { word: "default", value: setting.default };

  return {
    element,
    focus() {
      unfold(element);
      const first = body.input.matches(":enabled") ? body.input : element.querySelector(":is(input, select):enabled");
      /** @type {HTMLElement | null} */ (first)?.focus();
      return fixed;
    },
    show(now) {
      if (shown && alike(shown, now)) return; // as a rule: it is asked for with each moment that comes
      shown = now;
      const { value, note, inForce = "", locked, origin: from = { word: "default", value: setting.default } } = now;
      fixed = locked;
      setVisible(initial, from !== null);
      if (from) begin = from;
      setText(origin, `${begin.word} ${settingText(begin.value)}`);
      setAttribute(initial, "aria-label", `Reset ${setting.label}: ${begin.word} ${settingText(begin.value)}`);
      body.show(value, locked !== null);
      const moved = from !== null && !same(value, begin.value);
      initial.disabled = locked !== null || !moved;
      element.toggleAttribute("data-moved", moved);
      element.toggleAttribute("data-pending", note !== "");
      setAttribute(element, "title", locked ?? setting.help);
      setText(applies, note || inForce);
    },
  };
}

/** @param {Shown} a @param {Shown} b */
const alike = (a, b) =>
  a.note === b.note &&
  a.inForce === b.inForce &&
  a.locked === b.locked &&
  same(a.value, b.value) &&
  a.origin?.word === b.origin?.word &&
  same(a.origin?.value, b.origin?.value) &&
  (a.origin === null) === (b.origin === null);

/**
 * @typedef {object} Body
 * @property {HTMLElement[]} parts
 * @property {HTMLElement} input
 * @property {(value: SettingValue, locked: boolean) => void} show
 *
 * @typedef {(value: SettingValue, final: boolean) => void} Send final: false while a slider is still dragged
 */

/** @param {Setting} setting @param {Send} send @returns {Body} */
function slider(setting, send) {
  const scale = scaleOf(setting);
  const name = fullName(setting);
  const integer = setting.type === "int";
  const range = h("input", {
    type: "range",
    "aria-label": name,
    min: scale.minimum,
    max: scale.maximum,
    step: scale.step,
    "aria-description": setting.help,
    oninput: () => send(scale.value(range.valueAsNumber), false),
    onchange: () => send(scale.value(range.valueAsNumber), true),
  });
  const number = h("input", {
    type: "text",
    inputmode: integer ? "numeric" : "decimal",
    class: "number",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": `${setting.label}, as a number`,
    oninput: () => (typing = true),
    onblur: () => (number.validity.valid ? (typing = false) : restore()),
    onchange: () => commit(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape") restore();
    },
  });
  const off = setting.optional ? h("input", { type: "checkbox", role: "switch", "aria-label": `${setting.label}: on` }) : null;
  /** The value to come back to when the setting is switched on again. @type {number} */
  let last = typeof setting.default === "number" ? setting.default : scale.value((scale.minimum + scale.maximum) / 2);
  /** @type {SettingValue} */
  let current = null;
  let typing = false;
  /** @param {SettingValue} value null: it is off, or, where it cannot be, not known yet */
  const editable = (value) => (typeof value === "number" ? String(range.disabled ? rounded(value) : value) : off ? "off" : NONE);
  off?.addEventListener("change", () => send(off.checked ? last : null, true));

  function commit() {
    const value = Number(number.value.replace("−", "-").replace(",", "."));
    const allowed =
      number.value.trim() !== "" &&
      Number.isFinite(value) &&
      (!integer || Number.isInteger(value)) &&
      value >= (setting.minimum ?? -Infinity) &&
      value <= (setting.maximum ?? Infinity);
    number.setCustomValidity(
      allowed ? "" : `${setting.label} is ${integer ? "a whole number" : "a number"} from ${setting.minimum ?? "−∞"} to ${setting.maximum ?? "∞"}.`,
    );
    if (!allowed) {
      number.reportValidity();
      return;
    }
    typing = false;
    number.value = editable(value);
    send(value, true);
  }

  function restore() {
    typing = false;
    number.setCustomValidity("");
    number.value = editable(current);
  }

  return {
    parts: [h("div", { class: "head" }, title(setting), off, number), range],
    input: range,
    show(value, locked) {
      current = value;
      const isOn = typeof value === "number";
      if (isOn) last = value;
      range.disabled = number.disabled = locked || !isOn;
      if (off) {
        off.checked = isOn;
        off.disabled = locked;
      }
      const position = String(scale.position(last));
      if (range.value !== position) range.value = position;
      const fill = String((range.valueAsNumber - scale.minimum) / (scale.maximum - scale.minimum));
      if (range.style.getPropertyValue("--fill") !== fill) range.style.setProperty("--fill", fill);
      setAttribute(range, "aria-valuetext", isOn ? settingText(value) : editable(value));
      // Somebody who is typing keeps what they typed.
      if (!typing && number.value !== editable(current)) restore();
    },
  };
}

/** @param {Setting} setting @param {Send} send @returns {Body} */
function choice(setting, send) {
  const select = h(
    "select",
    { "aria-label": fullName(setting), onchange: () => send(select.value, true) },
    ...(setting.choices ?? []).map((value) => h("option", { value }, settingText(value))),
  );
  return {
    parts: [h("div", { class: "head" }, title(setting), select)],
    input: select,
    show(value, locked) {
      select.disabled = locked;
      if (select.value !== String(value)) select.value = String(value); // the browser takes every assignment for a change
    },
  };
}

/** @param {Setting} setting @param {Send} send @returns {Body} */
function toggle(setting, send) {
  const box = h("input", {
    type: "checkbox",
    role: "switch",
    "aria-label": fullName(setting),
    onchange: () => send(box.checked, true),
  });
  return {
    parts: [h("div", { class: "head" }, title(setting), box)],
    input: box,
    show(value, locked) {
      box.disabled = locked;
      box.checked = value === true;
    },
  };
}

/** @param {Setting} setting */
const title = (setting) =>
  h("span", { class: "name", "aria-hidden": "true" }, setting.label, setting.symbol ? h("i", { class: "symbol" }, setting.symbol) : null);

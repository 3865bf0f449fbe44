// A setting as it stands in a field of a form: written for somebody who edits it, and read again.

import { count, number } from "./format.js";

/** @import { Setting, SettingValue } from "../types.js" */

const OFF = new Set(["", "off", "none"]);

/**
 * @param {Setting} setting
 * @param {unknown} value
 */
export function written({ type }, value) {
  if (value === null || value === undefined) return "";
  if (type === "sizes") return /** @type {number[]} */ (value).join(", ");
  if (type === "object") return Object.keys(/** @type {object} */ (value)).length ? JSON.stringify(value) : "";
  return String(value);
}

/**
 * @param {Setting} setting of any type but choice and bool, which cannot be mistyped
 * @param {string} text
 * @returns {{ value: unknown } | { problem: string }} what was typed, or what is wrong with it
 */
export function read(setting, text) {
  const { type, optional } = setting;
  const typed = text.trim();
  if (type === "text") return { value: typed };
  if (type === "object") return object(typed);
  if (type === "sizes") return sizes(typed);
  if (optional && OFF.has(typed.toLowerCase())) return { value: null };
  const value = type === "int" ? Number(typed.replace(/[_,\s]/g, "")) : Number(typed.replace("−", "-").replace(",", "."));
  const fits = typed !== "" && Number.isFinite(value) && (type !== "int" || Number.isInteger(value));
  const inside = value >= (setting.minimum ?? -Infinity) && value <= (setting.maximum ?? Infinity);
  return fits && inside ? { value } : { problem: expected(setting) };
}

/** @param {Setting} setting */
function expected({ type, minimum, maximum, optional }) {
  const kind = type === "int" ? "A whole number" : "A number";
  const bounds = minimum === null && maximum === null ? "" : ` from ${bound(minimum, "−∞")} to ${bound(maximum, "∞")}`;
  return `${kind}${bounds}${optional ? ", or nothing for off" : ""}.`;
}

/** @param {number | null} value @param {string} none */
const bound = (value, none) => (value === null ? none : Number.isInteger(value) && Math.abs(value) < 1e13 ? count(value) : number(value));

/** @param {string} typed */
function object(typed) {
  if (typed === "") return { value: {} };
  try {
    const value = JSON.parse(typed);
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return { value };
  } catch {
    // said below
  }
  return { problem: 'A JSON object, like {"max_episode_steps": 200}.' };
}

/** @param {string} typed */
function sizes(typed) {
  const parts = typed
    .split(/[,\s]+/)
    .filter(Boolean)
    .map(Number);
  const fits = parts.length <= 16 && parts.every((size) => Number.isInteger(size) && size >= 1 && size <= 65536);
  return fits ? { value: parts } : { problem: "Up to 16 whole numbers from 1 to 65,536, like 64, 64." };
}

/**
 * Which setting the server's refusal speaks of, and what it says of each: "minibatches: 3 does not divide …".
 *
 * @param {string} message
 * @param {string[]} names of settings
 * @returns {Map<string, string>} in the order of the message; empty where it names none
 */
export function placed(message, names) {
  const start = new RegExp(`(?:^|; )(${[...names].sort((a, b) => b.length - a.length).join("|")})(?=[:. ])`, "g");
  const found = [...message.matchAll(start)];
  const parts = found.map((match, i) => /** @type {const} */ ([match[1], message.slice(match.index + match[0].length, found[i + 1]?.index)]));
  return new Map(parts.map(([name, text]) => [name, sentence(text)]));
}

/** Without the name and the value that stand in the field already. @param {string} text */
function sentence(text) {
  const [, words] = /^(?:[.\w]*| '[^']*'): (.*)$/s.exec(text) ?? ["", text.trim()];
  const begins = words === text.trim() ? words : words.charAt(0).toUpperCase() + words.slice(1);
  return `${begins}${/[.!?]$/.test(begins) ? "" : "."}`;
}

/**
 * Whether two values of a setting are the same, whatever arithmetic has left in their last digits.
 *
 * @param {SettingValue | undefined} a
 * @param {SettingValue | undefined} b
 */
export function same(a, b) {
  if (typeof a === "number" && typeof b === "number") return Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
  return (a ?? null) === (b ?? null);
}

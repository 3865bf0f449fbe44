// The view as an address: what is shown and how, and which run it was. Everything that comes in is checked; what does
// not fit is named, and the rest applies.

import { THEMES, themeName } from "./theme.js";

/** @import { Setting, SettingValue, State, ViewChoices } from "../types.js" */

/**
 * @typedef {object} Link
 * @property {Partial<ViewChoices> & { bare?: boolean }} view
 * @property {{ env?: string, seed?: number, settings: Record<string, SettingValue> }} run what the run was made with
 * @property {string[]} refused in words
 */

const CHAPTERS = 8;
const ENVIRONMENT = /^[\w./:-]{1,120}$/;

/** @param {string} name a panel's */
export const slug = (name) => name.toLowerCase().replaceAll(" ", "-");

/**
 * @param {URLSearchParams} query
 * @param {readonly string[]} panels names of all there are
 * @param {readonly Setting[]} table
 * @returns {Link}
 */
export function read(query, panels, table) {
  /** @type {Link} */
  const link = { view: {}, run: { settings: {} }, refused: [] };
  const named = (/** @type {string} */ text) => panels.find((name) => slug(name) === text);
  const refuse = (/** @type {string} */ what) => void link.refused.push(what.slice(0, 80));

  const theme = query.get("theme");
  if (theme !== null && THEMES.some((name) => name === theme)) link.view.theme = /** @type {ViewChoices["theme"]} */ (theme);
  else if (theme !== null) refuse(`theme=${theme}`);

  const shown = query.get("panels");
  if (shown !== null) {
    const order = shown.split(",").filter(Boolean);
    order.filter((text) => !named(text)).forEach((text) => refuse(`panels: ${text}`));
    const names = [...new Set(order.flatMap((text) => named(text) ?? []))];
    if (names.length) {
      link.view.order = names;
      link.view.hidden = panels.filter((name) => !names.includes(name));
    }
  }
  const maximised = query.get("max");
  if (maximised !== null && named(maximised)) link.view.maximised = named(maximised);
  else if (maximised !== null) refuse(`max=${maximised}`);

  const chapter = query.get("chapter");
  if (chapter !== null && /^\d$/.test(chapter) && Number(chapter) >= 1 && Number(chapter) <= CHAPTERS) link.view.chapter = Number(chapter) - 1;
  else if (chapter !== null) refuse(`chapter=${chapter}`);

  const controls = query.get("controls");
  if (controls === "hidden") link.view.bare = true;
  else if (controls !== null && controls !== "shown") refuse(`controls=${controls}`);

  const env = query.get("env");
  if (env !== null && ENVIRONMENT.test(env)) link.run.env = env;
  else if (env !== null) refuse(`env=${env}`);
  const seed = query.get("seed");
  if (seed !== null && /^\d{1,10}$/.test(seed)) link.run.seed = Number(seed);
  else if (seed !== null) refuse(`seed=${seed}`);
  for (const pair of query.getAll("set")) {
    const [name, text] = [pair.slice(0, pair.indexOf(":")), pair.slice(pair.indexOf(":") + 1)];
    const setting = table.find((row) => row.name === name);
    const value = setting && valueOf(setting, text);
    if (value === undefined) refuse(`set=${pair}`);
    else link.run.settings[name] = value;
  }
  return link;
}

/**
 * A setting's value from text; undefined where it does not fit.
 *
 * @param {Setting} setting
 * @param {string} text
 * @returns {SettingValue | undefined}
 */
function valueOf({ type, minimum, maximum, optional, choices }, text) {
  if (text === "off" && optional) return null;
  if (type === "bool") return text === "on" ? true : text === "off" ? false : undefined;
  if (type === "choice") return choices?.includes(text) ? text : undefined;
  if (type === "float" || type === "int") {
    const value = text.trim() === "" ? NaN : Number(text);
    const fits = Number.isFinite(value) && (type === "float" || Number.isInteger(value)) && value >= (minimum ?? -Infinity) && value <= (maximum ?? Infinity);
    return fits ? value : undefined;
  }
  return undefined; // the rest is not shared by a link
}

/** @param {Setting} setting @param {SettingValue | undefined} value */
function textOf({ type }, value) {
  if (value === null || value === undefined) return "off";
  if (type === "bool") return value ? "on" : "off";
  return String(value);
}

/**
 * The address of what is on show, without the token, which never is in it.
 *
 * @param {State} state
 * @param {readonly string[]} panels
 * @param {boolean} bare
 * @returns {URLSearchParams}
 */
export function write({ view, run, settings }, panels, bare) {
  const query = new URLSearchParams();
  query.set("theme", themeName(view.theme));
  const order = [...(view.order ?? []), ...panels.filter((name) => !view.order?.includes(name))].filter((name) => panels.includes(name) && !view.hidden.includes(name));
  if (order.join() !== panels.join()) query.set("panels", order.map(slug).join(","));
  if (view.maximised) query.set("max", slug(view.maximised));
  if (view.chapter !== null) query.set("chapter", String(view.chapter + 1));
  if (bare) query.set("controls", "hidden");
  if (run) {
    query.set("env", run.environment);
    query.set("seed", String(run.seed));
    for (const setting of settings) {
      const value = run.settings[setting.name];
      const shared = ["float", "int", "bool", "choice"].includes(setting.type) && !["env", "seed", "device", "total_steps"].includes(setting.name);
      if (shared && value !== undefined && String(value) !== String(setting.default)) query.append("set", `${setting.name}:${textOf(setting, value)}`);
    }
  }
  return query;
}

/**
 * Which of a link's wishes the run at hand does not fulfil.
 *
 * @param {Link["run"]} wanted
 * @param {State} state
 * @returns {{ env?: string, seed?: number, settings: Record<string, SettingValue> } | null} null: none
 */
export function differs({ env, seed, settings }, { run }) {
  if (!run) return null;
  const other = Object.entries(settings).filter(([name, value]) => String(run.settings[name] ?? null) !== String(value));
  const sameEnvironment = env === undefined || env === run.environment;
  const sameSeed = seed === undefined || seed === run.seed;
  return sameEnvironment && sameSeed && !other.length ? null : { env, seed, settings };
}

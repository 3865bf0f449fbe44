// The view as an address: what is shown and how, and which run it was. Everything that comes in is checked; what does
// not fit is named, and the rest applies.

import { shownOrder } from "./arrangement.js";
import { NAMED } from "./beside.js";
import { MOST } from "./looks.js";
import { onStage } from "./staging.js";
import { THEMES, themeName } from "./theme.js";
import { chosenBy } from "./view.js";
import { readSpan, written } from "./zoom.js";

/** @import { Run, Setting, SettingValue, Span, State, ViewChoices } from "../types.js" */

/**
 * @typedef {object} Wanted the run that a link was made of
 * @property {string} [env]
 * @property {number} [seed]
 * @property {Record<string, SettingValue>} settings
 *
 * @typedef {object} Link
 * @property {Partial<ViewChoices> & { bare?: boolean }} view
 * @property {Span | null} zoom
 * @property {Wanted} run
 * @property {"open" | "chart" | "multiples" | null} returns how the returns of several runs are to be compared; null: they are not
 * @property {string[]} refused in words
 */

const CHAPTERS = 8;
const ENVIRONMENT = /^[\w./:-]{1,120}$/;
const LONGEST = 80; // characters of what is named in a notice
/** Of settings; the others are lists or words that a link cannot be held to. */
const SHARED = ["float", "int", "bool", "choice"];
/** Have a name of their own, or belong to the machine and to the session. */
const APART = ["env", "seed", "device", "total_steps"];

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
  const link = { view: {}, zoom: null, run: { settings: {} }, returns: null, refused: [] };
  const named = (/** @type {string} */ text) => panels.find((name) => slug(name) === text);
  const refuse = (/** @type {string} */ what) => void link.refused.push(what.slice(0, LONGEST));
  /** Names of the panels in a list of theirs; what is none is said. @param {string} key @param {string} text */
  const listed = (key, text) => {
    const slugs = text.split(",").filter(Boolean);
    slugs.filter((one) => !named(one)).forEach((one) => refuse(`${key}: ${one}`));
    return slugs.flatMap((one) => named(one) ?? []);
  };

  /** What each name takes; false where a value does not fit. @type {Record<string, (text: string) => boolean>} */
  const readers = {
    theme(text) {
      const theme = THEMES.find((name) => name === text);
      if (theme) link.view.theme = theme;
      return theme !== undefined;
    },
    panels(text) {
      const names = [...new Set(listed("panels", text))];
      if (names.length) Object.assign(link.view, { order: names, hidden: panels.filter((name) => !names.includes(name)) });
      return true;
    },
    stage(text) {
      const names = listed("stage", text);
      if (names.length) Object.assign(link.view, { layout: "stage", stage: names });
      return true;
    },
    max(text) {
      link.view.maximised = named(text);
      return named(text) !== undefined;
    },
    chapter(text) {
      const fits = /^\d$/.test(text) && Number(text) >= 1 && Number(text) <= CHAPTERS;
      if (fits) link.view.chapter = Number(text) - 1;
      return fits;
    },
    updates(text) {
      link.zoom = readSpan(text);
      return link.zoom !== null;
    },
    controls(text) {
      link.view.bare = text === "hidden";
      return text === "hidden" || text === "shown";
    },
    env(text) {
      if (ENVIRONMENT.test(text)) link.run.env = text;
      return ENVIRONMENT.test(text);
    },
    seed(text) {
      const row = table.find(({ name }) => name === "seed");
      const value = row && valueOf(row, text);
      if (typeof value === "number") link.run.seed = value;
      return typeof value === "number";
    },
    set(pair) {
      const [name, text] = [pair.slice(0, pair.indexOf(":")), pair.slice(pair.indexOf(":") + 1)];
      const setting = table.find((row) => row.name === name && isShared(row));
      const value = setting && valueOf(setting, text);
      if (value !== undefined) link.run.settings[name] = value;
      return value !== undefined;
    },
    returns(text) {
      link.returns = text === "open" || text === "chart" || text === "multiples" ? text : null;
      return link.returns !== null;
    },
    recording: () => true, // read before, by whoever loads it
    /** As well; what has no place beside the run at hand is said. */
    beside(text) {
      const unfit = (/** @type {string} */ one, /** @type {number} */ at) => one !== "" && (at + 1 >= MOST || !NAMED.test(one));
      text.split(",").forEach((one, at) => unfit(one, at) && refuse(`beside: ${one}`));
      return true;
    },
  };
  for (const [name, text] of query) {
    if (!Object.hasOwn(readers, name) || !readers[name](text)) refuse(`${name}=${text}`);
  }
  return link;
}

/** @param {Setting} setting */
const isShared = ({ name, type }) => SHARED.includes(type) && !APART.includes(name);

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
  const value = /^[-+.\d]/.test(text) ? Number(text) : NaN;
  const fits =
    Number.isFinite(value) && (type === "float" || Number.isInteger(value)) && value >= (minimum ?? -Infinity) && value <= (maximum ?? Infinity);
  return fits ? value : undefined;
}

/** @param {Setting} setting @param {SettingValue | undefined} value */
function textOf({ type }, value) {
  if (value === null || value === undefined) return "off";
  if (type === "bool") return value ? "on" : "off";
  return String(value);
}

/**
 * The view as a query. What is as usual is left out.
 *
 * @param {ViewChoices} choices
 * @param {readonly string[]} panels
 * @param {string | null} beside the runs that are compared, as `createCompanions` names them
 * @param {Span | null} zoom
 * @returns {URLSearchParams}
 */
export function writeView(choices, panels, beside, zoom) {
  const view = chosenBy(choices);
  const query = new URLSearchParams();
  if (view.theme !== "system") query.set("theme", view.theme);
  const shown = shownOrder(panels, view);
  if (shown.join() !== panels.join() && shown.length) query.set("panels", shown.map(slug).join(","));
  if (view.maximised && panels.includes(view.maximised)) query.set("max", slug(view.maximised));
  const staged = onStage(panels, view);
  if (staged.length) query.set("stage", staged.map(slug).join(","));
  if (view.chapter !== null) query.set("chapter", String(view.chapter + 1));
  if (zoom) query.set("updates", written(zoom));
  if (beside !== null) query.set("beside", beside);
  return query;
}

/**
 * The run as a query: its environment, its seed, and the settings that are not as usual.
 *
 * @param {Run} run
 * @param {readonly Setting[]} table
 * @returns {URLSearchParams}
 */
export function writeRun(run, table) {
  const query = new URLSearchParams({ env: run.environment, ...(run.seed === null ? {} : { seed: String(run.seed) }) });
  for (const setting of table.filter(isShared)) {
    const value = run.settings[setting.name];
    if (value !== undefined && String(value) !== String(setting.default)) query.append("set", `${setting.name}:${textOf(setting, value)}`);
  }
  return query;
}

/**
 * The address of what is on show, for others. The token is never in it.
 *
 * @param {State} state
 * @param {readonly string[]} panels
 * @param {{ bare: boolean, recording: string | null, beside: string | null }} how
 * @returns {URLSearchParams}
 */
export function write({ view, zoom, run, settings }, panels, { bare, recording, beside }) {
  // Whoever opens it has another system, whose theme may be another one.
  const query = writeView({ ...view, theme: themeName(view.theme) }, panels, beside, zoom);
  if (bare) query.set("controls", "hidden");
  if (recording !== null) query.set("recording", recording);
  else if (run) writeRun(run, settings).forEach((value, name) => query.append(name, value));
  return query;
}

/**
 * Which of a link's wishes the run at hand does not fulfil. A link that names an environment means a whole run: what it
 * does not name is as usual.
 *
 * @param {Wanted} wanted
 * @param {Pick<State, "run" | "settings">} state
 * @returns {Wanted | null} only what differs; null: nothing does
 */
export function differs({ env, seed, settings }, { run, settings: table }) {
  if (!run) return null;
  const usual = env === undefined ? [] : table.filter(isShared).map((setting) => [setting.name, setting.default]);
  const all = { ...Object.fromEntries(usual), ...settings };
  const other = Object.entries(all).filter(([name, value]) => name in run.settings && String(run.settings[name] ?? null) !== String(value));
  /** @type {Wanted} */
  const found = { settings: Object.fromEntries(other) };
  if (env !== undefined && env !== run.environment) found.env = env;
  if (seed !== undefined && seed !== run.seed) found.seed = seed;
  return found.env === undefined && found.seed === undefined && !other.length ? null : found;
}

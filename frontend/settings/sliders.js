// The settings that may change while the run goes on, built from the server's table.

import { isOver } from "../state/ended.js";
import { count, number, settingText } from "../state/format.js";
import { PREVIEWED, valuesInUse } from "../state/previewed.js";
import { same } from "../state/setting-text.js";
import { lastSetTo, setTo } from "../state/used.js";
import { instead } from "../state/whole.js";
import { h, setHidden } from "../ui/dom.js";
import { fixedInShort, whyFixed, whyNot } from "../state/permission.js";
import { outOfPlace, previewable, whyIdle } from "./reach.js";
import { createSetting } from "./setting.js";
import { unfold } from "./unfold.js";

/** @import { Preview, Setting, SettingValue, State } from "../types.js" */
/** @import { Control, Origin } from "./setting.js" */

const FIRST = ["clip_range", "kl_coef", "value_coef", "entropy_coef", "learning_rate"];
const FIXED = "It is the same for a whole run: begin a new one with another value.";
/** Of what is previewed. @type {ReadonlySet<string>} */
const MAY_BE_OFF = new Set(["clip_range_high", "ratio_cap"]);
const PACE = 100; // milliseconds between two values sent while a slider is dragged

/**
 * @param {HTMLElement} root
 * @param {(name: string, value: SettingValue) => Promise<void>} set
 * @param {() => void} redraw
 * @param {(values: Preview | null) => void} preview told what the batch on show is to be previewed with, when that changes
 */
export function createSliders(root, set, redraw, preview) {
  /** @type {Map<string, Control>} */
  const controls = new Map();
  /** What this page asked for and the trainer does not use yet. @type {Map<string, SettingValue>} */
  const wanted = new Map();
  /** What is tried on a moment of the past, and never sent. @type {Map<string, SettingValue>} */
  const tried = new Map();
  let past = false;
  const fixedList = h("dl", { class: "fixed" });
  /** @type {Setting[]} */
  let built = [];

  /** @param {Setting[]} settings */
  function build(settings) {
    built = settings;
    const live = settings.filter((setting) => setting.live);
    for (const setting of live) controls.set(setting.name, createSetting(setting, mover(setting.name)));
    const element = (/** @type {Setting} */ setting) => /** @type {Control} */ (controls.get(setting.name)).element;
    root.replaceChildren(
      h("h2", { class: "visually-hidden" }, "Settings"),
      ...live
        .filter(({ name }) => FIRST.includes(name))
        .sort(byPlace)
        .map(element),
      h("details", { class: "more" }, h("summary", {}, "More settings"), ...live.filter(({ name }) => !FIRST.includes(name)).map(element)),
      h("details", { class: "more" }, h("summary", {}, "Fixed for this run"), fixedList),
    );
  }

  /** @param {string} name */
  function mover(name) {
    const send = paced((value) => {
      set(name, value).catch(() => {
        wanted.delete(name); // refused: back to what the trainer uses
        redraw();
      });
    });
    return (/** @type {SettingValue} */ value, /** @type {boolean} */ final) => {
      (past ? tried : wanted).set(name, value);
      if (past) return redraw();
      redraw();
      send(value, final);
    };
  }

  /** @param {State} state */
  function draw(state) {
    if (state.settings !== built) build(state.settings);
    past = state.past !== null;
    if (!past) tried.clear();
    const moved = past ? drawPast(state) : drawPresent(state);
    showPreview(instead(state) ?? state, moved);
    drawFixed(state);
  }

  /** @param {State} state @returns {Map<string, SettingValue>} what is not in use yet */
  function drawPresent(state) {
    const locked = whyNot(state, "set");
    if (locked !== null) wanted.clear(); // whoever leads now decides
    const chosen = (/** @type {string} */ name) => comingOf(state, name);
    const away = outOfPlace(chosen, isApart(state));
    const next = (state.newest?.header.update ?? state.run?.update ?? 0) + 1;
    /** @type {Map<string, SettingValue>} */
    const moved = new Map();
    for (const [name, control] of controls) {
      const used = inUse(state, name);
      if (wanted.has(name) && same(wanted.get(name), used)) wanted.delete(name);
      const pending = waiting(state, name);
      const differs = pending !== undefined && !same(pending, used);
      if (differs) moved.set(name, pending ?? null);
      setHidden(control.element, name === away || isUntold(state, name));
      control.show({
        value: (differs ? pending : used) ?? null,
        note: differs ? `applies from update ${next}` : "",
        inForce: inForce(state, name, used) || (whyFixed(state, name) ? fixedInShort(state, name) : ""),
        locked: locked ?? whyFixed(state, name) ?? whyIdle(name, chosen, isApart(state)),
        origin: originOf(state, name),
      });
    }
    return moved;
  }

  /** What is asked for and not in use yet. @param {State} state @param {string} name */
  function waiting(state, name) {
    const waits = isOver(state) ? undefined : state.status?.pending?.[name]; // of a run that is over there is no next update
    return wanted.has(name) ? wanted.get(name) : waits;
  }

  /** What the next update is to be made with. @param {State} state @param {string} name */
  function comingOf(state, name) {
    const pending = waiting(state, name);
    return pending === undefined ? inUse(state, name) : pending;
  }

  /** All as the moment on show was made with: what is moved there previews that moment, for everybody. @param {State} state @returns {Map<string, SettingValue>} what is tried */
  function drawPast(state) {
    const chosen = (/** @type {string} */ name) => inUse(state, name);
    const away = outOfPlace(chosen, isApart(state));
    const noMore = `The past is on show. Go back to Live to change the run; ${previewable(chosen("objective"))} can be tried here, as a preview.`;
    for (const [name, control] of controls) {
      const used = inUse(state, name);
      if (same(tried.get(name), used)) tried.delete(name);
      const value = tried.get(name) ?? used ?? null;
      const previews = PREVIEWED.some((other) => other === name);
      setHidden(control.element, name === away || isUntold(state, name));
      control.show({
        value,
        note: tried.has(name) ? "preview only" : "",
        locked: previews ? whyIdle(name, chosen, isApart(state)) : noMore,
        origin: originOf(state, name),
      });
    }
    return tried;
  }

  /** @param {State} state @param {Map<string, SettingValue>} moved what is not in use yet */
  function showPreview({ snapshot, preview: shown }, moved) {
    const used = snapshot && valuesInUse(snapshot);
    // β of a batch that was made without a penalty could not be compared with anything.
    const chosen = PREVIEWED.filter((name) =>
      MAY_BE_OFF.has(name) ? moved.has(name) : typeof moved.get(name) === "number" && used?.[name] !== null,
    );
    const values = used && chosen.length ? { ...used, ...Object.fromEntries(chosen.map((name) => [name, moved.get(name)])) } : null;
    if (PREVIEWED.some((name) => values?.[name] !== shown?.[name])) preview(/** @type {Preview | null} */ (values));
  }

  /** @param {State} state */
  function drawFixed({ run, settings }) {
    const rows = settings.filter(({ live, name }) => !live && run && name in run.settings);
    const wrappers = run?.wrappers;
    const text = [...rows.map(({ name, label }) => `${label}\u0000${valueText(run?.settings[name])}`), ...(wrappers ?? [String(wrappers)])].join(
      "\u0001",
    );
    if (fixedList.dataset.shown === text) return;
    fixedList.dataset.shown = text;
    fixedList.replaceChildren(
      ...rows.flatMap(({ name, label, help }) => [h("dt", { title: help }, label), h("dd", {}, valueText(run?.settings[name]))]),
      ...(wrappers === undefined ? [] : listed(wrappers)),
    );
  }

  return {
    draw,
    /** Brings a setting into view. @param {string} name @returns {string | null} why it cannot be moved there */
    focus(name) {
      const control = controls.get(name);
      if (control && !control.element.hidden) return control.focus();
      if (control) return "This run has not told that setting.";
      unfold(fixedList);
      return FIXED;
    },
    /** A new run begins with its own settings. */
    forget() {
      wanted.clear();
      tried.clear();
      redraw();
    },
  };
}

/**
 * The value that the run uses now: sliders are about what comes. Of a recording, and of the past, nothing comes, so there
 * it is the one of the moment on show.
 *
 * @param {State} state
 * @param {string} name
 */
function inUse(state, name) {
  const { snapshot, run, recorded, past } = state;
  if (!recorded && !past) return lastSetTo(state, name);
  const header = snapshot?.header;
  const used = past ? header?.settings?.[name] : setTo(header, name);
  return used !== undefined ? used : run?.settings[name];
}

/** Whether β weighs the KL to a reference policy, beside the clip: a loop that is not ours tells it so. @param {State} state */
const isApart = ({ run }) => run?.attached !== undefined && run.settings.objective !== "kl_penalty" && "kl_coef" in run.settings;

/** Of a loop that is not ours our defaults mean nothing: it began with its own. @param {State} state @param {string} name @returns {Origin | null | undefined} */
function originOf({ run }, name) {
  if (!run?.attached) return run ? undefined : null;
  const value = run.attached.began?.[name];
  return value === undefined ? null : { word: "began at", value };
}

/** Whether the run's loop is not ours and has not said what it has there. @param {State} state @param {string} name */
const isUntold = ({ run }, name) => run?.attached !== undefined && !(name in run.settings);

/** What a schedule or the KL has made of a setting; nothing where it is as it was set. @param {State} state @param {string} name @param {SettingValue | undefined} set */
function inForce({ newest, snapshot, recorded }, name, set) {
  const header = (recorded ? snapshot : newest)?.header;
  const now = name === "learning_rate" ? header?.scalars?.learning_rate : header?.settings?.[name];
  return typeof now === "number" && typeof set === "number" && now > 0 && !same(now, set) ? `in force: ${number(now)}` : "";
}

/** What is at work on the environment. @param {string[] | null} wrappers from the inside out; null: they are not known yet */
function listed(wrappers) {
  const about = "All that stands between the bare environment and the training, from the inside out";
  const list = wrappers?.length ? h("ol", {}, ...wrappers.map((name) => h("li", {}, name))) : wrappers ? "nothing" : "known once the run has started";
  return [h("dt", { class: "wide", title: about }, "At work on the environment"), h("dd", { class: "wide wrappers" }, list)];
}

/** @param {SettingValue | undefined} value */
const valueText = (value) =>
  value === null || value === undefined || value === "" ? "none" : typeof value === "number" ? count(value) : settingText(value);

/** @param {Setting} a @param {Setting} b */
const byPlace = (a, b) => FIRST.indexOf(a.name) - FIRST.indexOf(b.name);

/**
 * Sends at most every `PACE` milliseconds while a slider is dragged, and always the value it was left at.
 *
 * @param {(value: SettingValue) => void} send
 * @returns {(value: SettingValue, final: boolean) => void}
 */
function paced(send) {
  let sentAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  return (value, final) => {
    clearTimeout(later);
    const now = () => {
      sentAt = performance.now();
      send(value);
    };
    const wait = final ? 0 : sentAt + PACE - performance.now();
    if (wait <= 0) now();
    else later = setTimeout(now, wait);
  };
}

// The bar: which run this is, and what to do with it.

import { standing } from "../state/awaited.js";
import { createConfirm } from "../ui/confirm.js";
import { h, icon, setAttribute, setHidden, setText } from "../ui/dom.js";
import { needsExplaining, HELD, losesTraining, lossInWords, PAUSES, whyNoControl } from "../state/permission.js";
import { createAlarm } from "./alarm.js";
import { createPacing } from "./pacing.js";
import { inParts, titleOf } from "../state/called.js";
import { runState } from "../state/ended.js";
import { count } from "../state/format.js";
import { runsOn } from "../state/motion.js";
import { standsInWords } from "../state/stands.js";
import { themeAfter } from "../state/theme.js";

/** @import { State, Theme } from "../types.js" */
/** @import { PacingChoices } from "./pacing.js" */
/** @import { Action } from "../state/permission.js" */

const ICONS = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
  step: "M3 2.5v11l7-5.5zM11 2.5h2.5v11H11z",
  back: "M13 2.5v11L6 8zM2.5 2.5H5v11H2.5z",
  restart: "M8 2.2a5.8 5.8 0 1 0 5.6 7.3l-1.7-.5A4 4 0 1 1 8 4v2.2l4-3.1L8 0z",
  newRun: "M7 2h2v5h5v2H9v5H7V9H2V7h5z",
  light:
    "M8 4.6A3.4 3.4 0 1 1 8 11.4 3.4 3.4 0 0 1 8 4.6zM7.3 0h1.4v2.8H7.3zm0 13.2h1.4V16H7.3zM0 7.3h2.8v1.4H0zm13.2 0H16v1.4h-2.8zM2 3l1-1 2 2-1 1zm9 9 1-1 2 2-1 1zM2 13l2-2 1 1-2 2zm9-9 2-2 1 1-2 2z",
  picture:
    "M5.6 2h4.8l1.2 2H15v10H1V4h3.4zM2.6 5.6v6.8h10.8V5.6zM8 6.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6zm0 1.5a1.3 1.3 0 1 0 0 2.6 1.3 1.3 0 0 0 0-2.6z",
  share: "M11 1.5 15 5l-4 3.5V6.4C7.6 6.4 5.4 7.4 4 10c.2-4 2.6-6.4 7-6.6zM2 7h1.6v6h8.8v-2.4H14v4H2z",
  projector: "M1 3h14v8.5H9.6l1.6 3H9.5l-1.5-3-1.5 3H4.8l1.6-3H1zM2.6 4.6v5.3h10.8V4.6z",
  dark: "M6.2 1.2A7 7 0 1 0 14.8 9.8 5.6 5.6 0 0 1 6.2 1.2z",
};

const CONNECTIONS = {
  connecting: "connecting…",
  open: "connected",
  lost: "connection lost",
  outdated: "reload the page",
};

const QUIET = "no sign of life";

/**
 * @typedef {object} BarActions
 * @property {() => void} play
 * @property {() => void} pause
 * @property {() => void} step
 * @property {() => void} back
 * @property {() => void} restart
 * @property {() => void} newRun
 * @property {() => void} toggleTheme
 * @property {() => void} help
 * @property {() => void} guide
 * @property {() => void} health
 * @property {(setting: string) => void} focusSetting
 * @property {() => void} picture
 * @property {() => void} share
 * @property {(choices: Partial<PacingChoices>) => void} choosePacing
 * @property {(action: Action) => { possible: boolean, words: string | null }} permits of all runs on show; what one of them cannot do is said
 */

/**
 * @param {HTMLElement} root
 * @param {State} state
 * @param {BarActions} actions
 * @param {HTMLElement} runs which run this is, and the way to the others
 */
export function createBar(root, state, actions, runs) {
  const pacing = createPacing(state.view, actions.choosePacing);

  /** @type {Record<"play" | "pause" | "step" | "restart", { button: HTMLButtonElement, title: string }>} */
  const buttons = {
    play: button("play", "Play", "Train on, at the speed chosen beside (Space)", actions.play),
    pause: button("pause", "Pause", "Stop after the phase at hand, or once the rollout at hand is whole (Space)", actions.pause),
    step: button("step", "Step", "Go one step further (→)", actions.step),
    restart: button("restart", "Restart", "Begin a new run with these settings and the same seed", () =>
      losesTraining(state) ? confirm.toggle() : actions.restart(),
    ),
  };

  const back = button("back", "Back", "Look at the step before, of those that are kept (←)", actions.back);
  const another = button("newRun", "New run", "Begin another run: an environment, or a lesson", actions.newRun);

  const confirm = createConfirm(buttons.restart.button, {
    question: () => `Begin again with untrained weights? ${lossInWords(state)}`,
    yes: "Restart the run",
    no: "Keep this run",
    action: actions.restart,
  });

  const state_ = h("span", { class: "run-state" });
  const update = h("span", { class: "run-update" });
  const link = h("span", { class: "connection" });
  const theme = h("button", { type: "button", class: "quiet square by-key", onclick: actions.toggleTheme });

  const help = h(
    "button",
    { type: "button", class: "quiet square by-key", "aria-label": "Help", title: "Help and shortcuts (?)", onclick: actions.help },
    "?",
  );
  const tools = h(
    "div",
    { class: "tools" },
    h(
      "button",
      {
        type: "button",
        class: "quiet square",
        "aria-label": "Save a picture of the page",
        title: "Save a picture of the whole page",
        onclick: actions.picture,
      },
      icon(ICONS.picture),
    ),
    h(
      "button",
      { type: "button", class: "quiet square", "aria-label": "Share", title: "Share this view as a link", onclick: actions.share },
      icon(ICONS.share),
    ),
    h(
      "button",
      { type: "button", class: "guide-opener", title: "Eight short chapters, on your run or on recorded examples (g)", onclick: actions.guide },
      "Guide",
    ),
    theme,
    help,
  );
  const whole = h("a", { class: "whole-page", target: "_blank", rel: "noopener", hidden: true }, "Open the whole page");
  const alarm = createAlarm(state, actions);

  root.append(
    h("h1", { class: "product" }, "PPO ", h("span", {}, "Scope")),
    // Before all that comes and goes or grows, so that no button moves from under the pointer.
    h(
      "div",
      { class: "transport", role: "group", "aria-label": "Training" },
      buttons.play.button,
      buttons.pause.button,
      pacing.speed,
      back.button,
      h("span", { class: "stepper" }, buttons.step.button, pacing.size),
      pacing.until,
      h("span", { class: "restarter" }, buttons.restart.button, confirm.element),
      another.button,
    ),
    runs,
    alarm.root,
    h("p", { class: "now" }, state_, update),
    h("p", { class: "link" }, link),
    whole,
    tools,
  );

  // What sticks below it has to know where it ends: in narrow windows it has two rows.
  new ResizeObserver(() => document.documentElement.style.setProperty("--bar", `${root.offsetHeight}px`)).observe(root);

  /** @param {State} state */
  function draw(state) {
    drawRun(state);
    for (const [action, { button, title }] of Object.entries(buttons)) {
      const { possible, words } = actions.permits(/** @type {Action} */ (action));
      setDisabled(button, !possible);
      setAttribute(button, "title", possible && words ? `${title}. ${words}` : (words ?? title));
    }
    const pausing = state.status?.state === "running" && state.status.pausing === true;
    setText(/** @type {Element} */ (buttons.pause.button.lastElementChild), pausing ? "Pausing" : "Pause");
    setAttribute(buttons.pause.button, "aria-label", pausing ? PAUSES : "Pause");
    const started = (state.snapshot?.header.update ?? 0) > 0;
    setDisabled(back.button, !started || state.held !== null);
    setAttribute(back.button, "title", state.held ? HELD : back.title);
    pacing.draw(state);
    alarm.draw();
    const reason = whyNoControl(state);
    setDisabled(another.button, reason !== null);
    setAttribute(another.button, "title", reason ?? another.title);
    // The banner that explains the end has the button then.
    buttons.restart.button.style.visibility = needsExplaining(state) && !losesTraining(state) ? "hidden" : "";
    giveBack();
    if (!losesTraining(state) || buttons.restart.button.disabled) confirm.close();
    setText(link, state.connection.quiet ? QUIET : CONNECTIONS[state.connection.state]);
    setAttribute(link, "data-connection", state.connection.quiet ? "quiet" : state.connection.state);
  }

  /** @param {State} state */
  function drawRun(state) {
    const { run, snapshot, connection } = state;
    const now = runState(state);
    const connected = connection.state === "open" && !connection.quiet;
    const title = run ? `${titleOf({ ...run, environment: inParts(run.environment ?? "").id })} · PPO Scope` : "PPO Scope";
    if (document.title !== title) document.title = title;
    const word = now === "running" && state.status?.pausing ? "pausing" : standsInWords(state) || standing(state);
    setText(state_, word ? (connected ? word : `was ${word}`) : "");
    setAttribute(state_, "data-state", connected && now ? now : "unknown");
    setText(update, `update ${count(snapshot?.header.update ?? run?.update ?? null)}`);
  }

  /** Who has the focus in place of Restart, for as long as a new run is tried out and starts. @type {HTMLButtonElement | null} */
  let standIn = null;

  // The button that became useless hands the focus to its counterpart, so that the keyboard stays where it was.
  /** @param {HTMLButtonElement} button @param {boolean} disabled */
  function setDisabled(button, disabled) {
    if (button.disabled === disabled) return;
    const focused = document.activeElement === button;
    button.disabled = disabled;
    if (!focused || !disabled) return;
    const other = [counterpartOf(button), back.button, help].find(isPossible);
    if (!other) return;
    other.disabled = false;
    other.focus();
    if (button === buttons.restart.button || button === standIn) standIn = other;
  }

  /** Restart can be pressed and seen again: the focus goes back there, unless it has been taken elsewhere. */
  function giveBack() {
    const restart = buttons.restart.button;
    if (standIn && document.activeElement === standIn && !restart.disabled) restart.focus(); // what is hidden does not take it
    if (document.activeElement !== standIn) standIn = null;
  }

  /** Whether it is to be pressed, whatever was last drawn: of a run that has died neither Play nor Pause is. @param {HTMLButtonElement} button */
  function isPossible(button) {
    const action = Object.entries(buttons).find(([, one]) => one.button === button)?.[0];
    return action ? actions.permits(/** @type {Action} */ (action)).possible : !button.disabled;
  }

  /** Where a recording ends, to go on pressing Enter must not play it from its start. @param {HTMLButtonElement} button */
  function counterpartOf(button) {
    if (button === buttons.step.button && !runsOn(state)) return back.button;
    return button === buttons.play.button ? buttons.pause.button : buttons.play.button;
  }

  /** @param {Theme["name"]} name */
  function showTheme(name) {
    const other = themeAfter(name);
    theme.replaceChildren(icon(ICONS[other]));
    theme.setAttribute("aria-label", `Switch to the ${other} theme`);
    theme.title = `Switch to the ${other} theme (t)`;
  }

  return {
    draw,
    showTheme,
    /** Others add to them. */
    tools,
    /** The way out of an embedded page; null where this is the whole one. @param {string | null} address */
    setWholePage(address) {
      setHidden(whole, address === null);
      if (address !== null) setAttribute(whole, "href", address);
    },
  };
}

/**
 * @param {keyof typeof ICONS} name
 * @param {string} label
 * @param {string} title
 * @param {() => void} onclick
 */
function button(name, label, title, onclick) {
  const element = h("button", { type: "button", class: `action ${name}`, title, onclick }, icon(ICONS[name]), h("span", {}, label));
  return { button: element, title };
}

// Notices: who leads, whether the server is there, and how a run ended when it ended badly.

import { whyNothing } from "../state/awaited.js";
import { isOver, runState } from "../state/ended.js";
import { count, settingText } from "../state/format.js";
import { anewInWords, begunAnew } from "../state/lineage.js";
import { differs } from "../state/link.js";
import { runsOn } from "../state/motion.js";
import { createNewcomers, newcomerInWords } from "../state/newcomers.js";
import { createConfirm } from "../ui/confirm.js";
import { createCopyable } from "../ui/copyable.js";
import { h, setHidden, setText } from "../ui/dom.js";
import { losesTraining, lossInWords, needsExplaining, RECORDED, WATCHING, whoLeads, whyNot, whyNotBeside } from "../state/permission.js";
import { createTrial } from "./trial.js";

/** @import { Cause, RunState, State } from "../types.js" */

const NOT_KEPT = "It is written once the disk takes it; until then, what is known of it goes with the server.";
const UNWRITTEN = "What can wait in memory is written as soon as it does, states to go back to are left out.";
/** Where the server gave no cause, what is certain. @type {Record<string, string>} */
const WITHOUT_CAUSE = {
  failed: "The run failed.",
  killed: "The training process was killed.",
  out_of_memory: "The training process ran out of memory.",
  stalled: "The training process does not answer.",
  stopped: "The run was stopped.",
  deleted: "The run has been deleted.",
};

/**
 * @typedef {object} NoticeActions
 * @property {() => void} takeControl
 * @property {() => void} restart
 * @property {(wanted: NonNullable<State["wanted"]>) => void} begin
 * @property {(wanted: NonNullable<State["wanted"]>) => void} adopt
 * @property {() => void} keep
 * @property {() => void} showNew the run of a server that was started anew
 * @property {(run: string) => void} open another run of the server
 * @property {() => void} cancel a run that is tried out
 * @property {() => void} dismiss what was said of one that was refused
 * @property {(run: string) => void} goOn with one that has ended, from what was kept of it
 * @property {(run: string) => Promise<number | null>} resumesAt before which update it would; null: nothing is kept
 */

/**
 * @param {HTMLElement} root
 * @param {State} state
 * @param {NoticeActions} actions
 */
export function createNotices(root, state, { takeControl, restart, begin, adopt, keep, showNew, open, cancel, dismiss, goOn, resumesAt }) {
  const lost = h("p", { class: "notice floating", role: "status" });
  const outdated = h(
    "p",
    { class: "notice floating", role: "status" },
    "The server is of another version than this page. ",
    h("button", { type: "button", onclick: () => location.reload() }, "Reload the page"),
  );
  const watching = h("p", { class: "notice" }, WATCHING);
  const unwritten = h("p", { class: "notice", role: "status" });
  const leader = h("span", {});
  const led = h("p", { class: "notice floating" }, leader, h("button", { type: "button", onclick: takeControl }, "Take control"));
  const summary = h("h2", {});
  const remedy = h("p", {});
  const trace = h("pre", { tabindex: 0, "aria-label": "Details" });
  const detail = h("details", {}, h("summary", {}, "Details"), trace);
  const lines = createCopyable("Lines that show the script");
  const again = h("button", { type: "button", class: "primary", onclick: restart }, "Restart");
  const onward = h("button", { type: "button", class: "primary", onclick: () => state.run && goOn(state.run.id) }, "Go on");
  const banner = h(
    "div",
    { class: "banner", role: "alert" },
    h("div", {}, summary, remedy, lines.element, detail),
    h("div", { class: "banner-ways" }, onward, again),
  );
  /** Of the run that ended, once it was asked for. @type {{ run: string, resumesAt: number | null } | null} */
  let kept = null;
  const asks = h("span", {});
  const beginButton = h("button", { type: "button", onclick: () => (losesTraining(state) ? confirm.toggle() : answer(begin)) }, "Begin this run");
  const confirm = createConfirm(beginButton, { question: () => lossInWords(state), yes: "End this run", no: "Keep it", action: () => answer(begin) });
  const adoptButton = h("button", { type: "button", onclick: () => answer(adopt) }, "Set in the run at hand");
  const keepButton = h("button", { type: "button", onclick: () => answer(null) }, "Keep the run at hand");
  const offer = h(
    "div",
    { class: "notice offer", role: "status" },
    asks,
    h("span", {}, h("span", { class: "beginner" }, beginButton, confirm.element), adoptButton, keepButton),
  );
  const anew = h("span", {});
  const showButton = h("button", { type: "button", class: "primary", onclick: showNew }, "Show the new run");
  const held = h("p", { class: "notice floating", role: "status" }, anew, showButton);
  const episodes = h("span", {});
  const begun = h("p", { class: "notice floating", role: "status" }, episodes, h("button", { type: "button", onclick: readBegun }, "Dismiss"));
  /** The runs of whose new episodes somebody has read. @type {Set<string>} */
  const read = new Set();
  const newcomers = createNewcomers();
  const came = h("span", {});
  const newcomer = h(
    "p",
    { class: "notice floating", role: "status" },
    came,
    h("button", { type: "button", class: "primary", onclick: () => newcomer.dataset.run && open(newcomer.dataset.run) }, "Show it"),
    h("button", { type: "button", onclick: passNewcomer }, "Dismiss"),
  );
  const trial = createTrial({ cancel, dismiss });
  trial.element.classList.add("notice", "floating");
  root.append(lost, outdated, held, watching, unwritten, led, offer, banner, begun, newcomer, trial.element);
  for (const element of [lost, outdated, held, watching, unwritten, led, offer, banner, begun, newcomer]) element.hidden = true;
  /** @type {State["wanted"]} */
  let wanted = null;

  function readBegun() {
    read.add(nameOfBegun(state));
    setHidden(begun, true);
  }

  function passNewcomer() {
    newcomers.pass(state);
    setHidden(newcomer, true);
  }

  /** @param {((wanted: NonNullable<State["wanted"]>) => void) | null} action */
  function answer(action) {
    if (wanted) action?.(wanted);
    keep();
  }

  /** @param {State} state */
  function draw(state) {
    const { state: connection, quiet } = state.connection;
    setHidden(lost, connection !== "lost" && !quiet);
    if (!lost.hidden) setText(lost, lostText(state));
    setHidden(outdated, connection !== "outdated");
    setHidden(held, state.held === null || connection !== "open");
    if (!held.hidden) setText(anew, heldText(state));
    setHidden(showButton, !state.held?.run);
    // Whoever has first to be shown the new run learns then what may be done to it.
    const leads = connection === "open" && state.held === null;
    setHidden(watching, !leads || state.role !== "viewer");
    if (!watching.hidden) setText(watching, state.recorded ? (state.note ?? RECORDED) : WATCHING);
    setHidden(unwritten, !state.run?.unwritten);
    if (!unwritten.hidden) setText(unwritten, unwrittenText(state));
    const another = leads && state.run && state.role === "controller" ? whoLeads(state) : null;
    setHidden(led, another === null);
    if (another) setText(leader, `${another} `);
    drawOffer(state);
    drawBanner(state);
    trial.draw(state, state.trial?.place === "page" ? state.trial : null);
    const fresh = begunAnew(state.run);
    const above = [lost, outdated, held, led, trial.element].some((other) => !other.hidden); // where it would lie, too
    setHidden(begun, fresh === null || isOver(state) || above || read.has(nameOfBegun(state)));
    if (!begun.hidden) setText(episodes, `${anewInWords(fresh)} `);
    const run = newcomers.newest(state);
    setHidden(newcomer, run === null || connection !== "open" || above);
    if (run) {
      newcomer.dataset.run = run.id;
      setText(came, newcomerInWords(run));
    }
    document.body.toggleAttribute(
      "data-noticed",
      [watching, unwritten, offer].some(({ hidden }) => !hidden),
    ); // the others lie over the page
  }

  /** What a link asks of the run. @param {State} state */
  function drawOffer(state) {
    wanted = state.wanted && differs(state.wanted, state);
    setHidden(offer, wanted === null || state.recorded || state.held !== null);
    if (offer.hidden) confirm.close();
    if (!wanted) return;
    const values = Object.entries(wanted.settings).map(([name, value]) => `${name.replaceAll("_", " ")} ${settingText(value)}`);
    const parts = [wanted.env, wanted.seed === undefined ? null : `seed ${wanted.seed}`, ...values].filter(Boolean);
    setText(asks, `The link shows another run than this one: ${parts.join(", ")}.`);
    const live = (/** @type {string} */ name) => state.settings.find((setting) => setting.name === name)?.live === true;
    setHidden(adoptButton, wanted.env !== undefined || wanted.seed !== undefined || !Object.keys(wanted.settings).every(live));
    allow(beginButton, whyNot(state, "restart"), lossInWords(state) || "Begins the run of the link");
    if (beginButton.disabled) confirm.close();
    allow(adoptButton, whyNot(state, "set"), "From the next update on; what was learned stays");
  }

  /** @param {State} state */
  function drawBanner(state) {
    const now = runState(state);
    const nothing = whyNothing(state);
    setHidden(banner, !needsExplaining(state) && nothing === null);
    if (banner.hidden) kept = null;
    lines.show(nothing?.lines ?? null);
    if (nothing) return drawNothing(nothing);
    if (banner.hidden || now === null) return;
    banner.dataset.state = now;
    const cause = state.status?.cause ?? state.run?.cause;
    setText(summary, cause?.summary ?? WITHOUT_CAUSE[now]);
    setText(trace, cause?.detail ?? "");
    setHidden(detail, !cause?.detail);
    drawOnward(state, now);
    const onwards = onward.hidden ? "" : "Go on trains on from what was kept of it. ";
    const anew = state.run?.attached ? "" : "Restart begins a new run with the same settings and seed.";
    setText(remedy, onwards + (cause?.remedy ?? anew));
    setHidden(again, losesTraining(state) || state.run?.attached !== undefined); // the bar's asks first
    const reason = whyNot(state, "restart");
    again.disabled = reason !== null;
    again.title = reason ?? "Begin a new run with these settings and the same seed";
  }

  /** There is no run, and none is to be expected. @param {Cause} why */
  function drawNothing(why) {
    banner.dataset.state = "failed";
    setText(summary, why.summary);
    setText(remedy, why.remedy ?? "");
    setText(trace, why.detail ?? "");
    setHidden(detail, !why.detail);
    setHidden(again, true);
    setHidden(onward, true);
  }

  /** A run whose process is gone goes on from what was kept of it, where something was. @param {State} state @param {RunState} now */
  function drawOnward(state, now) {
    const run = state.run?.id ?? "";
    const at = kept?.run === run ? kept.resumesAt : null;
    const reason = whyNotBeside(state);
    setHidden(onward, now === "stalled" || now === "deleted" || at === null);
    onward.disabled = reason !== null;
    onward.title = reason ?? `Trains on from before update ${count(at)}, the newest state that was kept`;
    again.classList.toggle("primary", onward.hidden === true);
    if (kept?.run === run) return;
    kept = { run, resumesAt: null };
    const found = (/** @type {number | null} */ at) => kept?.run === run && ((kept.resumesAt = at), draw(state));
    resumesAt(run).then(found, () => {});
  }

  return { draw, waitsForServer: () => !lost.hidden };
}

/** @param {State} state */
const nameOfBegun = ({ run }) => `${run?.id} ${begunAnew(run)?.before}`;

/** Why not all of the run is on the disk, and what that means. @param {State} state */
function unwrittenText(state) {
  const { stored, unwritten } = state.run ?? {};
  const goesOn = runsOn(state) ? "Training goes on. " : "";
  return stored
    ? `The disk does not take this run (${unwritten}). ${goesOn}${UNWRITTEN}`
    : `This run is not kept on the disk (${unwritten}). ${goesOn}${NOT_KEPT}`;
}

/** @param {State} state */
function heldText({ held, newest, run }) {
  const shown = `The server was started anew. The run on show ended with the old one, at update ${count(newest?.header.update ?? run?.update)}`;
  return held?.run ? `${shown}; a new run is at update ${count(held.run.update)}.` : `${shown}. There is no new run yet.`;
}

/** @param {HTMLButtonElement} button @param {string | null} reason @param {string} title */
function allow(button, reason, title) {
  button.disabled = reason !== null;
  button.title = reason ?? title;
}

/** @param {State} state */
function lostText({ connection, snapshot }) {
  const picture = snapshot ? ` What you see is the last that arrived, update ${count(snapshot.header.update)}.` : "";
  const wait = Math.ceil(((connection.retryAt ?? 0) - performance.now()) / 1000);
  if (connection.quiet) return `Nothing is heard from the server.${picture} Training may go on, or not. As soon as it answers, this page goes on.`;
  const next = wait > 0 ? `Trying again in ${wait}\u00a0s.` : "Trying again…";
  if (connection.reason) return `${connection.reason}${picture} ${next}`;
  return `The connection to the server is lost.${picture} If the server still runs, so does the training. ${next}`;
}

// Sample: one transition in full. What was seen and done, what the policy makes of it now, and what the loss makes of that.

import { h, prose, setText } from "../../ui/dom.js";
import { figure, fixed, number } from "../../state/format.js";
import { runsFreely } from "../../state/motion.js";
import { placeOf, textOf, visible } from "../../state/rows.js";
import { moved, previewOf } from "../../state/previewed.js";
import { CLIP } from "../../ppo/clip-range.js";
import { regionOf } from "../../ppo/regions.js";
import { factsOf, withClipRange } from "./facts.js";
import { createPicture } from "./picture.js";
import { createSeek } from "./seek.js";
import { createFold, foremost, note, pairs, part } from "./parts.js";
import { sumParts } from "./sums.js";
import { calculation, n, verdict } from "./words.js";
import { cellOf, credit, holds } from "../../state/snapshot.js";

/** @import { Panel, PanelContext, PanelView, Run, Snapshot, State } from "../../types.js" */
/** @import { Facts } from "./facts.js" */
/** @import { Table } from "../../draw/tables.js" */

/** @type {Panel} */
export const sample = {
  name: "Sample",
  title: "Sample",
  hint: "One transition in full: what the loss makes of it",
  ideas: ["ratio", "clip", "advantage", "policy"],
  probes: ["samples", "advantages", "values", "transitions"],
  extras: ["advantages", "values", "transitions"],
  size: "wide",
  mount,
};

const CHOOSE = "Click a cell of the clip mask, a sample in Surrogate or Values or a state in Policy, or find one here.";
const GONE = "Its picture is gone with the server that this run ran on.";
const UNSEEN = ": no page showed this panel then, or the run went at full speed, where they are not.";
const UNPICTURED = "No picture was recorded: that is done while the run is stepped or in slow motion.";
const [CHOICES, NUMBERS] = [6, 12]; // of a policy and of a state, that are shown at once
const ENDS = ["", "the episode terminates here", "the episode is truncated here"];

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const seek = createSeek(context);
  const picture = createPicture();
  const place = h("p", { class: "sample-place", "aria-live": "polite" });
  const state_ = h("div", { class: "sample-state" });
  const policy = h("div", { class: "sample-policy" });
  const values = h("div", { class: "sample-values" });
  const folds = { policy: createFold(), state: createFold() };
  const sums = h("div", { class: "sample-sums" });
  const all = h(
    "div",
    { class: "sample", tabindex: 0, role: "group", "aria-label": "Sample. The arrow keys go to the next step and environment.", "data-arrows": "" },
    h("div", { class: "sample-bar" }, seek.element, place),
    h(
      "div",
      { class: "sample-columns" },
      h("div", { class: "sample-seen" }, picture.element, state_),
      h("div", { class: "sample-done" }, policy, values),
      sums,
    ),
  );
  body.append(all);
  all.addEventListener("keydown", (event) => event.target === all && seek.key(event));

  return {
    needs: ["snapshot", "selection", "theme", "motion", "preview"],
    ready(state) {
      if (runsFreely(state) && !state.scrubbing) return "the run to be paused: while it runs, samples fly by";
      return holds(state, "region");
    },
    draw(state) {
      const { snapshot, selection } = state;
      if (!snapshot) return;
      seek.draw(snapshot, selection);
      const cell = selection && cellOf(snapshot, selection);
      const facts = cell && factsOf(snapshot, selection, cell);
      all.toggleAttribute("data-empty", !facts);
      mark(all, facts);
      if (!facts) {
        setText(place, selection ? `${placeOf(snapshot, selection.environment, selection.step)} is not among the samples that are sent.` : CHOOSE);
        picture.explain("");
        for (const part of [state_, policy, values, sums]) part.replaceChildren();
        return;
      }
      setText(place, placeInWords(snapshot, facts));
      const isText = textOf(snapshot) !== null;
      const pictured = state.run && !state.recorded && !state.held && snapshot.header.pictured;
      if (pictured) picture.draw({ run: /** @type {Run} */ (state.run).id, update: snapshot.header.update, ...facts });
      else picture.explain(state.recorded || isText ? "" : state.held ? GONE : (snapshot.header.unpictured ?? UNPICTURED));
      state_.replaceChildren(...stateParts(snapshot, facts, context, folds.state));
      policy.replaceChildren(...policyParts(facts, folds.policy));
      values.replaceChildren(...valueParts(snapshot, facts));
      sums.replaceChildren(...sumParts(snapshot, facts, previewOf(state)));
    },
    resize() {},
    table: (state) => tableOf(state),
    summary: (state) => summary(state),
  };
}

/** For whoever reads what is drawn. @param {HTMLElement} element @param {Facts | null} facts */
function mark({ dataset }, facts) {
  const names = /** @type {const} */ ([
    "environment",
    "step",
    "ratio",
    "logratio",
    "raw",
    "used",
    "region",
    "gradientPolicy",
    "gradientValue",
    "gradientEntropy",
    "gradientTotal",
    "logProbOld",
    "logProbNew",
    "valueOld",
    "valueTarget",
    "valueNow",
    "inFull",
  ]);
  for (const name of names) {
    if (facts) dataset[name] = String(facts[name]);
    else delete dataset[name];
  }
}

/** @param {Snapshot} snapshot @param {Facts} facts */
function placeInWords(snapshot, { environment, step, end, inMinibatch }) {
  const parts = [`${placeOf(snapshot, environment, step)}, update ${snapshot.header.update}`];
  if (ENDS[end]) parts.push(ENDS[end]);
  if (snapshot.header.scope === "minibatch") parts.push(inMinibatch ? "in this minibatch" : "not in this minibatch");
  return parts.join("; ");
}

/** @param {Snapshot} snapshot @param {Facts} facts @param {PanelContext} context @param {ReturnType<typeof createFold>} fold */
function stateParts(snapshot, { environment, step, observation, unsent, space, inFull }, context, fold) {
  const { header } = snapshot;
  if (textOf(snapshot)) return part("Sequence", sequence(snapshot, environment, step, context));
  if (!inFull)
    return [
      note(
        header.failed?.transitions ??
          header.lacks?.transitions ??
          `The state, both policies and the gradient were not measured at this moment${header.measured ? UNSEEN : "."}`,
      ),
    ];
  if (!observation.length)
    return part(
      "State s",
      note(`${header.pictured ? "What the policy sees is shown above, the frames of a stack row by row. An" : "An"} image: ${space}`),
    );
  const list = (/** @type {Facts["observation"]} */ some) => pairs(some.map(({ name, value }) => [name, number(value)]));
  const [shown, rest] = foremost(observation, NUMBERS);
  const folded = rest.length ? fold(`and ${rest.length} more`, list(rest)) : null;
  return part("State s", list(shown), folded, unsent ? note(`and ${unsent} more, which are not sent`) : null);
}

/**
 * What was written, token by token; a click goes to one.
 *
 * @param {Snapshot} snapshot
 * @param {number} environment
 * @param {number} step
 * @param {PanelContext} context
 */
function sequence(snapshot, environment, step, context) {
  const row = snapshot.arrays.environments?.indexOf(environment) ?? -1;
  const tokens = (textOf(snapshot)?.[row] ?? []).map((text, at) =>
    h(at === step ? "mark" : "span", { onclick: () => context.select({ environment, step: at }) }, visible(text)),
  );
  return h("p", { class: "sample-text" }, ...tokens);
}

/** Of dozens of choices those that were taken (no probability changes by 2), and those that have changed most. @param {Facts} facts @param {ReturnType<typeof createFold>} fold */
function policyParts({ policy, action, isBox, inFull }, fold) {
  if (!inFull) return [];
  const inTable = policy.some(({ taken }) => taken); // which then says what was done
  const most = Math.max(CHOICES, policy.filter(({ taken }) => taken).length);
  const [shown, rest] = foremost(policy, most, ({ before, now, taken }) => (taken ? 2 : Math.abs(now - before)));
  const folded = rest.length ? fold(`and ${rest.length} that changed less`, choiceTable(rest, isBox)) : null;
  const ruled = policy.some(({ forbidden }) => forbidden) ? note("Hatched: forbidden here by the action mask.") : null;
  const said = inTable ? null : h("p", { class: "sample-action" }, action ?? "");
  return part("Action and policy", said, policy.length ? choiceTable(shown, isBox) : null, folded, ruled);
}

/** @param {Facts["policy"]} choices @param {boolean} isBox */
const choiceTable = (choices, isBox) =>
  h(
    "div",
    { class: "choices", role: "table", "aria-label": "The policy before the update and now" },
    head(),
    ...choices.map((choice) => row(choice, isBox)),
  );

/** @param {Snapshot} snapshot @param {Facts} facts */
function valueParts(snapshot, { reward, rewardUsed, valueOld, valueTarget, valueNow, raw, used }) {
  const symbol = credit(snapshot);
  /** @type {[string, string, string?][]} */
  const rows = [
    ["reward R", number(reward)],
    ...(rewardUsed === null ? [] : [/** @type {[string, string]} */ (["R as scaled", number(rewardUsed)])]),
    ["V_old", number(valueOld), "value"],
    ["V_targ", number(valueTarget), "value"],
    ["V now", number(valueNow), "value"],
    [`${symbol} raw`, number(raw), "advantage"],
    [`${symbol} as used`, used === null ? "not yet" : n(used), "advantage"],
  ];
  return part("Values and advantage", pairs(rows));
}

const head = () =>
  h("div", { role: "row", class: "head" }, ...["", "π_old", "π now"].map((text) => h("span", { role: "columnheader" }, ...prose(text))));

/** @param {Facts["policy"][number]} choice @param {boolean} isBox */
function row({ name, short, before, now, taken, forbidden }, isBox) {
  const text = (/** @type {number} */ value) => (isBox ? fixed(value, 3) : figure(value, 3)); // no probability is 0
  // A probability is a length, too; a mean or a deviation is not.
  const bar = isBox
    ? null
    : h("i", { class: forbidden ? "p-bar forbidden" : "p-bar", "aria-hidden": "true", style: `--before: ${100 * before}%; --now: ${100 * now}%` });
  const label = h(
    "span",
    { role: "rowheader", title: forbidden ? `${name}: forbidden by the action mask` : name },
    taken ? "▸ " : "",
    short,
    taken ? h("span", { class: "visually-hidden" }, " (taken)") : null,
    forbidden ? h("span", { class: "visually-hidden" }, " (forbidden)") : null,
    bar,
  );
  return h(
    "div",
    { role: "row", class: [taken && "taken", forbidden && "ruled-out"].filter(Boolean).join(" ") },
    label,
    h("span", { role: "cell" }, text(before)),
    h("span", { role: "cell" }, text(now)),
  );
}

/** Every number of the panel under its name. @param {State} state @returns {Table} */
function tableOf({ snapshot, selection }) {
  const cell = snapshot && selection && cellOf(snapshot, selection);
  const facts = cell && factsOf(snapshot, selection, cell);
  if (!facts) return [["name", "value"]];
  const terms = calculation(facts).map(({ term, value }) => [term === "r" ? "ratio_new" : term, value]);
  return [
    ["name", "value"],
    ["update", snapshot.header.update],
    ["environment", facts.environment],
    ["step", facts.step],
    ...facts.observation.map(({ name, value }) => [`observation: ${name}`, value]),
    ["action", facts.action],
    ...facts.policy.flatMap(({ name, before, now }) => [
      [`policy_old: ${name}`, before],
      [`policy_new: ${name}`, now],
    ]),
    ["log_prob_old", facts.logProbOld],
    ["log_prob_new", facts.logProbNew],
    ...terms,
    ["region_new", regionOf(facts.region).word],
    ["gradient_policy", facts.gradientPolicy],
    ["gradient_value", facts.gradientValue],
    ["gradient_entropy", facts.gradientEntropy],
    ["gradient_total", facts.gradientTotal],
    ["reward", facts.reward],
    ["reward_used", facts.rewardUsed],
    ["value", facts.valueOld],
    ["value_target", facts.valueTarget],
    ["value_now", facts.valueNow],
    ["advantage", facts.raw],
    ["advantage_used", facts.used],
  ];
}

/** @param {State} state */
function summary(state) {
  const { snapshot, selection } = state;
  const cell = snapshot && selection && cellOf(snapshot, selection);
  if (!snapshot || !selection || !cell) return `No sample is selected. ${CHOOSE}`;
  const facts = factsOf(snapshot, selection, cell);
  const { ratio, used, region } = facts;
  if (regionOf(region).key === "notTrained") return `${placeInWords(snapshot, facts)}. ${verdict(facts)}`;
  const preview = previewOf(state);
  const then = preview?.clip
    ? ` Preview: with ${moved(preview, CLIP).join(", ")}, ${regionOf(withClipRange(facts, preview.values).region).word}.`
    : "";
  return `${placeInWords(snapshot, facts)}: r = ${n(ratio)}, ${credit(snapshot)} as used = ${n(used)}, ${regionOf(region).word}. ${verdict(facts)}${then}`;
}

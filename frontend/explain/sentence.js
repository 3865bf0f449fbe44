// One line, with its real numbers, about what the trainer did at the phase that is shown.

import { inWords, underWay } from "../state/activity.js";
import { waitsFor } from "../state/awaited.js";
import { OVER, runState } from "../state/ended.js";
import { count, figure, number, percent, rounded, settingText, term } from "../state/format.js";
import { usedText } from "../state/used.js";
import { metNow } from "../state/met.js";
import { atFullSpeed } from "../state/motion.js";
import { isPriced, isToReference, priceOf } from "../state/priced.js";
import { textOf } from "../state/rows.js";
import { MEAN, scopeOf } from "../state/scope.js";
import { instead, whyInWords } from "../state/whole.js";
import { PAUSES } from "../state/permission.js";
import { PHONE } from "../ui/phone.js";
import { bandOf, fateOf, klMarginOf, nextBeta, whyRate } from "../ppo/adaptation.js";

/** @import { Phase, SnapshotHeader, Snapshot, State } from "../types.js" */

/**
 * @typedef {object} Told
 * @property {SnapshotHeader} header
 * @property {number | null} environments
 * @property {number | null} steps
 * @property {boolean} tokens rows are sequences, some shorter than others
 * @property {boolean} trains and is not only shown
 * @property {boolean} foreign the training loop is somebody else's
 * @property {number | null} margin how many times its target the KL may be; null: nobody knows
 * @property {(name: string) => boolean} knows whether the loop has told this setting
 * @property {number} resets autoreset rows among the samples; 0 where they are not known
 * @property {(name: string) => string} set a setting, as text
 * @property {(name: string) => number | null | undefined} value a scalar
 */

/** @type {Record<Phase, (told: Told) => string>} */
const SENTENCES = {
  ready: ({ header, trains, ...told }) =>
    `${header.update ? `What was kept is as it was before update ${count(header.update + 1)}.` : "Nothing has happened yet."} ${PHONE.matches ? "On a larger screen " : ""}${trains ? "Play trains on, Step goes piece by piece." : "Play and Step go through it."} First come ${batch(told)} under π_old.`,
  rollout: ({ resets, ...told }) =>
    `${capital(batch(told))} collected under π_old.${resets ? ` ${count(resets)} of them only reset an environment: not trained on.` : ""}`,
  advantages: ({ set, knows }) => {
    if (!knows("gae_lambda")) return "Â is what the training loop has estimated: how much better each action was than expected.";
    return set("objective") === "reinforce"
      ? `For every transition, backwards in time: G = R + γ·G′ up to the episode's end or the rollout's edge, with γ = ${set("discount")}. The critic is trained, towards V_targ = Â + V_old, but not asked.`
      : `Backwards in time: δ = R + γ·V(s′) − V(s), Â = δ + γλ·Â′, with γ = ${set("discount")} and λ = ${set("gae_lambda")}; V_targ = Â + V_old.${set("normalize_rewards") === "on" ? " R is the reward after scaling." : ""}`;
  },
  loss: (told) => `${sum(told)}. ${leash(told)}`,
  gradient: ({ value, set, knows }) =>
    `‖∇L‖ = ${figure(value("gradient_norm"), 3)}${knows("max_grad_norm") ? clipped(value("gradient_clip_factor"), set("max_grad_norm")) : ""}.`,
  step: ({ header, set, value, foreign }) =>
    `${foreign ? "The optimizer" : "Adam"} moves the weights θ with α = ${learningRate(value("learning_rate"), set("learning_rate"))}${adapted(value, set("desired_kl"))}. ${
      header.epoch === 1 && header.minibatch === 1
        ? "From now on π_θ is no longer π_old: the ratio r leaves 1."
        : `π_θ has moved away from π_old ${times(stepsTaken(header))} in this update.`
    }`,
  epoch: (told) => {
    const { header, foreign } = told;
    if (header.stopped_by_kl) return `${cutShort(told)} The update is over.`;
    const over = `Epoch ${among(header.epoch, header.epochs)} is over`;
    // Of a loop that is not ours it is not known: it may leave samples out, or keep their order.
    return foreign ? `${over}.` : `${over}: every sample was used ${times(header.epoch)}. Each epoch shuffles them anew.`;
  },
  update: (told) => {
    const { header, value } = told;
    const gone = `The ${samples(told)} are thrown away: PPO is on-policy.`;
    if (header.settings.objective === "kl_penalty") return `${gone} ${pricedNext(told)}`;
    return `${gone} KL (k3) ${number(value("kl_k3"))}, clip fraction ${percent(value("clip_fraction"))}, held ${percent(value("held_fraction"))}: each the ${MEAN}.`;
  },
};

/** @param {State} state */
export function sentence(state) {
  const { run, snapshot, status } = state;
  if (!run) return waitsFor(state);
  if (status?.state === "starting" && run.attached) return "The training loop is connected, and has not come to its first update yet.";
  if (status?.state === "starting" && !snapshot) return "The trainer is starting: environments, networks, optimizer.";
  const doing = underWay(state);
  if (doing) return `${inWords(doing)}${status?.pausing ? ` ${PAUSES}` : ""}`;
  if (status?.state === "running" && status.pausing) return PAUSES;
  const first = firstUpdate(state);
  if (first) return first;
  const halted = state.past ? null : causeOf(state);
  if (halted) return halted;
  const met = metNow(state);
  if (met) return capital(met);
  if (!snapshot) return OVER.has(runState(state) ?? "") ? "The run is over, and nothing of it has arrived." : "Waiting for the trainer's first word.";
  const header = snapshot.header;
  const told = {
    header,
    environments: asNumber(run.settings.num_envs),
    steps: asNumber(run.settings.rollout_steps),
    tokens: textOf(snapshot) !== null,
    trains: !state.recorded && status?.state !== "kept",
    foreign: Boolean(run.attached),
    margin: klMarginOf(run),
    knows: (/** @type {string} */ name) => name in run.settings,
    resets: resets(snapshot, run.settings.num_envs),
    set: (/** @type {string} */ name) => usedText(header, name, run.settings[name]),
    value: (/** @type {string} */ name) => header.scalars[name],
  };
  if (atFullSpeed(state) && header.phase === "update") return everyUpdate(told);
  const before = instead(state);
  return before ? whyInWords(before, state) : SENTENCES[header.phase](told);
}

/** What is known of a run that trains, and has finished no update yet. @param {State} state */
function firstUpdate({ status, snapshot, progress, past }) {
  if (status?.state !== "running" || past || snapshot?.header.phase !== "ready" || !progress) return null;
  const { epoch, epochs, minibatch, minibatches } = progress;
  return `The first update is being made${epoch ? `: epoch ${among(epoch, epochs)}, minibatch ${among(minibatch, minibatches)}` : ""}. Its numbers come when it is done.`;
}

/** Why the run has halted by itself; a run that is over has a banner that says it. @param {State} state */
const causeOf = ({ status }) => (status?.state === "paused" && status.cause ? status.cause.summary : null);

/** At full speed phases fly by, so the line tells what every update does instead. @param {Told} told */
function everyUpdate({ header, ...told }) {
  return `Every update: ${batch(told)}, used in ${several(header.epochs, "epoch")} of ${several(header.minibatches, "minibatch", "minibatches")}, then thrown away. ${count(header.steps)} ${told.tokens ? "tokens" : "steps"} so far.`;
}

/** @param {unknown} value */
const asNumber = (value) => (typeof value === "number" ? value : null);

/** @param {string} text */
const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** @typedef {Pick<Told, "environments" | "steps" | "tokens">} Layout */

/** @param {Layout} layout */
function batch(layout) {
  const { environments, steps, tokens } = layout;
  if (environments === null || steps === null) return "the samples";
  if (tokens) return `${several(environments, "sequence")} of up to ${several(steps, "token")}`;
  return `${several(environments, "environment")} × ${several(steps, "step")} = ${samples(layout)}`;
}

/** @param {Layout} layout */
function samples({ environments, steps, tokens }) {
  if (environments === null || steps === null) return "samples";
  return tokens ? several(environments, "sequence") : several(environments * steps, "sample");
}

/** L and what it is made of, as far as this loop has it. @param {Told} told */
function sum({ header, set, value }) {
  /** @type {[sign: string, name: string, number: string][]} */
  const terms = [["", "L_PG", term(value("policy_loss"))]];
  if (typeof value("value_loss") === "number") terms.push([" + ", "c₁·L_VF", `${set("value_coef")} · ${term(value("value_loss"))}`]);
  if (typeof value("entropy") === "number") terms.push([" − ", "c₂·S", `${set("entropy_coef")} · ${term(value("entropy"))}`]);
  if (isPriced(header)) terms.push([" + ", priceOf(header).symbol, term(value("penalty"))]);
  const [names, numbers] = [1, 2].map((part) => terms.map((one) => one[0] + one[part]).join(""));
  return `L = ${names} = ${numbers} = ${term(value("loss"))}`;
}

/** Of how many it is, where that is known already. @param {number} n @param {number} all */
const among = (n, all) => (all ? `${n} of ${all}` : String(n));

/** @param {number | string} n @param {string} one @param {string} [more] */
const several = (n, one, more = `${one}s`) => `${typeof n === "number" ? count(n) : n} ${String(n) === "1" ? one : more}`;

/**
 * @param {Snapshot} snapshot
 * @param {unknown} environments
 */
function resets({ header, arrays }, environments) {
  const regions = arrays.region;
  // With very many samples only some environments are sent one by one, and a count would not be exact.
  const all = regions && header.arrays.region?.shape[0] === environments;
  return all ? regions.filter((code) => code === 0).length : 0;
}

/** @param {SnapshotHeader} header */
const stepsTaken = ({ epoch, minibatch, minibatches }) => (epoch - 1) * minibatches + minibatch;

/** Annealed, it is another one than the setting says. @param {number | null | undefined} used @param {string} set */
const learningRate = (used, set) => (typeof used === "number" ? settingText(rounded(used)) : set);

/** @param {number} n */
const times = (n) => (n === 1 ? "once" : n === 2 ? "twice" : `${n} times`);

/** Why the KL has ended an update's epochs. @param {Told} told */
function cutShort({ header: { epoch, minibatch, minibatches }, margin, set }) {
  const limit = margin === null ? "what its training loop allows" : `${margin === 1 ? "" : `${margin} × `}the target of ${set("target_kl")}`;
  if (minibatch >= minibatches) return `Epoch ${epoch} is the last: the KL of its last minibatch exceeded ${limit}.`;
  return `Epoch ${epoch} ended early, at minibatch ${minibatch}: its KL exceeded ${limit}.`;
}

/** Under `desired_kl`: the KL that has decided about α, and what it is to be. @param {Told["value"]} value @param {string} desired */
function adapted(value, desired) {
  if (desired === "off") return "";
  const [raised, lowered, pinned] = ["raised", "lowered", "pinned"].map((what) => value(`learning_rate_${what}`) ?? 0);
  return `, which follows the KL, ${number(value("kl_exact"))} where ${desired} is desired: in this update ${whyRate({ raised, lowered, pinned })}`;
}

/** What keeps π_θ near π_old in this loss. @param {Told} told */
function leash({ header, value, set }) {
  if (header.settings.objective === "kl_penalty")
    return `L_PG has β·KL = ${set("kl_coef")} · ${number(value("kl_exact"))} = ${number(value("penalty"))} in it, the price of having moved; nothing is clipped.`;
  if (set("objective") !== "clip") return "There is no clip: nothing is held.";
  const fraction = value("held_fraction");
  const held = typeof fraction === "number" ? `The clip holds ${percent(fraction)} of the samples ${scopeOf(header, "means")}.` : "";
  if (!isPriced(header)) return held;
  const price = priceOf(header);
  const { symbol, what, to } = price;
  const paid = `L has ${symbol} = ${number(value("penalty"))}`;
  const told = isToReference(price) ? `${paid} to ${to} in it.` : `${paid} in it, the price of having moved from ${to}: β times ${what}.`;
  return [held, told].filter(Boolean).join(" ");
}

/** What the KL of the whole update makes of β. @param {Told} told */
function pricedNext({ header, value, set }) {
  const kl = value("final_kl_exact");
  const { kl_coef_target: target, kl_coef: beta } = header.settings;
  const moved = `KL after the last step is ${number(kl)}`;
  if (typeof kl !== "number" || typeof target !== "number") return `${moved}; β stays ${set("kl_coef")}.`;
  const [low, high] = bandOf(target).map((edge) => number(edge));
  const fate = fateOf(kl, target);
  if (fate === "kept") return `${moved}, within ${low} to ${high}: β stays ${set("kl_coef")}.`;
  const next = settingText(nextBeta(Number(beta), kl, target));
  return fate === "doubled" ? `${moved}, above ${high}: β is doubled to ${next}.` : `${moved}, below ${low}: β is halved to ${next}.`;
}

/**
 * @param {number | null | undefined} factor
 * @param {string} limit
 */
function clipped(factor, limit) {
  if (limit === "off" || factor === null || factor === undefined) return ", not limited";
  if (factor >= 1) return `, not beyond the limit of ${limit}: the gradient stays as it is`;
  return `, longer than the limit of ${limit}: scaled down to it by ${figure(factor, 3)}`;
}

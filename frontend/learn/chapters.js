// The guide's texts. What stands in braces is the run's own, at the moment on show (numbers.js).

import { flowOf } from "./flow.js";
import { isSame } from "./scene.js";

/** @import { Phase, Preview, Run, Selection, Snapshot, State } from "../types.js" */

/**
 * @typedef {object} Scene where in an update the chapter begins
 * @property {Phase} phase
 * @property {"last"} [epoch] the last one; else the first
 *
 * @typedef {object} Entry what there was when the chapter was entered and its scene set
 * @property {Run | null} run
 * @property {Snapshot} snapshot
 * @property {Selection | null} selection
 * @property {Preview | null} preview
 *
 * @typedef {object} Ask
 * @property {string} text what to do
 * @property {{ label: string, settings: Record<string, unknown>, restart?: boolean }} [offer] does it for the reader: live
 *   settings, or a new run where nothing less will do
 *
 * @typedef {object} OwnTask
 * @property {string} done what it shows
 * @property {{ heading: string, rows: [label: string, number: string][], about: string }} [compared] then and now, side by
 *   side, and what to say about it
 * @property {boolean} [trains] only who controls a run that trains can do it
 * @property {(state: State, entry: Entry) => boolean} isDone since the chapter was entered
 * @property {Ask & { when: (entry: Entry) => boolean }} [otherwise] what to do where all was so already
 *
 * @typedef {Ask & OwnTask} Task
 *
 * @typedef {string | { when: (state: State) => boolean, text: string }} Paragraph
 *
 * @typedef {object} Chapter
 * @property {string} title the question
 * @property {Scene} scene
 * @property {string[]} panels what to look at, the first one first
 * @property {Paragraph[]} text
 * @property {Task} task
 */

/** @param {State} state @param {Phase} phase @param {Entry} entry whether this phase is on show, and was not then */
const hasCome = ({ snapshot }, phase, entry) =>
  snapshot?.header.phase === phase && (snapshot.header.run !== entry.snapshot.header.run || !isSame(snapshot.header, entry.snapshot.header));

/** @param {Snapshot} snapshot @param {string} name @returns {number} NaN where it is none */
const setting = ({ header }, name) => Number(header.settings[name] ?? NaN);

/**
 * Done by a whole update that was made so, where the one before was not, or the other way round.
 *
 * @param {(snapshot: Snapshot) => boolean} isSo
 * @returns {OwnTask["isDone"]}
 */
const byAnUpdate = (isSo) => ({ snapshot, past }, entry) =>
  past === null && snapshot?.header.phase === "update" && isSo(snapshot) !== isSo(entry.snapshot);

/** @param {Snapshot} snapshot */
const isReinforce = ({ header }) => header.settings.objective === "reinforce";

/** @param {Snapshot} snapshot */
const paysForEntropy = (snapshot) => setting(snapshot, "entropy_coef") >= 0.0999;

/** @param {Snapshot} snapshot */
const overdoes = (snapshot) => setting(snapshot, "epochs") >= 20;

/** @param {Pick<State, "snapshot" | "preview">} state whether ε, as it was moved, is small */
const isShortLeash = ({ snapshot, preview }) => (preview?.clip_range ?? (snapshot ? setting(snapshot, "clip_range") : NaN)) <= 0.0501;

/** @param {{ run: Run | null }} state */
const sharesTrunk = ({ run }) => run?.settings.shared_network === true;

/** @type {Chapter[]} */
export const CHAPTERS = [
  {
    title: "What is updated, and according to what?",
    scene: { phase: "gradient" },
    panels: ["Loss components", "Gradients"],
    text: [
      "Training changes one thing: θ, the weights of the actor and of the critic. Everything else on this page is computed from them, or decides how to change them.",
      "A minibatch of samples gives one number, the loss L = {loss}. It is differentiated as in any supervised problem: through log π_θ(a|s) back into the actor, through V_θ(s) back into the critic. The gradient has length {gradient_norm} and is multiplied by {gradient_clip_factor} (norm limit: {set.max_grad_norm}); Adam turns it into a step. That is all of the backpropagation there is.",
      "Â, V_targ and log π_old were written down before the first step. They are plain numbers: no derivative passes through them, and none through the environment. Rewards only enter in Â.",
    ],
    task: {
      text: "Choose the step size “one phase” and press Step until “step” lights up in the pipeline.",
      done: "θ has moved, by α = {learning_rate} times what Adam makes of the gradient. From here on π_θ is no longer π_old.",
      isDone: (state, entry) => hasCome(state, "step", entry),
    },
  },
  {
    title: "Where are the targets?",
    scene: { phase: "advantages" },
    panels: ["Advantages", "Values", "Clip mask", "Sample"],
    text: [
      "Nobody says which action would have been right. The actor has no target: each action that it took is weighed by its advantage Â, how much better things went than the critic expected, and made likelier or less likely accordingly.",
      "The critic has one: V_targ = Â + V_old, built from the rewards that came and its own guess of what comes after. In this rollout {credit} has mean {advantage_mean} and deviation {advantage_std}. Before the update the critic's explained variance is {explained_variance_before}: 1 if it knew its targets, 0 if it is as good as a constant.",
    ],
    task: {
      text: "Click on any cell of the Clip mask: the panel Sample shows that one transition with its V, V_targ and Â.",
      done: "This is all that PPO knows of that moment: what was seen, what was done, how it was paid. Everything else was computed from it.",
      isDone: ({ selection }, entry) => selection !== null && (selection.environment !== entry.selection?.environment || selection.step !== entry.selection.step),
    },
  },
  {
    title: "What is the loss?",
    scene: { phase: "loss" },
    panels: ["Loss components"],
    text: [
      "Three terms, one sum: L = L_PG + c₁·L_VF − c₂·S. For this minibatch: {policy_loss} + {set.value_coef} · {value_loss} − {set.entropy_coef} · {entropy} = {loss}.",
      "L_PG, the mean of max(−r·Â, −clip(r, 1−ε, 1+ε)·Â), makes good actions likelier. At the first minibatch r = 1, so it is the mean of −Â: close to 0 once Â is normalised, while its gradient is not. L_VF, the mean of (V − V_targ)², pulls V towards V_targ. S, which is subtracted, rewards indecision.",
      "The value of L itself says little: every update has new data, so it need not fall.",
    ],
    task: {
      text: "Move c₁. Dashed, the page shows at once what the loss of this very minibatch would be.",
      done: "With c₁ = {chosen.value_coef} L would be {preview.loss} instead of {now.loss}; L_PG and S stay. With two networks c₁ hardly changes the step: Adam divides the scale out of the critic's gradient again. It then acts mainly through the norm limit, which both networks share.",
      trains: true,
      isDone: ({ preview, snapshot }, entry) => preview !== null && snapshot !== null && preview.value_coef !== setting(snapshot, "value_coef") && preview.value_coef !== entry.preview?.value_coef,
    },
  },
  {
    title: "What is the ratio, and what does clipping hold back?",
    scene: { phase: "epoch", epoch: "last" },
    panels: ["Ratio histogram", "Clip mask", "Surrogate"],
    text: [
      "r = π_θ(a|s) / π_old(a|s): how many times as likely the action has become since it was taken. At the first minibatch it is exactly 1 for every sample. In this last epoch it reached from {ratio_min} to {ratio_max}: clipping does not bound it.",
      "What the clip does: where a sample has moved beyond 1 ± ε in the direction that its advantage asks for, its policy gradient is zero. It is held. {held_fraction} of the epoch's samples were; {clip_fraction} lay outside of 1 ± ε, which is what libraries log as the clip fraction. The other {pulled_back_fraction} have gone the wrong way and are pulled back with their full gradient.",
      {
        when: ({ snapshot }) => snapshot?.header.scalars.clip_fraction === 0,
        text: "So early in a run, or with so small an α, no sample goes that far: play for some updates, then set the scene again.",
      },
    ],
    task: {
      text: "Drag ε down to 0.05 or less and look at the Clip mask and the Surrogate.",
      done: "With ε = {chosen.clip_range} the clip would have held {preview.held_fraction} of these samples instead of {now.held_fraction}. It is only a preview; it becomes real with the next update, or with “Apply to this update”.",
      trains: true,
      isDone: (state, entry) => isShortLeash(state) !== isShortLeash(entry),
      otherwise: { when: isShortLeash, text: "ε is small already. Drag it up to 0.2 or more and look at the Clip mask and the Surrogate." },
    },
  },
  {
    title: "What is the critic for, and is it a target network?",
    scene: { phase: "update" },
    panels: ["Values", "Advantages", "Loss components"],
    text: [
      "The critic judges: V(s) says what was to be expected, so that an action is credited with what it made of it, and less with luck.",
      "It is not a target network: those are frozen copies of the trained network that DQN and its kin take targets from. The critic is trained in every step, by L_VF = {value_loss} on average. It is asked once, before the first step, for V_old; V_targ is made from that and stays as it is through all epochs.",
      "In this update its explained variance went from {explained_variance_before} to {explained_variance}. It never acts, and is not needed once training is over.",
    ],
    task: {
      text: "Do without it: choose the objective “reinforce” (under More settings) and step one update.",
      offer: { label: "Set the objective to reinforce", settings: { objective: "reinforce" } },
      done: "What multiplies ∇log π, before it is normalised:",
      compared: {
        heading: "{set.objective}",
        rows: [
          ["update", "{update}"],
          ["weight", "{credit}"],
          ["its spread σ", "{advantage_std}"],
          ["its mean", "{advantage_mean}"],
          ["explained variance", "{explained_variance_before}"],
        ],
        about: "G is the whole return to go, luck included: right on average, and noisy. Â takes away what was expected anyway, which is the more, the more the critic explains. Under reinforce there is no clip: put the objective back to “clip” when you have seen enough.",
      },
      trains: true,
      isDone: byAnUpdate(isReinforce),
      otherwise: {
        when: ({ snapshot }) => isReinforce(snapshot),
        text: "This run does without it: its objective is “reinforce”. Ask the critic again: choose “clip” (under More settings) and step one update.",
        offer: { label: "Set the objective to clip", settings: { objective: "clip" } },
      },
    },
  },
  {
    title: "Must the critic be a separate network?",
    scene: { phase: "loss" },
    panels: ["Gradients"],
    text: [
      "No. It can be a network of its own, or a second head on the actor's trunk. The loss is the same; what differs is which weights each term reaches.",
      {
        when: ({ snapshot }) => flowOf(snapshot)?.shared === false,
        text: "Here they are two networks. In the actor's layers ∇L_PG has length {flow.policy}, and c₁·∇L_VF {flow.value}: the value loss reaches none of them, so there is no angle between the two (n/a).",
      },
      {
        when: ({ snapshot }) => flowOf(snapshot)?.shared === true,
        text: "Here both share a trunk. In it ∇L_PG has length {flow.policy}, c₁·∇L_VF {flow.value}, and the angle between them the cosine {flow.cosine}: near −1 they work against each other, near 0 they do not mind, near 1 they agree.",
      },
      {
        when: ({ snapshot }) => flowOf(snapshot) === null,
        text: "The numbers come here once the panel Gradients has measured a minibatch: it does so while it is in view, wherever the run halts inside of the epochs.",
      },
      "One trunk saves computing and may share what was learned; or the larger of the two gradients drowns the other. That is where c₁ begins to matter.",
    ],
    task: {
      text: "Begin a run with one trunk and two heads (“shared network”), and step to a loss: three phases, or “Set the scene again”.",
      offer: { label: "Begin a new run with a shared trunk", settings: { shared_network: true }, restart: true },
      done: "Now both terms flow through the trunk: the numbers are above, layer by layer in the panel.",
      trains: true,
      isDone: (state, entry) => sharesTrunk(state) && hasCome(state, "loss", entry),
      otherwise: { when: sharesTrunk, text: "This run has one trunk and two heads already. Step to another loss, and watch how the lengths and the cosine change." },
    },
  },
  {
    title: "What is the entropy bonus for?",
    scene: { phase: "update" },
    panels: ["Policy", "Loss components"],
    text: [
      "A policy that is certain tries nothing new. S is the mean entropy of π_θ over the states: {entropy} on average over this update, {final_entropy} after it. Subtracting c₂·S from the loss pays for staying undecided.",
      "Too little, and the policy may settle on the first thing that worked; too much, and it never settles. With n actions to choose from S is at most ln n: the line in the panel Policy.",
    ],
    task: {
      text: "Set c₂ to 0.1 or more and step one update.",
      offer: { label: "Set c₂ to 0.1", settings: { entropy_coef: 0.1 } },
      done: "Indecision weighs in L in proportion to c₂:",
      compared: {
        heading: "c₂ = {set.entropy_coef}",
        rows: [
          ["update", "{update}"],
          ["−c₂·S", "{entropy_term}"],
          ["S", "{entropy}"],
          ["L", "{loss}"],
        ],
        about: "The larger c₂, the slower S falls, or it even rises again: step ten updates more and watch it above.",
      },
      trains: true,
      isDone: byAnUpdate(paysForEntropy),
      otherwise: {
        when: ({ snapshot }) => paysForEntropy(snapshot),
        text: "c₂ is {set.entropy_coef} already. Set it back to 0.01 and step one update.",
        offer: { label: "Set c₂ to 0.01", settings: { entropy_coef: 0.01 } },
      },
    },
  },
  {
    title: "Why is the data thrown away?",
    scene: { phase: "update" },
    panels: ["KL and clipping", "Ratio histogram", "Step direction"],
    text: [
      "The advantages describe π_old, the policy that collected. With every step π_θ moves away from it: after this update by KL {final_kl_exact}, with ratios from {final_ratio_min} to {final_ratio_max}. The ratio makes up for other actions in the same states, but not for the other states that π_θ would come to. So of {set.epochs} epochs the last one is the least trustworthy.",
      "PPO therefore uses a rollout a few times, held by the clip, and collects anew. That is what on-policy means. DQN or SAC may keep theirs in a replay buffer: they learn Q(s, a), for which it does not matter who chose the action.",
    ],
    task: {
      text: "Overdo it: set the epochs (under More settings) to 20 or more and step one update.",
      offer: { label: "Set the epochs to 20", settings: { epochs: 20 } },
      done: "How far π_θ went from π_old:",
      compared: {
        heading: "{set.epochs} epochs",
        rows: [
          ["update", "{update}"],
          ["KL after it", "{final_kl_exact}"],
          ["clip fraction", "{clip_fraction}"],
          ["largest r", "{final_ratio_max}"],
          ["effective sample size", "{effective_sample_size}"],
        ],
        about: "The clip stops the gradient of what has gone too far. It does not bring it back, and r drifts on with the weights that all samples share.",
      },
      trains: true,
      isDone: byAnUpdate(overdoes),
      otherwise: {
        when: ({ snapshot }) => overdoes(snapshot),
        text: "This run overdoes it: {set.epochs} epochs. Set them back to 4 and step one update.",
        offer: { label: "Set the epochs to 4", settings: { epochs: 4 } },
      },
    },
  },
];

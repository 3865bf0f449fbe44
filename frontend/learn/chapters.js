// The guide's texts. Numbers in braces are the run's own, at the moment on show: {name} is a scalar of the snapshot,
// {set.name} a setting that its update was made with.

/** @import { Phase, State } from "../types.js" */

/**
 * @typedef {object} Scene where in an update the chapter begins
 * @property {Phase} phase
 * @property {"last"} [epoch] the last one; else the first
 *
 * @typedef {object} Task
 * @property {string} text what to do
 * @property {string} done what it shows
 * @property {(state: State, before: State["snapshot"]) => boolean} isDone
 * @property {{ label: string, settings: (state: State) => Record<string, unknown>, restart?: boolean }} [offer] does it for
 *   the reader: live settings, or a new run where nothing less will do
 *
 * @typedef {object} Chapter
 * @property {string} title the question
 * @property {Scene} scene
 * @property {string[]} panels what to look at, the first one first
 * @property {string[]} text
 * @property {Task} task
 */

/** @param {State} state @param {string} name */
const used = (state, name) => state.snapshot?.header.settings[name];

/** @param {State} state @param {string} name @returns {number} NaN where it is none */
const number = (state, name) => Number(used(state, name) ?? NaN);

/** @type {Chapter[]} */
export const CHAPTERS = [
  {
    title: "What is updated, and according to what?",
    scene: { phase: "gradient" },
    panels: ["Loss components", "Gradients"],
    text: [
      "Training changes one thing: θ, the weights of the actor and of the critic. Everything else on this page is computed from them, or decides how to change them.",
      "A minibatch of samples gives one number, the loss L = {loss}. Its gradient, differentiated through both networks as in any supervised problem, has length {gradient_norm}; the limit {set.max_grad_norm} leaves the share {gradient_clip_factor} of it. Adam turns that into a step. That is all of the backpropagation there is.",
      "No derivative ever passes through the environment: rewards only enter as numbers, in Â.",
    ],
    task: {
      text: "Choose the step size “one phase” and press Step until “step” lights up in the pipeline.",
      done: "θ has moved, by α = {learning_rate} times what Adam makes of the gradient. From here on π_θ is no longer π_old.",
      isDone: (state, before) => state.snapshot?.header.phase === "step" && state.snapshot.header.sequence !== before?.header.sequence,
    },
  },
  {
    title: "Where are the targets?",
    scene: { phase: "advantages" },
    panels: ["Advantages", "Values", "Sample"],
    text: [
      "Nobody says which action would have been right. The actor has no target: each action that it took is weighed by its advantage Â, how much better it turned out than the critic expected, and made likelier or less likely accordingly.",
      "The critic has one: V_targ = Â + V_old, built from the rewards that came and its own guess of what comes after. In this rollout Â has mean {advantage_mean} and deviation {advantage_std}; before the update the critic explains {explained_variance_before} of the variance of its targets (1 is all, 0 as good as a constant).",
    ],
    task: {
      text: "Click on any cell of the Clip mask: the panel Sample shows that one transition with its V, V_targ and Â.",
      done: "This is all that PPO knows of that moment: what was seen, what was done, how it was paid. Everything else was computed from it.",
      isDone: (state) => state.selection !== null,
    },
  },
  {
    title: "What is the loss?",
    scene: { phase: "loss" },
    panels: ["Loss components"],
    text: [
      "Three terms, one sum: L = L_PG + c₁·L_VF − c₂·S. For this minibatch: {policy_loss} + {set.value_coef} · {value_loss} − {set.entropy_coef} · {entropy} = {loss}.",
      "L_PG makes good actions likelier, L_VF pulls V towards V_targ, and S, which is subtracted, rewards indecision. The value of L itself says little: every update has new data, so it need not fall.",
    ],
    task: {
      text: "Move c₁. Dashed, the page shows at once what the loss of this very minibatch would be.",
      done: "L changes, L_PG and S do not: c₁ only weighs one term. With two networks Adam hides most of that from the actor too; it acts through the shared norm limit.",
      isDone: (state) => state.preview !== null && state.preview.value_coef !== number(state, "value_coef"),
    },
  },
  {
    title: "What is the ratio, and what does clipping hold back?",
    scene: { phase: "epoch", epoch: "last" },
    panels: ["Ratio histogram", "Clip mask", "Surrogate"],
    text: [
      "r = π_θ(a|s) / π_old(a|s): how much likelier the action has become since it was taken. At the first minibatch it is exactly 1 for every sample. After these epochs it reaches from {ratio_min} to {ratio_max}: clipping does not bound it.",
      "What the clip does: where a sample has moved beyond 1 ± ε in the direction that its advantage asks for, its policy gradient is zero. It is held. {held_fraction} of the samples are; {clip_fraction} lie outside of 1 ± ε. The difference has gone the wrong way and is pulled back at full strength.",
    ],
    task: {
      text: "Drag ε down to 0.05 or less and look at the Clip mask and the Surrogate.",
      done: "More samples would have been held: a shorter leash. Only a preview; it becomes real with the next update, or with “Apply to this update”.",
      isDone: (state) => state.preview !== null && state.preview.clip_range <= 0.0501,
    },
  },
  {
    title: "What is the critic for, and is it a target network?",
    scene: { phase: "update" },
    panels: ["Values", "Advantages", "Loss components"],
    text: [
      "The critic judges, so that actions are compared with what was to be expected, and not with luck. It is not a target network: those are frozen copies that DQN and its kin take targets from. This one is trained in every step, by L_VF = {value_loss}, and is simply asked before the update: V_old.",
      "In this update its explained variance went from {explained_variance_before} to {explained_variance}. It never acts, and is not needed once training is over.",
    ],
    task: {
      text: "Do without it: choose the objective “reinforce” (under More settings) and step one update.",
      done: "REINFORCE weighs each action by the whole return to go, here with deviation {advantage_std} before normalisation. It is right on average, and noisy. Put the objective back to “clip” when you have seen enough.",
      isDone: (state) => used(state, "objective") === "reinforce",
      offer: { label: "Set the objective to reinforce", settings: () => ({ objective: "reinforce" }) },
    },
  },
  {
    title: "Must the critic be a separate network?",
    scene: { phase: "loss" },
    panels: ["Gradients"],
    text: [
      "No. It can be a network of its own or a second head on the actor's trunk. The panel Gradients shows the difference: with two networks the value loss does not reach a single layer of the actor, and the angle between the terms is n/a.",
      "With one trunk both pull on the same weights. That saves computing and may share what was learned; or the larger of the two gradients drowns the other, and c₁ begins to matter.",
    ],
    task: {
      text: "Begin a run with one trunk and two heads (“shared network”), and step to a loss.",
      done: "Now both terms flow through the trunk, and their angle has a cosine: near −1 they work against each other, near 0 they do not mind.",
      isDone: (state) => state.run?.settings.shared_network === true && (state.snapshot?.header.update ?? 0) >= 1,
      offer: { label: "Begin a new run with a shared trunk", settings: () => ({ shared_network: true }), restart: true },
    },
  },
  {
    title: "What is the entropy bonus for?",
    scene: { phase: "update" },
    panels: ["Policy", "Loss components"],
    text: [
      "A policy that is certain tries nothing new. S is the mean entropy of π_θ over the states, now {entropy}; subtracting c₂·S from the loss pays for staying undecided.",
      "Too little, and the policy may settle on the first thing that worked; too much, and it never settles. Its maximum, the logarithm of the number of actions, is the line in the panel Policy.",
    ],
    task: {
      text: "Set c₂ to 0.1 or more and step one update.",
      done: "−c₂·S is now {entropy_term}. Step ten updates more: the probabilities move back towards equal.",
      isDone: (state) => number(state, "entropy_coef") >= 0.0999,
      offer: { label: "Set c₂ to 0.1", settings: () => ({ entropy_coef: 0.1 }) },
    },
  },
  {
    title: "Why is the data thrown away?",
    scene: { phase: "update" },
    panels: ["KL and clipping", "Ratio histogram", "Step direction"],
    text: [
      "The advantages describe π_old, the policy that collected. With every step π_θ moves away from it: after this update by KL {kl_k3}, with ratios from {ratio_min} to {ratio_max}. The further it goes, the less the old data say about it: of {set.epochs} epochs the last one is the least trustworthy.",
      "So PPO uses a rollout a few times, held by the clip, and collects anew. That is what on-policy means; algorithms with a replay buffer pay for keeping data in other ways.",
    ],
    task: {
      text: "Overdo it: set the epochs (under More settings) to 20 or more and step one update.",
      done: "KL is now {kl_k3}, the clip fraction {clip_fraction}, and the effective sample size {effective_sample_size}. The clip stops the gradient of what has gone too far; it does not bring it back.",
      isDone: (state) => number(state, "epochs") >= 20,
      offer: { label: "Set the epochs to 20", settings: () => ({ epochs: 20 }) },
    },
  },
];

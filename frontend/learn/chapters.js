// The guide's texts. What stands in braces is of the moment on show, or of an update made twice (numbers.js).

import { MEAN } from "../state/scope.js";
import { flowOf } from "./flow.js";
import { pairOf } from "./pairs.js";
import { isSame } from "./scene.js";

/** @import { Phase, Preview, Run, Selection, Snapshot, State } from "../types.js" */
/** @import { Example } from "./examples.js" */
/** @import { Scene } from "./scene.js" */

/**
 * @typedef {object} Entry what there was when the chapter's moment came on show
 * @property {Run | null} run
 * @property {Snapshot} snapshot
 * @property {Selection | null} selection
 * @property {Preview | null} preview
 *
 * @typedef {object} Task one thing to do
 * @property {string} text
 * @property {string} done what it shows
 * @property {(state: State, entry: Entry) => boolean} [isDone] since the chapter was entered; a trial is done by its outcome
 * @property {boolean} [needsControls] of the bar or of the sliders, which a phone has not
 * @property {Trial} [trial]
 * @property {boolean} [flows] the gradients of both moments are laid side by side
 * @property {{ label: string, example: Example }} [other] an example that is shown in place of the first one
 *
 * @typedef {object} Trial the update on show made a second time, with one setting changed
 * @property {string} name of the setting
 * @property {(used: number | string) => number | string} value
 * @property {string} of what the numbers are of, where that is not said with each
 * @property {[label: string, scalar: string][]} rows
 * @property {string} about what to say about them
 *
 * @typedef {string | { when: (state: State) => boolean, text: string }} Paragraph
 *
 * @typedef {object} Chapter
 * @property {string} title the question
 * @property {Scene} scene
 * @property {(snapshot: Snapshot, run: Run) => boolean} shows whether a moment there shows the point
 * @property {Example} example shown where the run at hand has no such moment
 * @property {string[]} panels what to look at, the first one first
 * @property {"pipeline" | "settings"} [watch] what else is looked at
 * @property {number} [staged] how many of the panels are on Stage; without it two
 * @property {boolean} [pair] two samples stand side by side in it
 * @property {Paragraph[]} text
 * @property {Task} task
 */

/** @param {State} state @param {Phase} phase @param {Entry} entry whether this phase is on show, and was not then */
const hasCome = ({ snapshot }, phase, entry) => snapshot?.header.phase === phase && !isSame(snapshot.header, entry.snapshot.header);

/** @param {Snapshot} snapshot @param {string} name @returns {number} NaN where it is none */
const setting = ({ header }, name) => Number(header.settings[name] ?? NaN);

/** @param {Snapshot} snapshot @param {...string} names whether all are there */
const has = ({ arrays }, ...names) => names.every((name) => arrays[name] !== undefined);

/** @param {Snapshot} snapshot */
const isClip = ({ header }) => header.settings.objective === "clip";

/** @param {Run} run */
const sharesTrunk = ({ settings }) => settings.shared_network === true;

/** @param {Snapshot} snapshot @param {Preview | null} preview */
const isShortLeash = (snapshot, preview) => (preview?.clip_range ?? setting(snapshot, "clip_range")) <= 0.0501;

/** @type {Chapter[]} */
export const CHAPTERS = [
  {
    title: "What is updated, and according to what?",
    scene: { phase: "gradient" },
    shows: (snapshot) => has(snapshot, "gradient_norms"),
    example: "two-networks",
    panels: ["Gradients", "Loss components"],
    watch: "pipeline",
    text: [
      "Training changes one thing: θ, the weights of the actor and of the critic. Everything else on this page is computed from them, or decides how to change them.",
      "A minibatch of samples gives one number, the loss L = {loss}. It is differentiated as in any supervised problem: through log π_θ(a|s) back into the actor, through V_θ(s) back into the critic. Before the step, the gradient has length {gradient_norm} and is multiplied by {gradient_clip_factor}, so that it is no longer than the norm limit, {set.max_grad_norm}. Adam turns it into a step. That is all of the backpropagation there is.",
      "Â, V_targ and log π_old were written down before the first step. They are plain numbers: no derivative passes through them, and none through the environment. Rewards only enter in these numbers: in Â and, through it, in V_targ.",
    ],
    task: {
      text: "Choose the step size “one phase” and press Step (▶| in the bar): in the pipeline, “step” lights up after “gradient”.",
      done: "θ has moved, by α = {learning_rate} times what Adam makes of the gradient. From here on π_θ is no longer π_old. (The panel Gradients now has the lengths under the new weights.)",
      needsControls: true,
      isDone: (state, entry) => hasCome(state, "step", entry),
    },
  },
  {
    title: "Where are the targets?",
    scene: { phase: "advantages" },
    shows: (snapshot) => has(snapshot, "advantage", "value_target", "region"),
    example: "two-networks",
    panels: ["Clip mask", "Sample", "Advantages", "Values"],
    staged: 3,
    text: [
      "Nobody says which action would have been right. The actor has no target: each action that it took is weighed by its advantage Â, how much better things went than the critic expected, and made likelier or less likely accordingly. Â adds up the surprises δ = R + γ·V(s′) − V(s) of this step and of those after it; γ discounts what comes later, and λ says how far ahead rewards are trusted more than the critic.",
      "The critic has one: V_targ = Â + V_old, built from the rewards that came and its own guess of what comes after. Before the update the critic's explained variance is {explained_variance_before} (panel Values): 1 if it knew its targets, 0 if it is as good as a constant.",
      "In this rollout {credit} has mean {advantage_mean} and deviation {advantage_std}. That is {credit} raw. The loss takes it as used: normalised, by default in each minibatch, to mean 0 and deviation 1, so that the size of the rewards does not decide about the size of the step. A sample near the mean may change its sign by that: the panel Advantages says how many, “signs flipped”. Before its first minibatch, a sample's {credit} as used is not known yet.",
    ],
    task: {
      text: "Click on any cell of the Clip mask: the panel Sample beside it shows that one transition with its V, V_targ and Â.",
      done: "This is all that PPO knows of that moment: what was seen, what was done, how it was paid. Everything else was computed from it.",
      isDone: ({ selection }, entry) =>
        selection !== null && (selection.environment !== entry.selection?.environment || selection.step !== entry.selection.step),
    },
  },
  {
    title: "What is the loss?",
    scene: { phase: "loss" },
    shows: (snapshot, run) => isClip(snapshot) && !sharesTrunk(run) && setting(snapshot, "value_coef") <= 1 && has(snapshot, "gradient_norms"),
    example: "two-networks",
    panels: ["Loss components", "Gradients"],
    text: [
      "Three terms, one sum: L = L_PG + c₁·L_VF − c₂·S. For this minibatch: {policy_loss} + {set.value_coef} · {value_loss} − {set.entropy_coef} · {entropy} = {loss}.",
      "L_PG, the mean of max(−r·Â, −clip(r, 1−ε, 1+ε)·Â), makes good actions likelier. At the first minibatch r = 1, so it is the mean of −Â. Where Â is normalised (its mean subtracted, divided by its deviation), that is close to 0, while the gradient is not. L_VF, the mean of (V − V_targ)², pulls V towards V_targ. S, which is subtracted, rewards indecision.",
      "The value of L itself says little: every update has new data, so it need not fall. And with two networks, as here, c₁·L_VF reaches no weight of the actor. So what does c₁ change?",
    ],
    task: {
      text: "Have this whole update made a second time, from the same weights on the same data, with c₁ ten times as large.",
      done: "Update {update}, made twice:",
      trial: {
        name: "value_coef",
        value: (used) => 10 * Number(used),
        of: MEAN,
        rows: [
          ["factor of the norm limit", "gradient_clip_factor"],
          ["KL (k3)", "kl_k3"],
          ["held by the clip (chapter 4)", "held_fraction"],
          ["explained variance after", "explained_variance"],
        ],
        about:
          "The critic hardly notices: its explained variance {went.explained_variance}. Adam divides a gradient by its usual size, so c₁ by itself changes the critic's steps little. The policy's steps change, through the one thing that both networks share, the limit on the norm of the whole gradient: the critic's part is ten times as long, so the factor of the norm limit {went.gradient_clip_factor}, and it scales the policy's gradient too. Adam evens out a factor that has long been the same. This one is new, and differs from minibatch to minibatch. So the policy moves by another amount: the KL between π_old and π_θ {went.kl_k3} (k3, the mean of (r − 1) − log r, estimates it from the actions taken), and the share that is held {went.held_fraction}. ‖Δθ‖/‖θ‖ in the large table is the length of the whole update, as a share of the weights' own.",
      },
    },
  },
  {
    title: "What is the ratio, and what does clipping hold back?",
    scene: { phase: "epoch", epoch: "last" },
    shows: (snapshot) => isClip(snapshot) && has(snapshot, "log_prob_new", "gradient_value") && pairOf(snapshot) !== null,
    example: "two-networks",
    panels: ["Clip mask", "Sample", "Surrogate", "Ratio histogram"],
    staged: 3,
    watch: "settings",
    pair: true,
    text: [
      "r = π_θ(a|s) / π_old(a|s): how many times as likely the action has become since it was taken. At the first minibatch it is exactly 1 for every sample. In this last epoch the smallest r was {ratio_min} and the largest {ratio_max}: clipping does not bound it.",
      "Where r lies outside of 1 ± ε, what happens depends on Â. In both of these samples the action has become likelier, by more than ε = {set.clip_range}:",
    ],
    task: {
      text: "Drag ε down to 0.05 or less and look at the Clip mask; Sample says what would become of the sample that is chosen.",
      done: "With ε = {chosen.clip_range} the clip would have held {preview.held_fraction} of these samples instead of {now.held_fraction}. It is only a preview: nothing was trained, and no setting of a run has changed.",
      needsControls: true,
      isDone: ({ snapshot, preview }, entry) =>
        snapshot !== null && preview !== null && isShortLeash(snapshot, preview) !== isShortLeash(entry.snapshot, null),
    },
  },
  {
    title: "What is the critic for, and is it a target network?",
    scene: { phase: "update" },
    shows: (snapshot) => isClip(snapshot) && has(snapshot, "value_target") && (snapshot.header.scalars.explained_variance_before ?? 0) > 0.3,
    example: "two-networks",
    panels: ["Values", "Advantages"],
    text: [
      "The critic judges: V(s) says what was to be expected, so that an action gets credit for what it added, and less for luck that would have come without it.",
      "It is not a target network: those are frozen copies of the trained network that DQN and its kin take targets from. The critic is trained in every step, by L_VF = {value_loss} on average. It is asked once, before the first step, for V_old; V_targ is made from that and stays as it is through all epochs.",
      "In this update its explained variance went from {explained_variance_before} to {explained_variance}. (Close to 1 is not exact: single dots may still lie well off the diagonal in the panel Values.) It never acts, and is not needed once training is over.",
    ],
    task: {
      text: "Have this update made a second time without it: with the objective “reinforce”, the plain policy gradient. That takes away two things at once: Â and the clip.",
      done: "What multiplies ∇log π, before it is normalised, with the critic and without:",
      trial: {
        name: "objective",
        value: () => "reinforce",
        of: "",
        rows: [
          ["its spread σ", "advantage_std"],
          ["its mean", "advantage_mean"],
          ["KL, after the last step", "final_kl_exact"],
          ["largest r, after the last step", "final_ratio_max"],
        ],
        about:
          "The first two rows show the missing critic, which is trained along and judges nothing. G is the whole return to go, luck included: right on average, and noisy. Â takes away what was expected anyway, and the more the critic explains, the more that is: without it the spread {went.advantage_std}. The last two rows show the missing clip and the other weights together: the largest r {went.final_ratio_max}. Where the large table says “clip fraction”, it counts the r outside of 1 ± ε all the same. Nothing is held there, and nothing pulled back by a clip.",
      },
    },
  },
  {
    title: "Must the critic be a separate network?",
    scene: { phase: "loss" },
    shows: (snapshot) => flowOf(snapshot) !== null,
    example: "two-networks",
    panels: ["Gradients"],
    text: [
      "No. It can be a network of its own, or a second head on the actor's trunk: the trunk is the layers that both use, a head the last layer, one for π and one for V. The loss is the same; what differs is which weights each term reaches.",
      {
        when: ({ snapshot }) => flowOf(snapshot)?.shared === false,
        text: "Here they are two networks. In all of the actor's layers together ∇L_PG has length {flow.policy}, and c₁·∇L_VF {flow.value}: the value loss reaches none of them, so there is no angle between the two (n/a).",
      },
      {
        when: ({ snapshot }) => flowOf(snapshot)?.shared === true,
        text: "Here both share a trunk. In it ∇L_PG has length {flow.policy}, c₁·∇L_VF {flow.value}, and the angle between them the cosine {flow.cosine}: near −1 they work against each other, near 0 neither disturbs the other, near 1 they agree. (Lengths over all layers of the trunk; the panel has them layer by layer.)",
      },
      "One trunk saves computing and may share what was learned; or the larger of the two gradients drowns the other. There c₁ matters in the trunk itself, and not only through the norm limit.",
    ],
    task: {
      text: "Look at a run with one trunk and two heads, at the same moment of the same update.",
      done: "Now both terms flow through the trunk. The panel shows it layer by layer; over all of these layers together:",
      other: { label: "Show one trunk with two heads", example: "shared-trunk" },
      flows: true,
      isDone: ({ snapshot, run }, entry) => flowOf(snapshot)?.shared === true && run !== null && run.id !== entry.run?.id,
    },
  },
  {
    title: "What is the entropy bonus for?",
    scene: { phase: "update" },
    shows: ({ header, arrays }) =>
      header.settings.objective === "clip" &&
      arrays.entropy_counts !== undefined &&
      Number(header.settings.entropy_coef) <= 0.05 &&
      Number(header.scalars.final_entropy) < 0.95 * Number(header.scalars.entropy_high),
    example: "two-networks",
    panels: ["Policy", "Loss components"],
    text: [
      "A policy that is certain tries nothing new. S is the mean entropy of π_θ over the states: {entropy} on average over this update, {final_entropy} after it, of at most {entropy_high}, the line in the panel Policy (with n actions to choose from it is log n). Subtracting c₂·S from the loss pays for staying undecided.",
      "Too little, and the policy may settle on the first thing that worked; too much, and it never settles.",
    ],
    task: {
      text: "Have this update made a second time with c₂ = 0.1.",
      done: "The same data, with a larger bonus on entropy:",
      trial: {
        name: "entropy_coef",
        value: () => 0.1,
        of: MEAN,
        rows: [
          ["−c₂·S", "entropy_term"],
          ["S, after the last step", "final_entropy"],
          ["L", "loss"],
        ],
        about:
          "After the last step S {went.final_entropy}. That is one update. The larger c₂, the slower S falls from update to update, or it even rises again.",
      },
    },
  },
  {
    title: "Why is the data thrown away?",
    scene: { phase: "update" },
    shows: (snapshot) =>
      isClip(snapshot) && setting(snapshot, "epochs") <= 10 && has(snapshot, "direction_at") && Number(snapshot.header.scalars.final_kl_exact) > 1e-3,
    example: "two-networks",
    panels: ["KL and clipping", "Ratio histogram", "Step direction"],
    text: [
      "The advantages describe π_old, the policy that collected. With every step π_θ moves away from it: after this update by KL {final_kl_exact}, with ratios from {final_ratio_min} to {final_ratio_max}. The ratio makes up for other actions in the same states, but not for the other states that π_θ would come to. So of {set.epochs} epochs the last one is the least trustworthy.",
      "PPO therefore uses a rollout a few times, held by the clip, and collects anew. That is what on-policy means. DQN or SAC may keep theirs in a replay buffer: they learn Q(s, a), for which it does not matter who chose the action.",
    ],
    task: {
      text: "Overdo it: have this update made a second time with 20 epochs on the same data.",
      done: "How far π_θ is from π_old, whole rollout, after the last step:",
      trial: {
        name: "epochs",
        value: () => 20,
        of: "",
        rows: [
          ["KL, exact", "final_kl_exact"],
          ["clip fraction", "ratio_clip_fraction"],
          ["smallest r", "final_ratio_min"],
          ["largest r", "final_ratio_max"],
          ["explained variance", "explained_variance"],
          ["held, mean of the update", "held_fraction"],
        ],
        about:
          "The exact KL, from the probabilities of all actions, {went.final_kl_exact}; the share with r outside of 1 ± ε {went.ratio_clip_fraction}. The clip stops the gradient of what has gone too far. It does not bring it back, and r drifts on with the weights that all samples share. The explained variance {went.explained_variance}; where it is larger, that is no point for more epochs: the critic was fitted five times as long to the same targets, and how it judges the states that come next is not in this number. Where a single update happens to end is partly luck: the share that was held on the way {went.held_fraction}.",
      },
    },
  },
];

/** What stands under the two samples of chapter 4. @type {string[]} */
export const OF_THE_PAIR = [
  "Held: Â > 0, the action was to become likelier, and it is, far enough. max picks the clipped term, which is a constant: no policy gradient. The critic's and the entropy's gradient still flow.",
  "Pulled back: Â < 0, the action was to become less likely, and has become likelier all the same, with the weights that all samples share. max picks −r·Â, the worse term, whose gradient flows at full size: there is nothing to hold back, only to put right.",
  "The rule for all cases: the policy gradient is gone only where r has gone the way that Â asks for, by more than ε. Anywhere else it flows.",
];

/** The rule itself: the sign of Â by the side of r. @type {[sign: string, below: string, inside: string, above: string][]} */
export const RULE = [
  ["Â > 0", "pulled back: flows", "flows", "held: 0"],
  ["Â < 0", "held: 0", "flows", "pulled back: flows"],
];

/** What stands under the rule. @type {string[]} */
export const OF_THE_RULE = [
  "The panel Surrogate draws it: Â > 0 in one picture, Â < 0 in the other, each sample on its curve. Where the curve is flat, shaded, no gradient flows.",
  "Libraries log how many lie outside of 1 ± ε, the clip fraction: {clip_fraction} in this epoch. It is not the share without a gradient: {held_fraction} were held, and {pulled_back_fraction} pulled back with their full gradient. And a held sample has lost its policy gradient only.",
];

/** The paper's two leashes, side by side. @type {[what: string, clip: string, penalty: string][]} */
export const LEASHES = [
  ["looks at", "r of one sample", "all of π in its state"],
  ["the held sample", "gradient 0", "−r·Â flows on, β·KL pulls back"],
  ["objective against r", "flat beyond 1 ± ε", "a slope everywhere"],
  ["what is chosen", "ε", "β, or the KL that it is to lead to"],
];

/** What stands over and under them. @type {string[]} */
export const OF_THE_LEASHES = [
  "The paper has a second leash, the objective “kl penalty”: L_PG is the mean of −r·Â, plus β times the mean of KL(π_old‖π_θ). It holds no sample: it puts a price on having moved. In this epoch the mean KL was {kl_exact}; with β = 1 that would have been the price.",
  "How large β must be differs from problem to problem, so it is adapted: doubled after an update whose KL came out above 1.5 times a target, halved below a 1.5th of it. In the paper's own comparison the clip scored 0.82, this penalty 0.74, and no leash at all −0.39 (table 1). To see the three with one seed, begin the lessons “one leash, the clip”, “another leash, the penalty” and “no leash” with New run.",
];

/** Said to who has come to the end. */
export const CLOSING =
  "That was the guide. Now try it on your run: drag ε, look at the preview, and have an update made twice with “Apply to this update”.";

/** Said below the gradients of two networks and of one trunk. */
export const OF_THE_FLOWS =
  "To train such a run yourself, close the guide and begin one with “New run” (+ in the bar): its network has the setting “shared network”.";

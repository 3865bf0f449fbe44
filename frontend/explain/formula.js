// The formula: L = L_PG + c₁·L_VF − c₂·S and the objective in use, each symbol with its live number beneath.

import { count, extreme, fixed, NONE, number, settingText, term as termText } from "../state/format.js";
import { CLIP, rangeOf, rise } from "../ppo/clip-range.js";
import { moved, previewOf } from "../state/previewed.js";
import { isPriced, isToReference, priceOf } from "../state/priced.js";
import { scopeOf } from "../state/scope.js";
import { usedText } from "../state/used.js";
import { instead, nameOf } from "../state/whole.js";
import { arrow } from "../draw/preview-tag.js";
import { h, m, setAttribute, setHidden, setProse, setText } from "../ui/dom.js";
import { rove } from "../ui/roving.js";

/** @import { ClipRange } from "../ppo/clip-range.js" */
/** @import { Previewed } from "../state/previewed.js" */
/** @import { Idea, Preview, State } from "../types.js" */

/** @typedef {(state: State) => string} Live a live number, as text */
/** @typedef {(previewed: Previewed) => string | null} WouldBe the number of a preview; null where it has none */
/** @typedef {{ element: HTMLElement, output: HTMLElement, live: Live, wouldBe: WouldBe | undefined }} Cell */

const LOSS = "The loss: L = L_PG + c₁·L_VF − c₂·S";

/**
 * An index, lowered by hand: where no mathematical font is installed, browsers leave that of <msub> on the line.
 *
 * @param {string} base
 * @param {string} index
 */
const sub = (base, index) =>
  m(
    "mrow",
    {},
    m("mi", {}, base),
    m("mpadded", { voffset: "-0.3em", depth: "+0.3em" }, m("mrow", { class: "index" }, m(index.length === 1 ? "mi" : "mtext", {}, index))),
  );
const ratio = () => sub("r", "t");
const advantage = () => sub("Â", "t");
const BRACKETS = new Set(["(", ")"]);

/** A bracket of the height of a letter, whatever stands in it. @param {string} text */
const flat = (text) => m("mo", { stretchy: "false" }, text);
const divergence = () => m("mrow", {}, m("mi", {}, "KL"), flat("("), sub("π", "old"), flat("‖"), sub("π", "θ"), flat(")"));

/** @param {string} name @returns {Live} */
const lossTerm =
  (name) =>
  ({ snapshot }) =>
    termText(snapshot?.header.scalars[name]);

/** @param {string} name @param {number} decimals @returns {Live} */
const scalar =
  (name, decimals) =>
  ({ snapshot }) =>
    fixed(snapshot?.header.scalars[name], decimals);

/** @param {string} name @returns {Live} of a number that may be very small */
const small =
  (name) =>
  ({ snapshot }) =>
    number(snapshot?.header.scalars[name]);

/** @param {string} name @returns {Live} */
const setting = (name) => (state) => {
  const value = inUse(state, name);
  return value === undefined ? NONE : usedText(state.snapshot?.header, name, value);
};

/** The value that the update on show was made with. @param {State} state @param {string} name */
const inUse = ({ snapshot, run }, name) => snapshot?.header.settings[name] ?? run?.settings[name];

/** @param {keyof Previewed["then"]["terms"]} name @returns {WouldBe} */
const termWouldBe =
  (name) =>
  ({ then }) =>
    then.terms[name] === null ? null : termText(then.terms[name]);

/** L_PG beside an L that is not known would not add up: then the label alone compares it. @type {WouldBe} */
const policyLossWouldBe = (previewed) => (previewed.then.terms.loss === null ? null : termWouldBe("policy_loss")(previewed));

/** @param {keyof Preview} name @returns {WouldBe} */
const settingWouldBe =
  (name) =>
  ({ used, values }) =>
    used[name] === values[name] ? null : settingText(values[name]);

/** The edges of a clip range, as numbers. @param {ClipRange} range */
const lowerEdge = (range) => number(1 - range.clip_range, 4);
/** @param {ClipRange} range */
const upperEdge = (range) => number(1 + rise(range), 4);

/** @param {(range: ClipRange) => string} edge @returns {WouldBe} */
const edgeWouldBe =
  (edge) =>
  ({ used, values }) =>
    edge(used) === edge(values) ? null : edge(values);

/** @param {(range: ClipRange) => string} edge @returns {Live} */
const clipEdge = (edge) => (state) => {
  const range = clipRangeIn(state);
  return range ? edge(range) : NONE;
};

/** @param {State} state */
const clipRangeIn = (state) => rangeOf(Object.fromEntries(CLIP.map((name) => [name, inUse(state, name)])));

/** Which of the settings that may be off makes the clip, or would make it. @param {State} state @param {"clip_range_high" | "ratio_cap"} name */
const isOn = (state, name) => (clipRangeIn(state)?.[name] ?? previewOf(state)?.values[name] ?? null) !== null;

/** By which name a form of the clipped objective is kept. @param {boolean} apart @param {boolean} isCapped */
const formOf = (apart, isCapped) => `clip${apart ? ", ε⁺" : ""}${isCapped ? ", c" : ""}`;

/** 1 − ε, or 1 + ε⁺. @param {string} sign @param {string} range */
const oneAnd = (sign, range) => m("mrow", {}, m("mn", {}, "1"), m("mo", {}, sign), m("mi", {}, range));

/** @param {string} low @param {string} high @returns {Live} of r */
const span =
  (low, high) =>
  ({ snapshot }) => {
    const { [low]: from, [high]: to } = snapshot?.header.scalars ?? {};
    return from === null || from === undefined ? NONE : `${extreme(from)}…${extreme(to)}`;
  };

const FIRST_RATIO_LIMIT = 1e-4; // of a recording that does not know it

/** @type {Live} */
const badge = ({ snapshot }) => {
  const { first_ratio_error: error, first_ratio_limit: limit } = snapshot?.header.scalars ?? {};
  if (error === null || error === undefined) return "r ≡ 1 at the first minibatch?";
  return error <= (limit ?? FIRST_RATIO_LIMIT) ? "✓ r ≡ 1 at the first minibatch" : `✗ r ≠ 1 at the first minibatch: off by ${number(error)}`;
};

/** @param {HTMLElement} root @param {(idea: Idea, name: string | null) => void} visit */
export function createFormula(root, visit) {
  /** @type {Cell[]} */
  const cells = [];

  /**
   * A symbol with its number.
   *
   * @param {Idea} idea
   * @param {string} name in words
   * @param {Node} symbol
   * @param {Live} live
   * @param {{ width?: number, setting?: string, wouldBe?: WouldBe }} options width: characters kept free for the number
   */
  function term(idea, name, symbol, live, { width = 7, setting = undefined, wouldBe = undefined } = {}) {
    const output = h("span", { class: "live" }, NONE);
    output.style.minWidth = `${width}ch`;
    const element = h(
      "button",
      { type: "button", class: "term", "data-idea": idea, title: name, onclick: () => visit(idea, setting ?? null) },
      math(symbol),
      // A button's name does not take MathML in, so the symbol is also there as text.
      h("span", { class: "visually-hidden" }, `${symbol.textContent}, ${name}: `),
      output,
    );
    cells.push({ element, output, live, wouldBe });
    return element;
  }

  const cap = () =>
    term("clip", "the largest ratio that counts", m("mi", {}, "c"), setting("ratio_cap"), {
      width: 3,
      setting: "ratio_cap",
      wouldBe: settingWouldBe("ratio_cap"),
    });

  /** The objective of PPO. @param {boolean} apart whether r may rise by another range than it may fall by @param {boolean} isCapped */
  const clipped = (apart, isCapped) => {
    const upper = apart ? "ε⁺" : "ε";
    return objective(
      `The clipped objective: L_PG = mean of max(−${isCapped ? "min(r, c)" : "r"}·Â, −clip(r, 1−ε, 1+${upper})·Â)`,
      operator("max"),
      sign("("),
      sign("−"),
      ...(isCapped ? [operator("min"), sign("("), r(), sign(","), cap(), sign(")")] : [r()]),
      advantages(),
      sign(", −"),
      operator("clip"),
      sign("("),
      term("ratio", "probability ratio π_θ / π_old, mean over the samples", ratio(), scalar("ratio_mean", 3), { width: 5 }),
      sign(","),
      term("clip", "lower edge of the clip", oneAnd("−", "ε"), clipEdge(lowerEdge), {
        width: 4,
        setting: "clip_range",
        wouldBe: edgeWouldBe(lowerEdge),
      }),
      sign(","),
      term("clip", "upper edge of the clip", oneAnd("+", upper), clipEdge(upperEdge), {
        width: 4,
        setting: apart ? "clip_range_high" : "clip_range",
        wouldBe: edgeWouldBe(upperEdge),
      }),
      sign(")"),
      term("advantage", "advantage", advantage(), () => "", { width: 1 }),
      sign(")"),
    );
  };
  const check = h("p", {
    class: "badge",
    title: "Before the first step π_θ is π_old, so every ratio must be 1: the best single test of a PPO implementation",
  });
  const r = () => term("ratio", "probability ratio π_θ / π_old, smallest … largest", ratio(), span("ratio_min", "ratio_max"), { width: 9 });
  const advantages = () => term("advantage", "advantage; σ is its standard deviation before normalisation", advantage(), deviation, { width: 7 });
  const logProbability = () => [operator("log"), operator("π", "θ"), sign("(a|s)·")];

  const label = h("p", { class: "whose", hidden: true });

  /** @param {string} words @param {...Node} factors of the mean */
  const objective = (words, ...factors) =>
    h(
      "div",
      { class: "equation", role: "group", "aria-label": words },
      term("policy", "policy loss", sub("L", "PG"), lossTerm("policy_loss"), { wouldBe: policyLossWouldBe }),
      sign("="),
      operator("mean", "t"),
      ...factors,
    );

  /** What the setting `objective` chooses from; the clip has several forms. @type {Record<string, HTMLElement>} */
  const objectives = {
    ...Object.fromEntries([false, true].flatMap((apart) => [false, true].map((isCapped) => [formOf(apart, isCapped), clipped(apart, isCapped)]))),
    kl_penalty: objective(
      "The objective with a KL penalty: L_PG = mean of −r·Â, plus β times the mean of KL(π_old‖π_θ)",
      sign("("),
      sign("−"),
      r(),
      advantages(),
      sign(") +"),
      term("clip", "weight of the penalty on the KL between the policies", m("mi", {}, "β"), setting("kl_coef"), {
        width: 6,
        setting: "kl_coef",
        wouldBe: settingWouldBe("kl_coef"),
      }),
      sign("·"),
      operator("mean", "t"),
      term("ratio", "exact KL of π_old and π_θ, from all probabilities in each state", divergence(), small("kl_exact"), { width: 8 }),
    ),
    unclipped: objective("The objective without a clip: L_PG = mean of −r·Â", sign("−"), r(), advantages()),
    actor_critic: objective("The objective of actor-critic: L_PG = mean of −log π(a|s)·Â", sign("−"), ...logProbability(), advantages()),
    reinforce: objective(
      "The objective of REINFORCE: L_PG = mean of −log π(a|s)·G",
      sign("−"),
      ...logProbability(),
      term("advantage", "discounted return to go; σ is its standard deviation before normalisation", sub("G", "t"), deviation, { width: 7 }),
    ),
  };

  const toReference = m("mrow", {}, m("mi", {}, "KL"), flat("("), sub("π", "θ"), flat("‖"), sub("π", "ref"), flat(")"));
  /** @param {string} name @param {...Node} symbol what β weighs */
  const priced = (name, ...symbol) =>
    h(
      "span",
      { class: "price", hidden: true },
      sign("+"),
      term("clip", name, m("mrow", {}, m("mi", {}, "β"), m("mo", {}, "·"), ...symbol), lossTerm("penalty")),
    );
  const reverse = m("mrow", {}, m("mi", {}, "KL"), flat("("), sub("π", "θ"), flat("‖"), sub("π", "old"), flat(")"));
  const exactly = { kl: m("mi", {}, "KL"), kl_forward: divergence(), kl_reverse: reverse };
  /** By the name of the term. @type {Record<string, HTMLElement>} */
  const prices = {
    reference: priced("KL to the reference policy, times its coefficient β", toReference),
    ...Object.fromEntries(
      Object.entries(exactly).map(([name, symbol]) => [name, priced(`β times ${priceOf({ settings: { kl_estimate: name } }).what}`, symbol)]),
    ),
    ...Object.fromEntries(
      ["k1", "k2", "k3"].map((name) => {
        const { what } = priceOf({ settings: { kl_estimate: name } });
        return [name, priced(`β times ${what}`, sub("k", name[1]))];
      }),
    ),
  };
  const whole = h(
    "div",
    { class: "equation", role: "group", "aria-label": LOSS },
    term("loss", "total loss, minimised", m("mi", {}, "L"), lossTerm("loss"), { wouldBe: termWouldBe("loss") }),
    sign("="),
    term("policy", "policy loss", sub("L", "PG"), lossTerm("policy_loss"), { wouldBe: policyLossWouldBe }),
    sign("+"),
    term("value", "value coefficient", sub("c", "1"), setting("value_coef"), {
      width: 4,
      setting: "value_coef",
      wouldBe: settingWouldBe("value_coef"),
    }),
    sign("·"),
    term("value", "value loss: mean of (V − V_targ)²", sub("L", "VF"), lossTerm("value_loss"), { wouldBe: termWouldBe("value_loss") }),
    sign("−"),
    term("entropy", "entropy coefficient", sub("c", "2"), setting("entropy_coef"), {
      width: 5,
      setting: "entropy_coef",
      wouldBe: settingWouldBe("entropy_coef"),
    }),
    sign("·"),
    term("entropy", "mean entropy of the policy", m("mi", {}, "S"), lossTerm("entropy"), { wouldBe: termWouldBe("entropy") }),
    ...Object.values(prices),
  );
  root.append(whole, ...Object.values(objectives), check, label);
  rove(root, ".term"); // the first equation, where the stop begins, is never hidden

  /** @param {State} now */
  function draw(now) {
    const before = instead(now);
    const state = before ?? now;
    root.toggleAttribute("data-earlier", before !== null);
    const used = inUse(state, "objective") ?? "clip";
    const chosen = used === "clip" ? formOf(isOn(state, "clip_range_high"), isOn(state, "ratio_cap")) : used;
    for (const [name, element] of Object.entries(objectives)) setHidden(element, name !== chosen);
    const header = state.snapshot?.header;
    const price = header && isPriced(header) ? priceOf(header) : null;
    for (const [name, element] of Object.entries(prices)) setHidden(element, name !== price?.name);
    setAttribute(whole, "aria-label", price ? `${LOSS} + ${price.symbol}${isToReference(price) ? " to the reference policy" : ""}` : LOSS);
    const preview = previewOf(state);
    for (const { element, output, live, wouldBe } of cells) {
      if (element.parentElement?.hidden) continue;
      const previewed = preview ? (wouldBe?.(preview) ?? null) : null;
      setText(output, previewed ?? live(state));
      output.toggleAttribute("data-preview", previewed !== null);
    }
    const words = (before ? `${nameOf(before)}; ` : "") + (preview ? previewLabel(preview, state) : whose(state, "means"));
    setProse(label, words);
    setAttribute(label, "title", preview ? words : "");
    setHidden(label, words === "");
    label.toggleAttribute("data-preview", preview !== null);
    const text = badge(state);
    setText(check, text);
    setAttribute(check, "data-verdict", text[0] === "✓" ? "good" : text[0] === "✗" ? "bad" : "open");
  }

  return { draw };
}

/** What the numbers are of. @param {State} state @param {import("../state/scope.js").Kind} kind */
function whose({ snapshot }, kind) {
  const header = snapshot?.header;
  return header && header.scalars.loss !== null && header.scalars.loss !== undefined ? scopeOf(header, kind) : "";
}

/** With what a preview is compared: the same samples under the same weights. @param {Previewed} previewed @param {State} state */
function previewLabel(previewed, state) {
  const { now, then } = previewed;
  const terms = /** @type {const} */ ([
    ["loss", "L"],
    ["policy_loss", "L_PG"],
  ]).filter(([name]) => now.terms[name] !== null && then.terms[name] !== null);
  const compared = terms.map(([name, symbol]) => `${symbol} ${arrow(termText(now.terms[name]), termText(then.terms[name]))}`);
  const covered = previewed.partial ? `L_PG of ${count(then.samples)} shown samples` : "";
  const unknown = previewed.limited ? "L is not known, for here ε clips V as well" : "";
  return `preview ${[moved(previewed).join(", "), whose(state, "samples"), covered, unknown].filter(Boolean).join("; ")}${compared.length ? `: ${compared.join(", ")}` : ""}`;
}

/** @type {Live} */
const deviation = ({ snapshot }) => {
  const value = snapshot?.header.scalars.advantage_std;
  return value === null || value === undefined ? NONE : `σ ${number(value)}`;
};

/** All of one height and depth, so that everything stands on one line. @param {Node} content */
const math = (content) => m("math", {}, m("mpadded", { height: "1.15em", depth: "0.5em" }, content));

/** Its space is the style's, since browsers do not agree on that of an operator which stands alone. @param {string} text */
const sign = (text) =>
  h(
    "span",
    { class: BRACKETS.has(text) ? "sign" : "sign spaced", "aria-hidden": "true" },
    math(m("mo", { lspace: "0", rspace: "0", stretchy: "false" }, text)),
  );

/** @param {string} name @param {string} [index] */
const operator = (name, index) => h("span", { class: "sign operator", "aria-hidden": "true" }, math(index ? sub(name, index) : m("mi", {}, name)));

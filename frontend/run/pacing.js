// How fast the run goes, and how far one step: what Play and Step do.

import { h } from "../ui/dom.js";
import { whyNoControl } from "../state/permission.js";

/** @import { Quantity, State, StepSize, Until, ViewChoices } from "../types.js" */

/** @typedef {Pick<ViewChoices, "stepSize" | "until" | "pace">} PacingChoices */

/** @type {[StepSize, string][]} */
const SIZES = [
  ["phase", "one phase"],
  ["minibatch", "one minibatch"],
  ["epoch", "one epoch"],
  ["update", "one update"],
  ["updates", "ten updates"],
  ["until", "until…"],
];

/** Where a limit begins is a guess that makes sense for CartPole. @type {[Quantity, string, number | null][]} */
const QUANTITIES = [
  ["episodic_return_mean", "return ≥", 100],
  ["kl_k3", "KL (k3) >", 0.02],
  ["clip_fraction", "clip fraction >", 0.2],
  ["not_finite", "not finite", null],
];

/** In phases a second. @type {[number | null, string][]} */
const PACES = [
  [null, "full speed"],
  [8, "8 phases/s"],
  [4, "4 phases/s"],
  [2, "2 phases/s"],
  [1, "1 phase/s"],
  [0.5, "½ phase/s"],
];

/**
 * @param {ViewChoices} view
 * @param {(choices: Partial<PacingChoices>) => void} choose
 */
export function createPacing(view, choose) {
  const speed = select(
    "Speed",
    "How fast Play goes: phases a second are slow motion",
    PACES.map(([value, text]) => [String(value), text]),
    () => {
      choose({ pace: speed.value === "null" ? null : Number(speed.value) });
    },
  );
  const size = select("Step size", "How far one step goes", SIZES, () => {
    choose({ stepSize: /** @type {StepSize} */ (size.value) });
    show();
  });
  const quantity = select(
    "Until",
    "What the step goes on until",
    QUANTITIES.map(([value, text]) => [value, text]),
    () => {
      const standard = QUANTITIES.find(([value]) => value === quantity.value)?.[2] ?? null;
      limit.value = standard === null ? "" : String(standard);
      chooseUntil();
    },
  );
  const limit = h("input", {
    class: "number",
    type: "text",
    inputmode: "decimal",
    autocomplete: "off",
    "aria-label": "Limit",
    title: "The limit of the quantity beside",
    onchange: chooseUntil,
  });
  const until = h("span", { class: "until" }, quantity, limit);

  function chooseUntil() {
    const above = Number(limit.value.replace("−", "-").replace(",", "."));
    const needed = quantity.value !== "not_finite";
    const wrong = needed && (limit.value.trim() === "" || !Number.isFinite(above));
    limit.setCustomValidity(wrong ? "The limit is a number." : "");
    if (wrong) limit.reportValidity();
    else choose({ until: { quantity: /** @type {Quantity} */ (quantity.value), above: needed ? above : null } });
    show();
  }

  function show() {
    until.hidden = size.value !== "until";
    limit.hidden = quantity.value === "not_finite";
  }

  /** @param {Until} chosen */
  function showUntil({ quantity: name, above }) {
    quantity.value = name;
    limit.value = above === null ? "" : String(above);
  }

  speed.value = String(view.pace);
  size.value = view.stepSize;
  showUntil(view.until);
  show();

  return {
    speed,
    size,
    until,
    /** @param {State} state */
    draw(state) {
      speed.disabled = whyNoControl(state) !== null;
      if (size.value === state.view.stepSize) return;
      size.value = state.view.stepSize; // put back when the guide is closed
      show();
    },
  };
}

/**
 * @param {string} name
 * @param {string} title
 * @param {[string, string][]} options
 * @param {() => void} onchange
 */
const select = (name, title, options, onchange) =>
  h("select", { "aria-label": name, title, onchange }, ...options.map(([value, text]) => h("option", { value }, text)));

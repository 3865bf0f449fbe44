// The help sheet under "?".

import { digitOf } from "../state/staging.js";
import { h, prose } from "../ui/dom.js";

/** @type {[string[], string][]} */
const SHORTCUTS = [
  [["Space"], "Play or pause"],
  [["→"], "One step of the chosen size; in the past, one step towards the present"],
  [["←"], "One step back, through what is kept"],
  [["l"], "Back to the present"],
  [["s"], "Stage: one or two panels as large as the window allows, for a projector; and back"],
  [["1", "…", "9"], "On Stage: this panel alone, by its place in the list below"],
  [["0"], "The tenth panel; pressed again, those after it, one by one"],
  [["Shift", "1", "…", "0"], "This panel beside the one on Stage; pressed again, without it"],
  [["g"], "The guide: eight short chapters, on your run or on recorded examples"],
  [["t"], "The next theme: light, dark, projector"],
  [["Esc"], "Dismiss an error; leave Stage or a maximised panel, a span of the charts, the guide; or this sheet"],
  [["?"], "This sheet"],
];

/** @type {[string, string, string][]} */
const COLOURS = [
  ["policy", "Policy", "the actor: π_θ and its loss L_PG"],
  ["value", "Value", "the critic: V, its loss L_VF and c₁"],
  ["entropy", "Entropy", "the bonus for staying undecided: S and c₂"],
  ["inside", "Inside", "r lies within the clip range: the policy gradient flows"],
  ["held", "Held", "beyond the clip in the good direction: its policy gradient is exactly zero"],
  ["pulled-back", "Pulled back", "beyond the clip in the bad direction: the gradient flows, at full size"],
];

/** @param {HTMLElement} parent @param {readonly string[]} panels their names @param {HTMLButtonElement} opener of a file */
export function createHelp(parent, panels, opener) {
  const close = h("button", { type: "button", class: "primary", onclick: () => dialog.close() }, "Close");
  const dialog = h(
    "dialog",
    { class: "help sheet", "aria-labelledby": "help-title" },
    h("h2", { id: "help-title", tabindex: "-1", autofocus: true }, "What you see here"), // or it would open at its end, where the first button is
    h(
      "p",
      {},
      "A PPO agent is trained for real, and everything on this page was computed by the code that trains it. Each update collects a rollout, estimates advantages, optimises the loss over a few epochs of minibatches, and throws the data away. Pause it, and step through an update as finely as you like. A moved slider takes effect at the next update; in the past it only previews.",
    ),
    h(
      "p",
      {},
      "The server keeps moments of the run to go back to: the end of updates, and every phase of those that were stepped through. A phase that a step has passed is measured when you go back to it, or while the run rests. Its memory for them is bounded, and the oldest make room, measured or not; the timeline says how far back they reach.",
    ),
    h(
      "p",
      {},
      "Drag under the timeline, or move the two ends there with the arrow keys (Shift: one update at a time): all charts over updates show that span, and Escape or a double click shows all again. Point at an update in any of them, and all of them say what they have there.",
    ),
    h(
      "p",
      {},
      "The run's name in the bar opens the list of the server's runs. From there up to three others, live, kept or recorded, are put beside the run at hand: returns are laid over each other, the other panels stand side by side on the same axes, and Play, Pause, Step and the timeline move all of them.",
    ),
    h("h3", {}, "Keyboard"),
    h("dl", { class: "keys" }, ...SHORTCUTS.flatMap(([keys, text]) => [h("dt", {}, ...keys.map((key) => h("kbd", {}, key))), h("dd", {}, text)])),
    h(
      "p",
      {},
      "They work wherever you have clicked, but in a text that you are typing; Enter ends the typing. Come to by Tab, a slider keeps its arrows, a button its Space, and a list the characters of its choices.",
    ),
    h("h3", {}, "Panels by number"),
    h("ol", { class: "numbered" }, ...panels.map((name, place) => h("li", {}, h("kbd", {}, digitOf(place)), ` ${name}`))),
    h("h3", {}, "Colours"),
    h(
      "dl",
      { class: "colours" },
      ...COLOURS.flatMap(([name, title, text]) => [h("dt", {}, h("i", { class: `swatch ${name}` }), title), h("dd", {}, ...prose(text))]),
    ),
    h(
      "p",
      {},
      "Nothing to train on? ",
      h("a", { href: "?recording=cartpole" }, "Look at a recorded run"),
      ", step by step, with the guide; or open one that ",
      h("code", {}, "ppo-scope record --out FILE"),
      " has made: drop the file onto the page. ",
      opener,
    ),
    close,
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  parent.append(dialog);
  return { toggle: () => (dialog.open ? dialog.close() : dialog.showModal()), isOpen: () => dialog.open };
}

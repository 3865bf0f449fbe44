// The pipeline: where in an update the trainer is, and in one line what happens there.

import { stepInWords, underWay } from "../state/activity.js";
import { atFullSpeed } from "../state/motion.js";
import { h, prose, setHidden, setProse, setText } from "../ui/dom.js";
import { sentence } from "./sentence.js";

/** @import { Header, Phase, State } from "../types.js" */

/** @type {Record<Phase, string>} */
const STATION = {
  ready: "collect",
  rollout: "collect",
  advantages: "advantages",
  loss: "optimise",
  gradient: "optimise",
  step: "optimise",
  epoch: "optimise",
  update: "discard",
};

/** @param {HTMLElement} root */
export function createPipeline(root) {
  const [epoch, minibatch] = [h("span", { class: "whole" }), h("span", { class: "whole" })];
  const position = h("span", { class: "position" }, epoch, " ", minibatch);
  const acting = h("span", {}, ...prose("act with π_old"));
  const collected = h("span", { hidden: true });
  const inner = ["loss", "gradient", "step"].map((name) => h("li", { "data-phase": name }, name));
  const stations = [
    station("collect", "Collect", acting, collected),
    station("advantages", "Estimate advantages", "better than expected?"),
    station("optimise", "Optimise", position, h("ol", { class: "inner", "aria-label": "for each minibatch" }, ...inner)),
    station("discard", "Discard", "the data are used up"),
  ];
  const line = h("p", { class: "sentence" });
  root.append(h("ol", { class: "stations" }, ...stations), line);

  /** @param {State} state */
  function draw(state) {
    const running = atFullSpeed(state);
    // While running, progress is the newest word on where the trainer is; at rest the snapshot is what is shown.
    root.toggleAttribute("data-full-speed", running);
    const where = running ? newer(state.progress, state.snapshot?.header ?? null) : (state.snapshot?.header ?? state.progress);
    const doing = underWay(state);
    const collecting = doing?.name === "collecting" ? doing : null;
    const lit = collecting ? "collect" : where ? STATION[where.phase] : null;
    setHidden(acting, collecting !== null);
    setHidden(collected, collecting === null);
    if (collecting) setText(collected, stepInWords(collecting));
    for (const element of stations) mark(element, element.dataset.station === lit);
    for (const element of inner) mark(element, !collecting && element.dataset.phase === where?.phase);
    const [ofEpochs, ofMinibatches] = place(where);
    setText(epoch, ofEpochs);
    setText(minibatch, ofMinibatches);
    setProse(line, sentence(state));
  }

  return { draw };
}

/**
 * @param {string} name
 * @param {string} title
 * @param {...(Node | string)} content
 */
function station(name, title, ...content) {
  return h("li", { class: "station", "data-station": name }, h("b", {}, title), h("span", { class: "detail" }, ...content));
}

/**
 * @param {HTMLElement} element
 * @param {boolean} lit
 */
function mark(element, lit) {
  if (lit) element.setAttribute("aria-current", "step");
  else element.removeAttribute("aria-current");
}

/**
 * @param {Header | null} a
 * @param {Header | null} b
 */
const newer = (a, b) => ((a?.sequence ?? -1) > (b?.sequence ?? -1) ? a : b);

/** Where there is no room for both, they stand in two lines. @param {Header | null} where @returns {[epoch: string, minibatch: string]} */
function place(where) {
  const epochs = where?.epochs || "K";
  const minibatches = where?.minibatches || "n";
  const inside = where && STATION[where.phase] === "optimise";
  return [`epoch ${inside ? where.epoch : "–"} of ${epochs} ·`, `minibatch ${inside ? where.minibatch : "–"} of ${minibatches}`];
}

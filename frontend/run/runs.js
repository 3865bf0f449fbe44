// The menu "Runs": all of the server's runs, how each goes, what is another than with the run at hand, and the way there.

import { runState } from "../state/ended.js";
import { count, settingText } from "../state/format.js";
import { createConfirm } from "../ui/confirm.js";
import { h, icon, setAttribute, setHidden, setText } from "../ui/dom.js";
import { whyNoControl } from "../ui/permission.js";
import { createPopup } from "../ui/popup.js";

/** @import { RunBrief, SettingValue, State } from "../types.js" */

const DOWN = "M3 5.5h10L8 11z";
const WIDTH = 72;
const HEIGHT = 18;
const NAMED = 4; // settings that are named where runs differ; of more, how many
const OWN_LINE = new Set(["env", "seed"]); // said of every run, whether it is another one or not

/** @typedef {{ id: string, settings: { [name: string]: SettingValue } }} Described */

/**
 * @param {State} state
 * @param {{ open(run: string): void, end(): void, describe(): Promise<Described[]> }} page
 */
export function createRuns(state, { open, end, describe }) {
  const environment = h("strong", { class: "run-environment" });
  const facts = h("span", { class: "run-facts" });
  const number = h("span", { class: "runs-count" });
  const opener = h("button", { type: "button", class: "quiet run", "aria-controls": "runs-sheet" }, h("span", { class: "visually-hidden" }, "Runs: "), environment, facts, number, icon(DOWN));
  const list = h("ul", { "aria-label": "Runs of this server" });
  const ender = h("button", { type: "button", onclick: () => confirm.toggle() }, "End this run");
  const confirm = createConfirm(ender, {
    question: () => "End the run at hand? Its process goes; what it has shown stays in this list.",
    yes: "End it",
    no: "Let it go on",
    action: end,
  });
  const sheet = h("div", { class: "panels-sheet runs-sheet", id: "runs-sheet", role: "group", "aria-label": "Runs" }, list, h("div", { class: "runs-end" }, ender, confirm.element));
  const { root, close } = createPopup("runs", opener, sheet, fill);

  /** Of each run, once it was asked for. @type {Map<string, Described>} */
  let described = new Map();

  function fill() {
    drawList();
    describe().then((runs) => {
      described = new Map(runs.map((run) => [run.id, run]));
      drawList();
    }, () => {}); // then the list stays without what differs
  }

  function drawList() {
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.run : undefined;
    list.replaceChildren(...state.runs.map(item));
    if (focused) /** @type {HTMLElement | null} */ (list.querySelector(`[data-run="${CSS.escape(focused)}"]`))?.focus();
  }

  /** @param {RunBrief} run */
  function item(run) {
    const here = run.id === state.run?.id;
    const differs = here ? "" : inWords(described.get(state.run?.id ?? "")?.settings, described.get(run.id)?.settings);
    return h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "run-item", "data-run": run.id, "aria-current": here ? "true" : undefined, onclick: () => (close(), here || open(run.id)) },
        h("strong", {}, run.environment),
        h("span", { class: "run-item-state", "data-state": run.state }, run.state.replaceAll("_", " ")),
        sparkline(run.returns),
        h("span", { class: "run-item-facts" }, `seed ${run.seed} · update ${count(run.update)}${here ? " · on show" : ""}`),
        differs && h("span", { class: "run-item-differs" }, differs),
      ),
    );
  }

  /** @param {State} state */
  function draw(state) {
    const { run, runs } = state;
    const others = runs.filter(({ id }) => id !== run?.id).length;
    setText(environment, run?.environment ?? "no run");
    setText(facts, run ? `seed ${run.seed} · ${device(run.device)}` : "");
    setText(number, others ? `+${others}` : "");
    const list = others ? ` The list of this server's ${runs.length} runs` : " The runs of this server: one so far";
    setAttribute(opener, "title", [environment.textContent, facts.textContent].filter(Boolean).join(", ") + `.${list}`);
    opener.disabled = document.body.hasAttribute("data-bare"); // who embeds a page has chosen its run
    const now = runState(state);
    const reason = whyNoControl(state) ?? (now === null || OVER.has(now) ? "The run has ended." : null);
    ender.disabled = reason !== null;
    setAttribute(ender, "title", reason ?? "Its process goes; what it has shown stays");
    if (!sheet.hidden) drawList();
  }

  return { root, draw };
}

/** @param {string} name */
const device = (name) => (name === "cpu" ? "CPU" : name.toUpperCase());

const OVER = new Set(["stopped", "failed", "killed", "out_of_memory"]);

/**
 * What another run does otherwise, in words.
 *
 * @param {{ [name: string]: SettingValue } | undefined} here
 * @param {{ [name: string]: SettingValue } | undefined} there
 */
export function inWords(here, there) {
  if (!here || !there) return "";
  const names = differing(here, there).filter((name) => !OWN_LINE.has(name));
  const shown = names.slice(0, NAMED).map((name) => `${name.replaceAll("_", " ")} ${settingText(there[name])}`);
  const more = names.length - shown.length;
  return [...shown, more > 0 && `${more} more`].filter(Boolean).join(", ");
}

/**
 * The settings that have not the same value, in their order.
 *
 * @param {{ [name: string]: SettingValue }} one
 * @param {{ [name: string]: SettingValue }} other
 */
export const differing = (one, other) => Object.keys({ ...one, ...other }).filter((name) => JSON.stringify(one[name]) !== JSON.stringify(other[name]));

/** The return over the updates. @param {(number | null)[]} returns */
function sparkline(returns) {
  const known = returns.flatMap((value, at) => (value === null ? [] : [/** @type {[number, number]} */ ([at, value])]));
  const [low, high] = [Math.min(...known.map(([, value]) => value)), Math.max(...known.map(([, value]) => value))];
  const points = known.map(([at, value]) => {
    const across = returns.length > 1 ? (at / (returns.length - 1)) * WIDTH : WIDTH;
    const down = high > low ? HEIGHT - 1 - ((value - low) / (high - low)) * (HEIGHT - 2) : HEIGHT / 2;
    return `${across.toFixed(1)},${down.toFixed(1)}`;
  });
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "run-item-returns", "aria-hidden": "true" })) svg.setAttribute(name, value);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points.join(" "));
  svg.append(line);
  return svg;
}

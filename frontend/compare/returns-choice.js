// Which runs are compared: those of the server and those that are kept, by their sweeps or environments.

import { valuesInWords } from "../state/beside.js";
import { count } from "../state/format.js";
import { stateInWords } from "../state/stands.js";
import { h, setText } from "../ui/dom.js";
import { onPress } from "../ui/pressed.js";
import { renew } from "../ui/renew.js";

/** @import { KeptRunTold, Run, RunBrief } from "../types.js" */

const MOST = 1000; // as many as the server puts into one comparison

/** @typedef {{ id: string, environment: string, seed: number | null, update: number, state: string, created: string, sweep?: string | null, varied: string, here: boolean }} Offered varied: what tells it from others of its sweep, its seed aside */

/** The runs among which it is offered. @param {{ environment: string, sweep?: string | null }} run */
const kinOf = ({ environment, sweep }) => (sweep ? `Sweep ${sweep}` : environment);

/** @param {() => void} changed */
export function createChoice(changed) {
  const lists = h("div", { class: "compared-lists" });
  const number = h("p", { class: "compared-number", role: "status" });
  const older = h("p", { class: "compared-number" });
  const element = h("section", { class: "compared-choice", "aria-label": "Runs to compare" }, number, lists, older);

  /** @returns {HTMLInputElement[]} */
  const boxes = (root = /** @type {Element} */ (lists)) => [.../** @type {NodeListOf<HTMLInputElement>} */ (root.querySelectorAll("input"))];

  const chosen = () => boxes().flatMap(({ checked, value }) => (checked ? [value] : []));

  function tell() {
    const many = chosen().length;
    for (const box of boxes()) box.disabled = !box.checked && many >= MOST;
    setText(
      number,
      many >= MOST
        ? `${count(MOST)} runs are chosen: no more fit into one comparison.`
        : many === 1
          ? "1 run is chosen."
          : `${many} runs are chosen.`,
    );
  }

  lists.addEventListener("change", () => (tell(), changed()));
  onPress(lists, (button) => {
    const on = button.dataset.pick === "all";
    let room = MOST - chosen().length;
    for (const box of boxes(button.closest("fieldset") ?? lists)) if (box.checked !== on && (!on || room-- > 0)) box.checked = on;
    tell();
    changed();
  });

  /** @param {string} name @param {Offered[]} runs @param {(run: Offered) => boolean} wanted */
  function listOf(name, runs, wanted) {
    return h(
      "fieldset",
      { "data-key": name },
      h("legend", {}, name),
      h(
        "span",
        { class: "compared-all" },
        h("button", { type: "button", class: "quiet", "aria-label": `All of ${name}`, "data-pick": "all" }, "all"),
        h("button", { type: "button", class: "quiet", "aria-label": `None of ${name}`, "data-pick": "none" }, "none"),
      ),
      h("ul", {}, ...runs.map((run) => item(run, wanted(run)))),
    );
  }

  /** @param {Offered} run @param {boolean} wanted */
  function item({ id, seed, update, state, varied, here }, wanted) {
    const facts = [varied, `update ${count(update)}`, `${stateInWords(state)}${here ? " here" : ""}`].filter(Boolean).join(", ");
    return h(
      "li",
      { "data-key": id },
      h(
        "label",
        {},
        h("input", { type: "checkbox", value: id, checked: wanted }),
        h(
          "span",
          { class: "compared-run" },
          h("b", {}, seed === null ? "seed not known" : `seed ${seed}`),
          id,
          h("i", { "data-run": id, "aria-hidden": "true" }),
        ),
        h("small", {}, facts),
      ),
    );
  }

  /** Of the server, and not only on the disk. @type {Set<string>} */
  let here = new Set();
  /** Of these, those that are over, and kept. @type {Set<string>} */
  let over = new Set();
  let offered = "";
  /** What was offered last, by its identifier. @type {Map<string, Offered>} */
  let known = new Map();

  return {
    element,
    chosen,
    /** Which are chosen and how far each has come: nothing has changed where this has not. */
    standing: () =>
      boxes()
        .flatMap((box) => (box.checked ? [`${box.value} ${box.closest("li")?.textContent}`] : []))
        .join(),
    /** Whether it is to be looked at in this server; what is over and kept is measured anew from the disk. @param {string} id */
    isHere: (id) => here.has(id) && !over.has(id),
    /** By the line of the group that each is in. @param {{ runs: { id: string }[] }[]} groups */
    mark(groups) {
      const looks = new Map(groups.flatMap(({ runs }, look) => runs.map(({ id }) => /** @type {[string, number]} */ ([id, look]))));
      for (const line of /** @type {NodeListOf<HTMLElement>} */ (lists.querySelectorAll("[data-run]"))) {
        const look = looks.get(line.dataset.run ?? "");
        if (look === undefined) delete line.dataset.look;
        else line.dataset.look = String(look);
      }
    },
    focus: () => boxes()[0]?.focus({ preventScroll: true }),
    /** How one stands. @param {string} id */
    stateOf: (id) => known.get(id)?.state ?? null,
    /** The sweep that all of the chosen ones are of, if there is one. */
    sweep() {
      const sweeps = new Set(chosen().map((id) => known.get(id)?.sweep ?? null));
      return sweeps.size === 1 ? [...sweeps][0] : null;
    },
    /**
     * All that there are; those of the sweep or the environment at hand are chosen, and of those that were offered before,
     * the same.
     *
     * @param {RunBrief[]} server
     * @param {KeptRunTold[]} disk
     * @param {Pick<Run, "environment" | "sweep"> | null} atHand
     * @param {number} more kept runs that are not among them
     */
    offer(server, disk, atHand, more) {
      setText(older, more ? `${count(more)} older ${more === 1 ? "run that is kept is" : "runs that are kept are"} not listed.` : "");
      const before = new Map(boxes().map(({ value, checked }) => [value, checked]));
      here = new Set(server.map(({ id }) => id));
      const kept = new Set(disk.map(({ id }) => id));
      over = new Set(server.flatMap(({ id, gone }) => (gone && kept.has(id) ? [id] : [])));
      const varies = new Map(disk.map((run) => [run.id, valuesInWords(run.varied)]));
      const ends = new Map(disk.map(({ id, state }) => [id, state])); // also of those that are only shown from there
      /** @type {Offered[]} */
      const all = [
        ...server.map((run) => ({ ...run, state: (run.state === "kept" && ends.get(run.id)) || run.state, here: true })),
        ...disk.filter(({ id, problem, update }) => !here.has(id) && !problem && update > 0).map((run) => ({ ...run, here: false })),
      ].map((run) => ({ ...run, varied: varies.get(run.id) ?? "" }));
      const now = JSON.stringify([atHand && kinOf(atHand), all.map(({ id, state, update, varied }) => [id, state, update, varied])]);
      if (now === offered) return; // nobody's click is lost to what looks the same
      offered = now;
      known = new Map(all.map((run) => [run.id, run]));
      const kins = [...new Set(all.map(kinOf))];
      const first = atHand ? kinOf(atHand) : kins[0];
      let room = MOST;
      renew(
        lists,
        kins
          .sort((a, b) => Number(b === first) - Number(a === first))
          .map((kin) => {
            const runs = all.filter((run) => kinOf(run) === kin);
            const wanted = (/** @type {Offered} */ { id }) => (before.get(id) ?? kin === first) && room-- > 0;
            return listOf(kin, runs, wanted);
          }),
      );
      tell();
    },
  };
}

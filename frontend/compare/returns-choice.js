// Which runs are compared: those of the server and those that are kept, by their environments.

import { count } from "../state/format.js";
import { h, setText } from "../ui/dom.js";

/** @import { KeptRunTold, Run, RunBrief } from "../types.js" */

const MOST = 40; // as many as the server puts into one comparison

/** @typedef {{ id: string, environment: string, seed: number | null, update: number, state: string, created: string, here: boolean }} Offered */

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
      many >= MOST ? `${MOST} runs are chosen: no more fit into one comparison.` : many === 1 ? "1 run is chosen." : `${many} runs are chosen.`,
    );
  }

  /** @param {string} environment @param {Offered[]} runs @param {(run: Offered) => boolean} wanted */
  function listOf(environment, runs, wanted) {
    const items = h("ul", {}, ...runs.map((run) => item(run, wanted(run))));
    const pick = (/** @type {boolean} */ on) => () => {
      let room = MOST - chosen().length;
      for (const box of boxes(items)) if (box.checked !== on && (!on || room-- > 0)) box.checked = on;
      tell();
      changed();
    };
    return h(
      "fieldset",
      {},
      h("legend", {}, environment),
      h(
        "span",
        { class: "compared-all" },
        h("button", { type: "button", class: "quiet", "aria-label": `All of ${environment}`, onclick: pick(true) }, "all"),
        h("button", { type: "button", class: "quiet", "aria-label": `None of ${environment}`, onclick: pick(false) }, "none"),
      ),
      items,
    );
  }

  /** @param {Offered} run @param {boolean} wanted */
  function item({ id, seed, update, state, here }, wanted) {
    const facts = `update ${count(update)}, ${state.replaceAll("_", " ")}${here ? " here" : ""}`;
    return h(
      "li",
      {},
      h(
        "label",
        {},
        h("input", { type: "checkbox", value: id, checked: wanted, onchange: () => (tell(), changed()) }),
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

  return {
    element,
    chosen,
    /** By the line of the group that each is in. @param {{ runs: { id: string }[] }[]} groups */
    mark(groups) {
      const looks = new Map(groups.flatMap(({ runs }, look) => runs.map(({ id }) => /** @type {[string, number]} */ ([id, look]))));
      for (const line of /** @type {NodeListOf<HTMLElement>} */ (lists.querySelectorAll("[data-run]"))) {
        const look = looks.get(line.dataset.run ?? "");
        if (look === undefined) delete line.dataset.look;
        else line.dataset.look = String(look);
      }
    },
    focus: () => boxes()[0]?.focus(),
    /**
     * All that there are; those of the environment at hand are chosen, and of those that were offered before, the same.
     *
     * @param {RunBrief[]} server
     * @param {KeptRunTold[]} disk
     * @param {Pick<Run, "environment"> | null} atHand
     * @param {number} more kept runs that are not among them
     */
    offer(server, disk, atHand, more) {
      setText(older, more ? `${count(more)} older ${more === 1 ? "run that is kept is" : "runs that are kept are"} not listed.` : "");
      const before = new Map(boxes().map(({ value, checked }) => [value, checked]));
      const known = new Set(server.map(({ id }) => id));
      /** @type {Offered[]} */
      const all = [
        ...server.map((run) => ({ ...run, here: true })),
        ...disk.filter(({ id, problem, update }) => !known.has(id) && !problem && update > 0).map((run) => ({ ...run, here: false })),
      ];
      const environments = [...new Set(all.map(({ environment }) => environment))];
      const first = atHand?.environment ?? environments[0];
      let room = MOST;
      lists.replaceChildren(
        ...environments
          .sort((a, b) => Number(b === first) - Number(a === first))
          .map((environment) => {
            const runs = all.filter((run) => run.environment === environment);
            const wanted = (/** @type {Offered} */ { id }) => (before.get(id) ?? environment === first) && room-- > 0;
            return listOf(environment, runs, wanted);
          }),
      );
      tell();
    },
  };
}

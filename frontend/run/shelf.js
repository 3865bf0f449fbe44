// The runs that are kept on disk, in the menu "Runs": how each ended, which branched off from which, and the ways on.

import { valuesInWords } from "../state/beside.js";
import { fullTitleOf, titleOf } from "../state/called.js";
import { OVER, hasFinished } from "../state/ended.js";
import { count } from "../state/format.js";
import { asTree, forkedFrom } from "../state/lineage.js";
import { keptInWords } from "../state/stands.js";
import { createConfirm } from "../ui/confirm.js";
import { h, setHidden, setText } from "../ui/dom.js";
import { sparkline } from "./curve.js";

/** @import { KeptRunTold, Shelf } from "../types.js" */

/** What comparing does, of every list. */
export const COMES = "Shows it beside the run on show";
export const LEAVES = "It is beside the run on show, and leaves its place";
const THEIRS = "Its training loop is somebody else's: begin it anew where it was begun.";
const NOTHING_KEPT = "Nothing of it was kept that another one could begin with.";
const ELSEWHERE = "Another PPO Scope has it.";

/**
 * @typedef {object} Shelves
 * @property {() => Promise<Shelf>} list
 * @property {() => string | null} whyNot why nothing can be begun or deleted from this page; null: it can
 * @property {() => string | null} atHand the run on show
 * @property {(run: KeptRunTold) => void} open shows it without training
 * @property {(run: KeptRunTold) => void} compare shows it beside the run at hand
 * @property {(run: string) => void} part takes it out of the comparison
 * @property {(run: string) => boolean} beside whether it is compared
 * @property {(run: KeptRunTold) => void} goOn
 * @property {(run: KeptRunTold) => void} fork
 * @property {(run: KeptRunTold) => Promise<void>} remove for good
 */

/**
 * @param {Shelves} shelves
 * @param {() => void} close the menu, before something is done
 */
export function createShelf({ list, whyNot, atHand, open, compare, part, beside, goOn, fork, remove }, close) {
  const heading = h("h3", {}, "Kept");
  const where = h("p", { class: "kept-folder" });
  const items = h("ul", { "aria-label": "Runs that are kept" });
  const none = h("p", {});
  const element = h("section", { class: "shelf", hidden: true }, h("div", { class: "kept-head" }, heading, where), items, none);
  /** What was heard last. @type {Shelf | null} */
  let shelf = null;
  let shown = "";
  /** Whether one stands here: not those of this server, until they are over and can be gone on with, like any other. @param {KeptRunTold} run */
  const stands = ({ here, state }) => !here || OVER.has(state);

  function fill() {
    if (shelf) show(shelf);
    return list().then(show, () => {}); // then what was there stays
  }

  /** @param {Shelf} found */
  function show(found) {
    shelf = found;
    const others = found.runs.filter(stands);
    setHidden(element, found.folder === null);
    setText(where, found.folder ?? "");
    where.title = `Runs are kept in ${found.folder}`;
    const more = found.more ? `${count(found.more)} older ones are there beside these: ppo-scope runs lists them.` : "";
    setText(none, others.length ? more : "No others yet: a run is kept while it goes on, and stands here once the server has been ended.");
    const key = JSON.stringify([others.map((run) => [run, beside(run.id)]), whyNot(), atHand()]);
    if (key === shown) return; // somebody may be about to press something in it
    shown = key;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.kept : undefined;
    items.replaceChildren(...asTree(others).map(item));
    items.tabIndex = items.querySelector("li > button:enabled, .kept-ways > button:enabled") ? -1 : 0; // else nobody without a mouse could scroll it
    if (focused) /** @type {HTMLElement | null} */ (items.querySelector(`[data-kept="${CSS.escape(focused)}"]`))?.focus();
  }

  /** @param {{ run: KeptRunTold, depth: number }} entry */
  function item({ run, depth }) {
    const name = run.environment ? fullTitleOf(run) : run.id;
    const away = whyNot() ?? (run.in_use ? ELSEWHERE : null);
    const refused = whyNot() ?? (run.problem || away);
    const more = hasFinished(run); // with what it is to go on is asked first
    const from = run.resumes_at === null ? "Nothing of it was kept to go on from" : `Trains on from before update ${count(run.resumes_at)}`;
    const theirs = refused ?? (run.foreign ? THEIRS : null);
    const noFork = theirs ?? (run.resumes_at === null ? NOTHING_KEPT : null);
    const goes = more ? "It has made all its steps: asks how many it is to have" : from;
    const remover = h(
      "button",
      {
        type: "button",
        class: "quiet",
        "data-kept": `delete ${run.id}`,
        "aria-label": `Delete ${name}, run ${run.id}`,
        title: away ?? "Removes it from the disk, for good",
        disabled: away !== null,
        onclick: () => confirm.toggle(),
      },
      "Delete",
    );
    const confirm = createConfirm(remover, {
      question: () => `Delete run ${run.id} (${name}, ${count(run.update)} updates, ${size(run)}) from the disk? It is gone for good.`,
      yes: "Delete it",
      no: "Keep it",
      action: () => void remove(run).then(fill, fill),
    });
    return h(
      "li",
      { "data-depth": String(Math.min(depth, 4)) },
      h(
        "button",
        {
          type: "button",
          class: "run-item",
          "data-kept": `open ${run.id}`,
          title: refused ?? `Shows it, without training (${size(run)} on the disk)`,
          disabled: refused !== null,
          onclick: () => (close(), open(run)),
        },
        h("strong", {}, titleOf(run) || run.id),
        h("span", { class: "run-item-state", "data-state": run.state }, keptInWords(run.state)),
        sparkline(run.returns),
        h(
          "span",
          { class: "run-item-facts" },
          run.problem || facts(run) + (run.id === atHand() ? " · on show" : beside(run.id) ? " · beside it" : ""),
        ),
        h(
          "span",
          { class: "run-item-differs" },
          [valuesInWords(run.varied), run.environment && run.id, forkedFrom(run.parent)].filter(Boolean).join(", "),
        ),
      ),
      h(
        "div",
        { class: "kept-ways" },
        run.id !== atHand() &&
          h(
            "button",
            {
              type: "button",
              "data-kept": `compare ${run.id}`,
              "aria-label": beside(run.id) ? `Take ${name}, run ${run.id}, out of the comparison` : `Compare with ${name}, run ${run.id}`,
              title: refused ?? (beside(run.id) ? LEAVES : COMES),
              disabled: refused !== null,
              onclick: () => (close(), beside(run.id) ? part(run.id) : compare(run)),
            },
            beside(run.id) ? "Take out" : "Compare",
          ),
        h(
          "button",
          {
            type: "button",
            "data-kept": `go on ${run.id}`,
            "aria-label": `Go on with ${name}, run ${run.id}`,
            title: theirs ?? goes,
            disabled: theirs !== null,
            onclick: () => (close(), goOn(run)),
          },
          more ? "Go on…" : "Go on",
        ),
        h(
          "button",
          {
            type: "button",
            "data-kept": `fork ${run.id}`,
            "aria-label": `Fork ${name}, run ${run.id}`,
            title: noFork ?? "Begins a run that branches off from it, with other settings",
            disabled: noFork !== null,
            onclick: () => (close(), fork(run)),
          },
          "Fork…",
        ),
        remover,
        confirm.element,
      ),
    );
  }

  return {
    element,
    fill,
    /** Whether it stands here, and needs no other list. @param {string} id */
    lists: (id) => shelf?.runs.some((run) => run.id === id && stands(run)) ?? false,
    /** Whether runs are kept at all, as far as it has been asked. */
    keeps: () => shelf !== null && shelf.folder !== null,
  };
}

/** @param {KeptRunTold} run */
const facts = (run) => [run.seed === null ? "" : `seed ${run.seed}`, `update ${count(run.update)}`, begun(run)].filter(Boolean).join(" · ");

/** @param {KeptRunTold} run */
const size = (run) => `${(run.size / 1e6).toFixed(1)}\u00a0MB`;

/** When, by the clock of who looks. @param {KeptRunTold} run */
function begun({ created }) {
  const when = new Date(created);
  return isNaN(when.getTime())
    ? ""
    : when.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).replace(",", "");
}

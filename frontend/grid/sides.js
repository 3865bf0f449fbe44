// What a panel shows: of the run at hand and, where two runs are compared, of the other one beside it, on the same axes.

import { createSharedRanges } from "../draw/shared-ranges.js";
import { nameOf } from "../state/beside.js";
import { instead } from "../state/whole.js";
import { h, setText } from "../ui/dom.js";
import { createLife } from "./panel-life.js";

/** @import { Panel, PanelContext, State } from "../types.js" */

/** @import { Surroundings } from "./surroundings.js" */

/** @typedef {{ body: HTMLElement, cover: HTMLElement, text: HTMLElement, note: HTMLElement }} Parts of one side */

/**
 * @param {Panel} panel
 * @param {HTMLElement} section
 * @param {Parts} here
 * @param {object} grid
 * @param {(state: State | null) => Surroundings} grid.around what a side has of the page; null: the run at hand's
 * @param {(body: HTMLElement, resize: () => void) => void} grid.observe
 * @param {(body: HTMLElement) => void} grid.forget
 * @param {(body: HTMLElement, table: () => (string | number | null)[][] | null, state: State) => HTMLElement} grid.save
 */
export function createSides(panel, section, here, { around, observe, forget, save }) {
  let moved = false;
  let again = () => {};
  const ranges = createSharedRanges(() => void (moved = true));
  const names = [h("p", { class: "side-name", hidden: true }), h("p", { class: "side-name", hidden: true })];
  const whose = names.map((name, index) =>
    name.appendChild(h("span", {}, h("i", { class: index ? "line-there" : "line-here", "aria-hidden": "true" }), " ", h("b", {}))),
  );
  const first = live(here, null);
  here.body.parentElement?.before(...names);
  /** @type {{ state: State, life: ReturnType<typeof createLife>, parts: Parts, frame: HTMLElement } | null} */
  let second = null;

  /** @param {Parts} parts @param {State | null} state */
  function live(parts, state) {
    const own = (/** @type {() => void} */ redraw) =>
      Object.defineProperties(
        { redraw, range: (/** @type {string} */ name) => ranges.of(parts, name) },
        Object.getOwnPropertyDescriptors(around(state)),
      );
    const life = createLife(panel, parts.body, parts.cover, parts.text, parts.note, (redraw) => /** @type {PanelContext} */ (own(redraw)));
    life.onRedraw(() => again());
    observe(parts.body, life.resize);
    return life;
  }

  /** @param {State} state of the other run */
  function begin(state) {
    const parts = {
      body: h("div", { class: "body" }),
      cover: h("div", { class: "cover" }),
      text: h("p", { class: "visually-hidden" }),
      note: h("p", { class: "note" }),
    };
    const frame = h("div", { class: "frame there", role: "group" }, parts.body, parts.cover, parts.text);
    section.append(frame);
    section.toggleAttribute("data-paired", true);
    names.forEach((name) => (name.hidden = false));
    const life = live(parts, state);
    names[1].append(
      parts.note,
      save(parts.body, () => life.table(state), state),
    );
    return { state, life, parts, frame };
  }

  function end() {
    if (!second) return;
    forget(second.parts.body);
    ranges.leave(second.parts);
    second.frame.remove();
    names[1].replaceChildren(whose[1]);
    names.forEach((name) => (name.hidden = true));
    section.toggleAttribute("data-paired", false);
    second = null;
  }

  /** Whom this panel shows besides. @param {State} now */
  function compare(now) {
    const other = panel.compares === "pair" ? now.other : null;
    if (second && second.state !== other) end();
    if (other) second ??= begin(other);
  }

  /** @param {State} now */
  async function draw(now) {
    compare(now);
    if (!second) return first.draw(now);
    const other = second.state;
    [now, other].forEach((state, index) => setText(/** @type {HTMLElement} */ (whose[index].lastElementChild), nameOf(state)));
    second.frame.setAttribute("aria-label", `${panel.name}, ${nameOf(other)}`);
    // Each knows what the other shows: bins and axes are the same.
    const [one, two] = [now, other].map((state) => instead(state) ?? state);
    const drawn = { ...now, other: two };
    await first.draw(drawn);
    moved = false;
    await second.life.draw({ ...other, other: one });
    if (moved) await first.draw(drawn);
  }

  return {
    needs: first.needs,
    draw,
    compare,
    table: first.table,
    onRedraw: (/** @type {() => void} */ redraw) => void (again = redraw),
  };
}

// What a panel shows: of the run at hand and, where runs are compared, of each of the others beside it, on the same axes.

import { createSharedRanges } from "../draw/shared-ranges.js";
import { fullNameOf, nameOf } from "../state/beside.js";
import { instead } from "../state/whole.js";
import { h, setHidden, setText } from "../ui/dom.js";
import { runMark } from "../ui/run-mark.js";
import { createSideNote } from "../ui/side-note.js";
import { createLife } from "./panel-life.js";

/** @import { Panel, PanelContext, State } from "../types.js" */

/** @import { SideNote } from "../ui/side-note.js" */
/** @import { Surroundings } from "./surroundings.js" */

/**
 * @typedef {{ body: HTMLElement, cover: HTMLElement, text: HTMLElement, note: SideNote }} Parts of one side
 *
 * @typedef {object} Side of one run
 * @property {HTMLElement} element
 * @property {HTMLElement} heading whose side it is, where there are several
 * @property {HTMLElement} name
 * @property {Parts} parts
 * @property {ReturnType<typeof createLife>} life
 */

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
  const room = h("div", { class: "frames" });
  section.append(room);
  const first = side(here, null);
  /** In the order of their places. @type {(Side & { state: State })[]} */
  let others = [];

  /** @param {Parts} parts @param {State | null} state of a run beside the one at hand @returns {Side} */
  function side(parts, state) {
    const name = h("span", {});
    const heading = h("p", { class: "side-name", hidden: state === null }, runMark(state?.place ?? 0), name);
    const frame = h("div", { class: "frame" }, parts.body, parts.cover);
    const element = h("div", { class: "side" }, heading, frame, parts.text);
    room.append(element); // a panel is mounted where it has its size
    const own = (/** @type {() => void} */ redraw) =>
      Object.defineProperties(
        { redraw, range: (/** @type {string} */ name) => ranges.of(parts, name) },
        Object.getOwnPropertyDescriptors(around(state)),
      );
    const life = createLife(panel, parts.body, parts.cover, parts.text, parts.note, (redraw) => /** @type {PanelContext} */ (own(redraw)));
    life.onRedraw(() => again());
    observe(parts.body, life.resize);
    return { element, heading, name, parts, life };
  }

  /** @param {State} state of another run */
  function begin(state) {
    const parts = {
      body: h("div", { class: "body" }),
      cover: h("div", { class: "cover" }),
      text: h("p", { class: "visually-hidden" }),
      note: createSideNote(),
    };
    const begun = side(parts, state);
    begun.element.setAttribute("role", "group");
    begun.heading.append(
      parts.note.element,
      save(parts.body, () => begun.life.table(state), state),
    );
    return { ...begun, state };
  }

  /** @param {Side} side */
  function end({ element, parts }) {
    forget(parts.body);
    ranges.leave(parts);
    element.remove();
  }

  /** Whom this panel shows besides. @param {State} now */
  function compare(now) {
    const wanted = panel.compares === "beside" ? now.others : [];
    if (wanted.length === others.length && others.every(({ state }, at) => state === wanted[at])) return;
    others.filter(({ state }) => !wanted.includes(state)).forEach(end);
    others = wanted.map((state) => others.find((one) => one.state === state) ?? begin(state));
    others.forEach(({ element }, at) => {
      // Only what stands elsewhere is moved: whatever has the focus would lose it.
      if (room.children[at + 1] !== element) room.insertBefore(element, room.children[at + 1]);
    });
    setHidden(first.heading, others.length === 0);
    if (others.length) section.dataset.sides = String(others.length + 1);
    else delete section.dataset.sides;
  }

  /** @param {State} now */
  async function draw(now) {
    compare(now);
    if (!others.length) return first.life.draw(now);
    const sides = [first, ...others];
    const states = [now, ...others.map(({ state }) => state)];
    sides.forEach(({ name, element }, at) => {
      setText(name, nameOf(states[at]));
      if (at) element.setAttribute("aria-label", `${panel.name}, ${fullNameOf(states[at])}`);
    });
    // Each knows what the others show: bins and axes are the same.
    const shown = states.map((state) => instead(state) ?? state);
    const drawn = states.map((state, own) => ({ ...state, others: shown.filter((_, at) => at !== own) }));
    let behind = 0; // the sides before this one were drawn before it has moved a range
    for (const [at, { life }] of sides.entries()) {
      moved = false;
      await life.draw(drawn[at]);
      if (moved) behind = at;
    }
    for (const [at, { life }] of sides.slice(0, behind).entries()) await life.draw(drawn[at]);
  }

  return {
    needs: first.life.needs,
    draw,
    compare,
    table: first.life.table,
    onRedraw: (/** @type {() => void} */ redraw) => void (again = redraw),
  };
}

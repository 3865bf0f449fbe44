// The grid of panels: a region each, with its title, what it shows, and the ways to hide and to maximise it. On Stage,
// one or two of them have all the room.

import { sidesOf } from "../state/beside.js";
import { following, fullOrder, moved, neighbour, shownOrder } from "../state/arrangement.js";
import { chosen, digitOf, fitting, numbered, onStage, withRoom } from "../state/staging.js";
import { runsFreely } from "../state/motion.js";
import { saveView } from "../state/view.js";
import { h, icon, setAttribute, setProse } from "../ui/dom.js";
import { createGrip, makeMovable } from "../ui/mover.js";
import { NARROW } from "../ui/phone.js";
import { drawMaximiser } from "./maximiser.js";
import { createPanelsMenu } from "./panels-menu.js";
import { createSides } from "./sides.js";
import { createSteadyWords } from "./steady-words.js";
import { createSurroundings } from "./surroundings.js";
import { saver } from "../ui/saver.js";
import { createSideNote } from "../ui/side-note.js";

/** @import { Need, Panel, State } from "../types.js" */
/** @import { Page } from "../state/page.js" */
/** @import { createScheduler } from "../page/scheduler.js" */
/** @import { Ways } from "./surroundings.js" */

/** What shows a sample that was pointed out, and the panel that it is shown beside. */
const [SAMPLE, BESIDE] = ["Sample", "Clip mask"];
const HIDE = "M3 7.2h10v1.6H3z";

/**
 * @typedef {object} Box
 * @property {Panel} panel
 * @property {HTMLElement} section
 * @property {HTMLButtonElement} maximise
 * @property {() => boolean} visible
 * @property {ReturnType<typeof createSides>} sides
 *
 * @typedef {object} Own
 * @property {Page} page
 * @property {ReturnType<typeof createScheduler>} scheduler
 * @property {(text: string) => void} announce
 * @property {(probes: string[], beside: string[]) => void} watch what visible panels need, and those of them that show other runs, too
 *
 * @typedef {Own & Pick<Ways, "theme" | "pointed" | "focusSetting" | "goTo" | "showEnvironment">} Surroundings
 */

/**
 * @param {HTMLElement} root
 * @param {readonly Panel[]} panels
 * @param {Surroundings} surroundings
 */
export function createGrid(root, panels, { page, scheduler, theme, pointed, watch, showEnvironment, focusSetting, goTo, announce }) {
  const { state, touch } = page;
  const { view } = state;
  const names = panels.map(({ name }) => name);
  const hiddenList = h("div", { class: "hidden-panels" });
  const [inSight, near] = [createSeen("0px", seenOthers), createSeen("80px", seenOthers)];
  /** @type {Map<Element, () => void>} */
  const resized = new Map();
  /** Panels that have nothing to show of the runs on show, by name. @type {string[]} */
  let absent = [];

  const words = createSteadyWords(state);
  scheduler.add({ needs: ["motion"], draw: words.draw });
  const sizes = new ResizeObserver((entries) => {
    for (const entry of entries) {
      words.resized(entry);
      resized.get(entry.target)?.();
    }
  });

  // What is maximised reaches from where the panels begin to the end of the window, whatever is above them.
  const above = new ResizeObserver(() => root.style.setProperty("--above", `${Math.round(root.offsetTop)}px`));
  for (const element of root.parentElement?.children ?? []) if (element !== root) above.observe(element);

  // All at once, those out of sight as well: a panel that is reached by scrolling must not change the page around it.
  scheduler.add({ needs: ["others"], draw: compare });
  scheduler.add({ needs: ["theme"], draw: fit });
  addEventListener("resize", fit);
  scheduler.add({ needs: ["run", "others"], draw: standBack });
  const around = createSurroundings(page, { theme, pointed, focusSetting, goTo, showEnvironment, reveal: (by) => reveal(SAMPLE, BESIDE, by) });
  const boxes = panels.map(box);
  root.append(...boxes.map(({ section }) => section), hiddenList);
  arrange();
  boxes.forEach(({ section }) => [inSight, near].forEach(({ observe }) => observe(section)));
  scheduler.add({ needs: ["motion"], draw: tellWatch });

  function seenOthers() {
    scheduler.wake();
    tellWatch();
  }

  /** @param {HTMLElement} hint @param {string} words */
  function sayHint(hint, words) {
    setProse(hint, words);
    setAttribute(hint, "title", words);
  }

  /** @param {Panel} panel @returns {Box} */
  function box(panel) {
    const id = `panel-${panel.name.toLowerCase().replaceAll(" ", "-")}`;
    const body = h("div", { class: "body" });
    const cover = h("div", { class: "cover" });
    const text = h("p", { class: "visually-hidden", id: `${id}-summary` });
    const note = createSideNote();
    const hint = h("p", { class: "hint", title: panel.hint });
    setProse(hint, panel.hint);
    if (panel.hintOf) scheduler.add({ needs: ["snapshot"], draw: (now) => sayHint(hint, panel.hintOf?.(now) ?? panel.hint) });
    const maximise = h("button", { type: "button", class: "quiet square", onclick: () => toggleMaximised(panel.name) });
    const header = h(
      "header",
      {},
      h("h2", { "data-digit": digitOf(panels.indexOf(panel)) }, panel.title),
      note.element,
      hint,
      createGrip(panel.name, (by) => moveBy(panel.name, by)),
      saver(panel, body, () => sides.table(state), { state, theme, failed: announce }),
      h(
        "button",
        { type: "button", class: "quiet square hide", "aria-label": `Hide ${panel.name}`, title: "Hide", onclick: () => hide(panel.name) },
        icon(HIDE),
      ),
      maximise,
    );
    const section = h(
      "section",
      {
        class: "panel",
        id,
        role: "region",
        "aria-label": panel.name,
        "aria-describedby": text.id,
        "data-idea": panel.ideas.join(" "),
        "data-size": panel.size ?? "normal",
      },
      header,
    );
    const sides = createSides(
      panel,
      section,
      { body, cover, text, note },
      {
        around: (other) => around(panel.name, other),
        observe,
        forget,
        save: (body, table, state) => saver(panel, body, table, { state, theme, failed: announce }),
      },
    );
    // What is about to be scrolled into sight is drawn beforehand, but for a run that redraws it all the time.
    const visible = () => (runsFreely(state) ? inSight : near).has(section);
    makeMovable(section, header, panel.name, (dropped) => names.includes(dropped) && move(dropped, panel.name));
    // Once the run comes to rest, all of it is put into words; and what a run that is over has not measured never comes.
    /** @type {Need[]} */
    const needs = [...sides.needs, "others", "motion"];
    sides.onRedraw(scheduler.add({ needs, visible, draw: sides.draw, calm: panel.calm }));
    return { panel, section, maximise, visible, sides };
  }

  /** @param {State} now */
  function compare(now) {
    const runs = sidesOf(now).length;
    root.toggleAttribute("data-beside", runs > 1);
    root.toggleAttribute("data-crowded", runs > 2);
    for (const { sides } of boxes) sides.compare(now);
  }

  /** What has nothing to show of any run leaves the first places to the others. @param {State} now */
  function standBack(now) {
    const lost = panels.filter((panel) => sidesOf(now).every((side) => panel.absent?.(side))).map(({ name }) => name);
    if (lost.join() === absent.join()) return;
    absent = lost;
    arrange();
  }

  /** @param {HTMLElement} body @param {() => void} resize then it is drawn again */
  function observe(body, resize) {
    // Also of the parts: words below a drawing may need another line, and the drawing gives it to them.
    for (const element of [body, ...body.children]) {
      resized.set(element, resize);
      sizes.observe(element);
    }
  }

  /** @param {HTMLElement} body */
  function forget(body) {
    for (const element of [body, ...body.children]) {
      resized.delete(element);
      sizes.unobserve(element);
    }
  }

  /** @param {string} name @param {string} target whose place it takes */
  function move(name, target) {
    if (view.layout === "stage") return stage(staying().reverse());
    view.order = moved(names, view, name, target);
    choose();
    const order = shownOrder(names, view);
    announce(`${name} is panel ${order.indexOf(name) + 1} of ${order.length}.`);
  }

  /** @param {string} name @param {number} by */
  function moveBy(name, by) {
    const target = neighbour(names, view, name, by);
    if (target) move(name, target);
    else announce(`${name} is the ${by < 0 ? "first" : "last"} panel.`);
  }

  function reset() {
    Object.assign(view, { order: [], hidden: [], maximised: null, layout: "grid" });
    choose();
    announce("All panels are shown, in their usual order.");
  }

  /**
   * Shows a panel that cannot be seen, beside another; one that can stays where it is.
   *
   * @param {string} name
   * @param {string} beside
   * @param {string} by where it was asked for: on Stage, that is what stays
   */
  function reveal(name, beside, by) {
    const staged = staying();
    if (staged.length) {
      if (!staged.includes(name)) stage([by, name]);
      return;
    }
    const covered = view.maximised !== null && view.maximised !== name;
    if (!names.includes(name) || (!view.hidden.includes(name) && !covered)) return;
    if (view.hidden.includes(name)) view.order = following(names, view, name, beside);
    view.hidden = view.hidden.filter((other) => other !== name);
    view.maximised = null;
    choose();
    announce(`${name} is shown, with what was chosen.`);
  }

  /** @param {string} name @param {boolean} hidden */
  function setHidden(name, hidden) {
    const staged = staying();
    if (staged.length) return stage(hidden && staged.length === 1 ? null : chosen(staged, name, true));
    view.hidden = hidden ? [...new Set([...view.hidden, name])] : view.hidden.filter((other) => other !== name);
    if (hidden && view.maximised === name) view.maximised = null;
    choose();
    announce(`${name} is ${hidden ? "hidden" : "shown"}.`);
  }

  /** By the button in its header, which vanishes with it: the focus goes to the panel that comes into its place. @param {string} name */
  function hide(name) {
    const next = neighbour(names, view, name, 1) ?? neighbour(names, view, name, -1);
    setHidden(name, true);
    const found = boxes.find(({ panel }) => panel.name === next)?.maximise ?? hiddenList.querySelector("button");
    found?.focus({ preventScroll: true });
  }

  /** @param {string} name */
  function show(name) {
    setHidden(name, false);
    boxes.find(({ panel }) => panel.name === name)?.maximise.focus();
  }

  /** @param {string} name */
  function toggleMaximised(name) {
    const staged = staying();
    if (staged.length) return stage(staged.length === 1 ? null : [name]);
    view.maximised = view.maximised === name ? null : name;
    choose();
    // It had been scrolled to: it reaches to the end of the window then, too, and is in sight again among the others.
    boxes.find(({ panel }) => panel.name === name)?.section.scrollIntoView({ block: view.maximised ? "end" : "nearest" });
  }

  /** @param {readonly string[] | null} wanted one or two panels, or as many as a chapter shows; null: back to the grid @param {number} [most] */
  function stage(wanted, most) {
    view.layout = wanted === null ? "grid" : "stage";
    if (wanted !== null) view.stage = fitting(names, wanted, most);
    choose();
    announce(wanted === null ? "All panels are shown." : `On Stage: ${staying().join(" and ")}.`);
  }

  function choose() {
    saveView(view);
    arrange();
    touch("view");
  }

  /** What is on Stage, as far as it has room. */
  function staying() {
    const wanted = onStage(names, view);
    // To ask for the window's height has the browser lay the page out, once more than it would while it opens.
    return wanted.length ? withRoom(wanted, innerHeight, theme().scale) : [];
  }

  /** The window, or the size of the type, is another one. */
  function fit() {
    if (root.hasAttribute("data-stage") && root.dataset.count !== String(staying().length)) arrange();
  }

  function arrange() {
    const staged = NARROW.matches ? [] : staying();
    const alone = staged.length === 1 ? staged[0] : null;
    const maximised = staged.length ? alone : view.maximised !== null && names.includes(view.maximised) ? view.maximised : null;
    root.toggleAttribute("data-maximised", maximised !== null && !staged.length);
    root.toggleAttribute("data-stage", staged.length > 0);
    for (const { panel, section, maximise } of boxes) {
      const isMaximised = panel.name === maximised;
      section.hidden = staged.length ? !staged.includes(panel.name) : view.hidden.includes(panel.name) || (maximised !== null && !isMaximised);
      section.style.order = String(Math.max(staged.indexOf(panel.name), 0));
      section.toggleAttribute("data-maximised", isMaximised);
      section.toggleAttribute("data-absent", absent.includes(panel.name));
      drawMaximiser(maximise, panel.name, isMaximised);
    }
    const order = fullOrder(names, view);
    [...order.filter((name) => !absent.includes(name)), ...order.filter((name) => absent.includes(name))].forEach((name, place) => {
      const section = boxes.find(({ panel }) => panel.name === name)?.section;
      // Only what stands elsewhere is moved: whatever has the focus would lose it.
      if (section && root.children[place] !== section) root.insertBefore(section, root.children[place] ?? null);
    });
    root.dataset.count = String(boxes.filter(({ section }) => !section.hidden).length);
    const hidden = view.hidden.filter((name) => names.includes(name));
    hiddenList.hidden = hidden.length === 0 || maximised !== null || staged.length > 0;
    hiddenList.replaceChildren(
      h("span", {}, "Hidden"),
      ...hidden.map((name) => h("button", { type: "button", title: `Show ${name} again`, onclick: () => show(name) }, `Show ${name}`)),
    );
  }

  function tellWatch() {
    const seen = boxes.filter(({ visible }) => visible()).map(({ panel }) => panel);
    const probes = (/** @type {Panel[]} */ some) => [...new Set(some.flatMap(({ probes }) => probes))].sort();
    watch(probes(seen), probes(seen.filter(({ compares }) => compares === "beside")));
  }

  return {
    arrange,
    /** Says anew what is to be measured: somebody else is to hear it. */
    tellWatch,
    menu: createPanelsMenu({
      list() {
        const staged = staying();
        if (staged.length) return names.map((name, place) => ({ name, shown: staged.includes(name), key: digitOf(place) }));
        return fullOrder(names, view).map((name) => ({ name, shown: !view.hidden.includes(name), key: null }));
      },
      setHidden,
      reset,
    }),
    stage,
    /** On Stage what was there last, or what is maximised; from there back to the grid. */
    toggleStage: () => stage(view.layout === "stage" ? null : view.maximised ? [view.maximised] : view.stage),
    /** By a number key. @param {number} digit @param {boolean} beside the one that is there */
    number(digit, beside) {
      const staged = staying();
      const name = numbered(names, digit, staged);
      if (name !== undefined) stage(chosen(staged, name, beside));
    },
    /** Leaves Stage, or the maximised panel. @returns {boolean} whether there was one */
    restore() {
      const { layout, maximised } = view;
      if (layout === "stage") stage(null);
      else if (maximised !== null) toggleMaximised(maximised);
      return layout === "stage" || maximised !== null;
    },
    /** Shows these panels where they were hidden, marks them, and brings the first into view. @param {readonly string[]} names */
    show(names) {
      for (const { panel, section } of boxes) section.toggleAttribute("data-lit", names.includes(panel.name));
      if (view.layout === "stage") return stage(names);
      view.hidden = view.hidden.filter((name) => !names.includes(name));
      view.maximised = null;
      choose();
      boxes.find(({ panel }) => panel.name === names[0])?.section.scrollIntoView({ block: "nearest" });
    },
    /**
     * Shows these panels as a chapter speaks of them, until `unlight`: the first ones on Stage, unless its reader has left it.
     *
     * @param {readonly string[]} names
     * @param {number} staged how many of them
     */
    light(names, staged) {
      const stages = !NARROW.matches && (!view.own || view.layout === "stage");
      view.own ??= { layout: view.layout, stage: [...view.stage], hidden: [...view.hidden], maximised: view.maximised, stepSize: view.stepSize };
      for (const { panel, section } of boxes) section.toggleAttribute("data-lit", names.includes(panel.name));
      if (stages) return stage(names.slice(0, staged), staged);
      this.show(names);
      boxes.find(({ panel }) => panel.name === names[0])?.section.scrollIntoView({ block: "start" });
    },
    /** As its reader had it. */
    unlight() {
      Object.assign(view, view.own, { own: null });
      for (const { section } of boxes) section.toggleAttribute("data-lit", false);
      choose();
    },
    /** Brings the first panel of an idea into view. @param {string} idea */
    reveal(idea) {
      const staged = staying();
      const [first] = boxes.filter(({ panel }) => panel.ideas.some((own) => own === idea));
      if (staged.length && first && !boxes.some(({ panel, section }) => !section.hidden && panel.ideas.some((own) => own === idea)))
        return stage([first.panel.name]);
      const found = boxes.find(({ panel, section }) => !section.hidden && panel.ideas.some((own) => own === idea));
      found?.section.scrollIntoView({ block: "nearest" });
    },
  };
}

/**
 * Which elements are in sight, or nearer to it than that.
 *
 * @param {string} rootMargin
 * @param {() => void} changed
 */
function createSeen(rootMargin, changed) {
  /** @type {Set<Element>} */
  const seen = new Set();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) seen.add(target);
        else seen.delete(target);
      }
      changed();
    },
    { rootMargin },
  );
  return { has: (/** @type {Element} */ element) => seen.has(element), observe: (/** @type {Element} */ element) => observer.observe(element) };
}

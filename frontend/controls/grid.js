// The grid of panels: a region each, with its title, what it shows, and the ways to hide and to maximise it.

import { chartsWaitFor } from "../panels/plotly.js";
import { number } from "../state/format.js";
import { runsFreely } from "../state/motion.js";
import { saveView } from "../state/view.js";
import { h, icon, prose, setText } from "./dom.js";
import { saver } from "./saver.js";

/** @import { Panel, PanelContext, PanelView, State, Theme } from "../types.js" */
/** @import { Store } from "../state/store.js" */
/** @import { createScheduler } from "../state/scheduler.js" */

const HIDE = "M3 7.2h10v1.6H3z";
const RESTORE = "M5.4 2H7v5H2V5.4h3.4zM9 2h1.6v3.4H14V7H9zM2 9h5v5H5.4v-3.4H2zM9 9h5v1.6h-3.4V14H9z";
const MAXIMISE = "M2 2h5v1.6H3.6V7H2zM9 2h5v5h-1.6V3.6H9zM2 9h1.6v3.4H7V14H2zM12.4 9H14v5H9v-1.6h3.4z";
const GRIP = "M5 2h2v2H5zm4 0h2v2H9zM5 7h2v2H5zm4 0h2v2H9zM5 12h2v2H5zm4 0h2v2H9z";
const DRAGGED = "application/x-ppo-scope-panel";
const SUMMARY_PACE = 2000;

/**
 * @typedef {object} Box
 * @property {Panel} panel
 * @property {HTMLElement} section
 * @property {HTMLButtonElement} maximise
 * @property {() => boolean} visible
 *
 * @typedef {object} Surroundings
 * @property {Store} store
 * @property {ReturnType<typeof createScheduler>} scheduler
 * @property {() => Theme} theme
 * @property {(name: string) => void} focusSetting
 * @property {(text: string) => void} announce
 * @property {(probes: string[]) => void} watch the union of the probes that visible panels need
 */

/**
 * @param {HTMLElement} root
 * @param {readonly Panel[]} panels
 * @param {Surroundings} surroundings
 */
export function createGrid(root, panels, { store, scheduler, theme, watch, focusSetting, announce }) {
  const { state, touch } = store;
  const { view } = state;
  const hiddenList = h("div", { class: "hidden-panels" });
  /** @type {Set<Element>} */
  const onScreen = new Set();
  /** @type {Map<Element, () => void>} */
  const resized = new Map();

  const intersections = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) onScreen.add(target);
        else onScreen.delete(target);
      }
      scheduler.wake();
      tellWatch();
    },
    { rootMargin: "80px" },
  );
  const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => resized.get(target)?.()));

  const boxes = panels.map(box);
  root.append(...boxes.map(({ section }) => section), hiddenList);
  arrange();
  boxes.forEach(({ section }) => intersections.observe(section));

  /** @param {Panel} panel @returns {Box} */
  function box(panel) {
    const id = `panel-${panel.name.toLowerCase().replaceAll(" ", "-")}`;
    const body = h("div", { class: "body" });
    const cover = h("div", { class: "cover" });
    const text = h("p", { class: "visually-hidden", id: `${id}-summary` });
    const life = createLife(panel, body, cover, text);
    const maximise = h("button", { type: "button", class: "quiet square", onclick: () => toggleMaximised(panel.name) });
    const section = h(
      "section",
      { class: "panel", id, role: "region", "aria-label": panel.name, "aria-describedby": text.id, "data-idea": panel.ideas.join(" "), "data-size": panel.size ?? "normal" },
      h(
        "header",
        {},
        h("h2", {}, panel.title),
        h("p", { class: "hint", title: panel.hint }, ...prose(panel.hint)),
        handle(panel),
        saver(panel, body, () => life.table(state)),
        h("button", { type: "button", class: "quiet square", "aria-label": `Hide ${panel.name}`, title: "Hide", onclick: () => setHidden(panel.name, true) }, icon(HIDE)),
        maximise,
      ),
      h("div", { class: "frame" }, body, cover),
      text,
    );
    const visible = () => onScreen.has(section);
    acceptDrops(section, panel);
    // Charts are drawn in another way once the run comes to rest.
    const needs = panel.plotted ? [...life.needs, /** @type {const} */ ("run")] : life.needs;
    const again = scheduler.add({ needs, visible, draw: life.draw });
    life.onRedraw(again);
    resized.set(body, () => {
      life.resize();
      again();
    });
    sizes.observe(body);
    return { panel, section, maximise, visible };
  }

  /**
   * A panel's view, kept from harming anything else: what it throws is shown in its own box.
   *
   * @param {Panel} panel
   * @param {HTMLElement} body
   * @param {HTMLElement} cover
   * @param {HTMLElement} text
   */
  function createLife(panel, body, cover, text) {
    let view = /** @type {PanelView | null} */ (null);
    let failed = false;
    let summaryAt = -Infinity;
    let redraw = () => {};
    const context = context_(() => redraw());
    mount();

    function mount() {
      failed = false;
      try {
        body.replaceChildren();
        view = panel.mount(body, context);
      } catch (error) {
        fail(error);
      }
    }

    /** @param {unknown} error */
    function fail(error) {
      failed = true;
      console.error(`panel ${panel.name}:`, error);
      const again = h("button", { type: "button", onclick: () => (mount(), redraw()) }, "Try again");
      cover.replaceChildren(
        h("p", {}, "This panel could not be drawn. The run and the other panels are not affected."),
        h("p", { class: "reason" }, String(error)),
        again,
      );
      cover.hidden = false;
    }

    /** @param {State} state */
    async function draw(state) {
      if (failed || !view) return;
      try {
        const ready = (panel.plotted && chartsWaitFor()) || view.ready(state);
        cover.hidden = ready === true;
        body.inert = ready !== true;
        if (ready !== true) {
          cover.replaceChildren(h("p", { class: "waiting" }, `Waits for ${ready}.`));
          return;
        }
        await view.draw(state);
        const now = performance.now();
        if (now - summaryAt >= SUMMARY_PACE || !runsFreely(state)) {
          summaryAt = now;
          setText(text, view.summary(state));
        }
      } catch (error) {
        fail(error);
      }
    }

    return {
      needs: view?.needs ?? [],
      draw,
      table: (/** @type {State} */ now) => view?.table?.(now) ?? null,
      onRedraw: (/** @type {() => void} */ again) => void (redraw = again),
      resize() {
        try {
          if (!failed) view?.resize();
        } catch (error) {
          fail(error);
        }
      },
    };
  }

  /** @param {() => void} redraw @returns {PanelContext} */
  function context_(redraw) {
    return {
      theme,
      number,
      redraw,
      focusSetting,
      select(sample) {
        state.selection = sample;
        touch("selection");
      },
      symbol: (name) => {
        const setting = state.settings.find((row) => row.name === name);
        return setting?.symbol || setting?.label || name.replaceAll("_", " ");
      },
      get running() {
        return runsFreely(state);
      },
      get reducedMotion() {
        return matchMedia("(prefers-reduced-motion: reduce)").matches;
      },
    };
  }

  /** What one takes a panel by, to move it: with the pointer, or with the arrow keys. @param {Panel} panel */
  function handle(panel) {
    const grip = h("button", { type: "button", class: "quiet square grip", draggable: "true", "data-arrows": true, title: "Move: drag it, or use the arrow keys", "aria-label": `Move ${panel.name} with the arrow keys` }, icon(GRIP));
    grip.addEventListener("dragstart", ({ dataTransfer }) => dataTransfer?.setData(DRAGGED, panel.name));
    grip.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      const order = shownOrder();
      const target = order[order.indexOf(panel.name) + by];
      if (target) move(panel.name, target, by > 0);
      grip.focus();
    });
    return grip;
  }

  /** @param {HTMLElement} section @param {Panel} panel */
  function acceptDrops(section, panel) {
    section.addEventListener("dragover", (event) => event.dataTransfer?.types.includes(DRAGGED) && event.preventDefault());
    section.addEventListener("drop", (event) => {
      const name = event.dataTransfer?.getData(DRAGGED);
      if (!name || name === panel.name || !boxes.some((other) => other.panel.name === name)) return;
      event.preventDefault();
      const order = shownOrder();
      move(name, panel.name, order.indexOf(name) < order.indexOf(panel.name));
    });
  }

  /** All panels, as they are arranged. @returns {string[]} */
  function fullOrder() {
    const names = panels.map(({ name }) => name);
    const chosen = view.order.filter((name) => names.includes(name));
    return [...chosen, ...names.filter((name) => !chosen.includes(name))];
  }

  const shownOrder = () => fullOrder().filter((name) => !view.hidden.includes(name));

  /** @param {string} name @param {string} target @param {boolean} after */
  function move(name, target, after) {
    const order = fullOrder().filter((other) => other !== name);
    order.splice(order.indexOf(target) + Number(after), 0, name);
    view.order = order;
    choose();
    announce(`${name} is panel ${shownOrder().indexOf(name) + 1} of ${shownOrder().length}.`);
  }

  function reset() {
    Object.assign(view, { order: [], hidden: [], maximised: null });
    choose();
  }

  /** @param {string} name @param {boolean} hidden */
  function setHidden(name, hidden) {
    view.hidden = hidden ? [...view.hidden, name] : view.hidden.filter((other) => other !== name);
    if (hidden && view.maximised === name) view.maximised = null;
    choose();
    const target = hidden ? [...hiddenList.querySelectorAll("button")].at(-1) : boxes.find(({ panel }) => panel.name === name)?.maximise;
    target?.focus();
  }

  /** @param {string} name */
  function toggleMaximised(name) {
    view.maximised = view.maximised === name ? null : name;
    choose();
  }

  function choose() {
    saveView(view);
    arrange();
  }

  function arrange() {
    const names = new Set(panels.map(({ name }) => name));
    const maximised = view.maximised !== null && names.has(view.maximised) ? view.maximised : null;
    root.toggleAttribute("data-maximised", maximised !== null);
    for (const { panel, section, maximise } of boxes) {
      const isMaximised = panel.name === maximised;
      section.hidden = view.hidden.includes(panel.name) || (maximised !== null && !isMaximised);
      section.toggleAttribute("data-maximised", isMaximised);
      maximise.setAttribute("aria-label", isMaximised ? `Back to all panels` : `Maximise ${panel.name}`);
      maximise.setAttribute("aria-pressed", String(isMaximised));
      maximise.replaceChildren(icon(isMaximised ? RESTORE : MAXIMISE));
      maximise.title = isMaximised ? "Back to all panels (Esc)" : "Maximise";
    }
    fullOrder().forEach((name, place) => {
      const section = boxes.find(({ panel }) => panel.name === name)?.section;
      // Only what stands elsewhere is moved: whatever has the focus would lose it.
      if (section && root.children[place] !== section) root.insertBefore(section, root.children[place] ?? null);
    });
    root.dataset.count = String(boxes.filter(({ section }) => !section.hidden).length);
    const hidden = view.hidden.filter((name) => names.has(name));
    hiddenList.hidden = (hidden.length === 0 && view.order.length === 0) || maximised !== null;
    hiddenList.replaceChildren(
      hidden.length ? h("span", {}, "Hidden") : "",
      ...hidden.map((name) => h("button", { type: "button", title: `Show ${name} again`, onclick: () => setHidden(name, false) }, `Show ${name}`)),
      h("button", { type: "button", class: "quiet", onclick: reset }, "Reset the arrangement"),
    );
  }

  function tellWatch() {
    const probes = boxes.filter(({ visible }) => visible()).flatMap(({ panel }) => panel.probes);
    watch([...new Set(probes)].sort());
  }

  return {
    arrange,
    /** Leaves the maximised panel. @returns {boolean} whether there was one */
    restore() {
      if (view.maximised === null) return false;
      view.maximised = null;
      choose();
      return true;
    },
    /** Shows these panels where they were hidden, marks them, and brings the first into view. @param {readonly string[]} names */
    show(names) {
      view.hidden = view.hidden.filter((name) => !names.includes(name));
      view.maximised = null;
      choose();
      for (const { panel, section } of boxes) section.toggleAttribute("data-lit", names.includes(panel.name));
      boxes.find(({ panel }) => panel.name === names[0])?.section.scrollIntoView({ block: "nearest" });
    },
    /** Brings the first panel of an idea into view. @param {string} idea */
    reveal(idea) {
      const found = boxes.find(({ panel, section }) => !section.hidden && panel.ideas.some((own) => own === idea));
      found?.section.scrollIntoView({ block: "nearest" });
    },
  };
}

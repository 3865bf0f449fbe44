// A panel's life: it is mounted, drawn when it is ready, put into words, and kept from harming anything else.

import { failedExtras, whereMeasured, whyFailed, whyNotMeasured } from "../state/measuring.js";
import { runsFreely } from "../state/motion.js";
import { instead, nameOf, whyInWords } from "../state/whole.js";
import { h, setHidden, setText } from "../ui/dom.js";

/** @import { Note, Panel, PanelContext, PanelView, State } from "../types.js" */
/** @import { SideNote } from "../ui/side-note.js" */

/** Where runs are compared. @type {Note} */
const OF_ONE = { short: "run at hand", long: "This panel shows the run at hand only." };
const SUMMARY_PACE = 2000; // milliseconds between two summaries of a run that goes on

/**
 * A panel's view, kept from harming anything else: what it throws is shown in its own box.
 *
 * @param {Panel} panel
 * @param {HTMLElement} body
 * @param {HTMLElement} cover
 * @param {HTMLElement} text
 * @param {SideNote} note what the drawing leaves out
 * @param {(redraw: () => void) => PanelContext} makeContext
 */
export function createLife(panel, body, cover, text, note, makeContext) {
  let view = /** @type {PanelView | null} */ (null);
  let failed = false;
  let summaryAt = -Infinity;
  /** The update that has what the moment on show lacks. @type {number | null} */
  let elsewhere = null;
  let redraw = () => {};
  const context = makeContext(() => redraw());
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
    delete cover.dataset.words;
    console.error(`panel ${panel.name}:`, error);
    const again = h("button", { type: "button", onclick: () => (mount(), redraw()) }, "Try again");
    cover.replaceChildren(
      h("p", {}, "This panel could not be drawn. The run and the other panels are not affected."),
      h("p", { class: "reason" }, String(error)),
      again,
    );
    cover.hidden = false;
    body.inert = true;
  }

  const ofAnUpdate = panel.probes.some((name) => name !== "picture");

  /** The last whole update, where that is what is to be shown. @param {State} now */
  const earlier = (now) => (ofAnUpdate && view?.needs.includes("snapshot") ? instead(now) : null);

  /** @param {State} now */
  async function draw(now) {
    if (failed || !view) return;
    try {
      const before = earlier(now);
      const state = before ?? now;
      body.toggleAttribute("data-earlier", before !== null);
      const failure = whyFailed(panel, state);
      const ready = failure ?? view.ready(state);
      const missing = failure ?? (ready === true ? null : whyNotMeasured(panel, state));
      const covered = ready !== true;
      setHidden(cover, !covered);
      body.inert = covered;
      const named = before && { short: nameOf(before), long: whyInWords(before, now) };
      const alone = now.others.length && !panel.compares ? [OF_ONE] : [];
      note.show(covered ? [] : [...alone, ...(named ? [named] : []), ...failedExtras(panel, state), ...(view.note?.(state) ?? [])]);
      if (covered) {
        const words = missing ?? `Waits for ${ready}.`;
        elsewhere = missing && !failure ? whereMeasured(panel, state) : null;
        const key = `${words}${elsewhere !== null}`;
        if (cover.dataset.words !== key || !cover.childElementCount) {
          const go = () => elsewhere !== null && context.goTo(elsewhere);
          const way =
            elsewhere === null ? null : h("button", { type: "button", title: "There it is measured", onclick: go }, "Go to the newest update");
          cover.replaceChildren(h("p", { class: missing ? "missing" : "waiting" }, words), ...(way ? [way] : []));
          cover.dataset.words = key;
        }
        setText(text, words);
        return;
      }
      await view.draw(state);
      const time = performance.now();
      if (time - summaryAt >= SUMMARY_PACE || !runsFreely(state)) {
        summaryAt = time;
        setText(text, `${view.summary(state)} ${note.inFull()}`.trim());
      }
    } catch (error) {
      fail(error);
    }
  }

  return {
    needs: view?.needs ?? [],
    draw,
    table(/** @type {State} */ now) {
      const state = earlier(now) ?? now;
      const shows = !failed && view?.ready(state) === true && !whyFailed(panel, state);
      return (shows && view?.table?.(state)) || null;
    },
    onRedraw: (/** @type {() => void} */ again) => void (redraw = again),
    resize() {
      try {
        if (!failed) view?.resize();
      } catch (error) {
        fail(error);
      }
      redraw();
    },
  };
}

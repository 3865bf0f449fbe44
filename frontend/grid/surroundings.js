// What a panel has of the page around it.

import { number } from "../state/format.js";
import { runsFreely } from "../state/motion.js";

/** @import { PanelContext, State } from "../types.js" */
/** @import { Page } from "../state/page.js" */

/** @typedef {Omit<PanelContext, "range" | "redraw">} Surroundings what is not of one side alone */

/**
 * What a panel asks for, and on whose side: that of a run beside, or null, that of the run at hand.
 *
 * @typedef {object} Ways
 * @property {PanelContext["theme"]} theme
 * @property {(name: string, other: State | null) => void} focusSetting
 * @property {(update: number, other: State | null) => void} goTo
 * @property {PanelContext["pointed"]} pointed
 * @property {(environment: number | null, other: State | null) => void} showEnvironment where not all are shown sample by sample
 */

/**
 * @param {Page} page
 * @param {Ways & { reveal(by: string): void }} ways `reveal` shows the sample that was chosen, beside the panel where that was done
 */
export function createSurroundings({ state, touch }, { theme, pointed, focusSetting, goTo, showEnvironment, reveal }) {
  /**
   * @param {string} name of the panel
   * @param {State | null} other the run beside the one at hand whose side it is; null: the run at hand's
   * @returns {Surroundings}
   */
  return (name, other) => {
    const whose = other ?? state;
    return {
      theme,
      pointed,
      number,
      showEnvironment: (environment) => showEnvironment(environment, other),
      focusSetting: (setting) => focusSetting(setting, other),
      goTo: (update) => goTo(update, other),
      select(sample) {
        whose.selection = sample;
        if (sample && !other) reveal(name); // Sample is of the run at hand
        touch(other ? "others" : "selection");
      },
      symbol(name) {
        const setting = state.settings.find((row) => row.name === name);
        return setting?.symbol || setting?.label || name.replaceAll("_", " ");
      },
      get running() {
        return runsFreely(whose);
      },
      get reducedMotion() {
        return matchMedia("(prefers-reduced-motion: reduce)").matches;
      },
    };
  };
}

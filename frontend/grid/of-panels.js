// What panels ask for, on the side of the run at hand or of one beside it.

/** @import { Source, State } from "../types.js" */

const OF_ANOTHER = "The sliders are of the run at hand. Go to the other run by the list under the name in the bar, and change it there.";

/**
 * @param {object} page
 * @param {Pick<Source, "watch">} page.live the server, of the run at hand
 * @param {{ sources(): Source[], of(state: State): Source | null }} page.companions
 * @param {(update: number) => void} page.goTo a moment of the run on show, and of those beside it
 * @param {(name: string) => string | null} page.focusSlider says why it cannot be moved
 * @param {(words: string) => void} page.note
 * @param {(order: Promise<unknown>) => void} page.say what goes wrong
 */
export const createOfPanels = ({ live, companions, goTo, focusSlider, note, say }) => ({
  /** @param {string[]} probes @param {string[]} beside */
  watch(probes, beside) {
    live.watch.want(probes);
    for (const { watch } of companions.sources()) watch.want(beside);
  },

  /** @param {number | null} environment @param {State | null} other */
  showEnvironment: (environment, other) => (other ? companions.of(other) : live)?.watch.from(environment),

  /** @param {string} name @param {State | null} other */
  focusSetting(name, other) {
    const why = other ? OF_ANOTHER : focusSlider(name);
    if (why) note(why);
  },

  /** Where something has begun. @param {number} update @param {State | null} other */
  goTo: (update, other) => (other ? say(companions.of(other)?.travel.goTo(update, true) ?? Promise.resolve()) : goTo(update)),
});

// What happens to the run, in a sentence for those who cannot see it.

import { fullTitleOf } from "../state/called.js";
import { metNow } from "../state/met.js";
import { PAUSES } from "../state/permission.js";

/** @import { Run, State } from "../types.js" */

/**
 * @param {State} state
 * @param {(text: string) => void} say
 */
export function createNarrator(state, say) {
  /** What was said last; at full speed nothing is, or a screen reader would never be silent. */
  let said = "";

  return {
    /** @param {Run | null} run */
    begun: (run) => say(`${run?.kept ? "A kept run is shown" : "A new run began"}: ${run ? fullTitleOf(run) : "no run"}.`),

    /** @param {{ name: string, new: unknown, update: number }} change */
    changed(change) {
      const setting = state.settings.find(({ name }) => name === change.name);
      say(`${setting?.label ?? change.name} is ${String(change.new)} from update ${change.update} on.`);
    },

    /** Where the run is now. */
    moved() {
      const { status } = state;
      if (!status || (state.stepping && !status.pausing)) return;
      const { state: name, update, phase, epoch, minibatch } = status;
      const place = epoch ? `, epoch ${epoch}, minibatch ${minibatch}, ${phase}` : `, ${phase}`;
      const text =
        name === "running"
          ? status.pausing
            ? PAUSES
            : "Running."
          : `${name.replaceAll("_", " ")} at update ${update}${place}. ${metNow(state) ?? ""}`.trim();
      if (text !== said) say((said = text));
    },
  };
}

// What the guide has the page do: it shows moments, of the run at hand or of an example, and asks of the run at hand what
// its reader wants.

import { fitness } from "./fitness.js";
import { isAt, walk } from "./scene.js";

/** @import { Source } from "../types.js" */
/** @import { createExamples } from "./examples.js" */
/** @import { GuidePage } from "./guide.js" */

/**
 * @param {object} house
 * @param {() => Source} house.atHand
 * @param {ReturnType<typeof createExamples>} house.examples
 * @param {{ order(action: any, fields?: object): Promise<void>, rest(): Promise<void>, settled(): Promise<void>, apply(settings: Record<string, unknown>): Promise<void>, redo(settings?: Record<string, unknown>): Promise<void> }} house.orders
 * @returns {Pick<GuidePage, "showOwn" | "showExample" | "leave" | "walk" | "redo" | "compare" | "keepOld" | "apply" | "settled">}
 */
export function createStagehand({ atHand, examples, orders: { order, rest, settled, apply, redo } }) {
  const state = () => atHand().store.state;

  return {
    async showOwn(chapter, holds) {
      const { wanted, shows } = fitness(chapter, state());
      const { travel } = atHand();
      const moment = await travel.locate(wanted, shows).catch(() => null);
      if (!moment || !holds()) return false;
      examples.leave();
      await travel.show(moment);
      return true;
    },
    showExample: ({ scene, shows }, example, holds) =>
      examples.show(
        example,
        (moment, last) => isAt(moment, scene, { epochs: last }),
        holds,
        (snapshot, run) => shows(snapshot, run),
      ),
    leave() {
      examples.leave();
      atHand().travel.live();
    },
    walk: ({ scene }, holds) =>
      walk(scene, state(), holds, {
        async pause() {
          await order("pause");
          await rest();
        },
        async step(size) {
          await order("step", { size });
          await rest();
        },
      }),
    redo,
    compare: (name) => examples.compare(name),
    keepOld: () => order("keep", { which: "old" }),
    apply,
    settled,
  };
}

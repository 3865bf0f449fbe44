// What the page has the run at hand do: what goes wrong is said.

/** @import { Source } from "../types.js" */
/** @import { Action } from "../state/permission.js" */

const GLANCE = 50; // milliseconds between two looks at whether the run is at rest

/**
 * @param {() => Source} atHand
 * @param {(text: string) => void} warn
 */
export function createOrders(atHand, warn) {
  const status = () => atHand().store.state.status;
  /** What takes more than one order, and is not over. @type {Set<Promise<unknown>>} */
  const underWay = new Set();

  /** @template T @param {Promise<T>} work @returns {Promise<T>} */
  function noted(work) {
    const over = work.then(
      () => void underWay.delete(over),
      () => void underWay.delete(over),
    );
    underWay.add(over);
    return work;
  }

  /** @returns {Promise<void>} resolves once nothing is under way: what the state says then is what came of it */
  async function settled() {
    do {
      await Promise.all(underWay);
      await atHand().settled();
    } while (underWay.size);
  }

  /**
   * @param {Action} action
   * @param {object} fields
   * @returns {Promise<void>} rejects where the order was not carried out, after this was said
   */
  async function order(action, fields = {}) {
    try {
      await atHand().order(action, fields);
    } catch (error) {
      warn(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** @returns {Promise<void>} resolves once the run is at rest, or cannot be heard any more */
  function rest() {
    const isHeard = () => atHand().store.state.connection.state === "open";
    return new Promise((resolve) => {
      const look = () => (status()?.state === "running" && isHeard() ? setTimeout(look, GLANCE) : resolve());
      setTimeout(look, GLANCE);
    });
  }

  /** Live settings, from the next update on. @param {Record<string, unknown>} settings */
  async function set(settings) {
    for (const [name, value] of Object.entries(settings)) await order("set", { name, value });
  }

  /** An update under way is finished first: both outcomes must be whole. @param {Record<string, unknown>} [settings] that differ, beside those that wait */
  async function makeAgain(settings = {}) {
    await atHand().settled(); // else how far the run is may be yet to be heard
    if (atHand().store.state.stepping) await rest();
    if (status()?.phase !== "update") {
      await order("step", { size: "update" });
      await rest();
    }
    await order("redo", { settings });
  }

  return {
    order,
    rest,
    settled,
    apply: (/** @type {Parameters<typeof set>} */ ...given) => noted(set(...given)),
    redo: (/** @type {Parameters<typeof makeAgain>} */ ...given) => noted(makeAgain(...given)),
    /** For whoever has nothing to add to what was said. @param {Promise<unknown>} order */
    done: (order) => void order.catch(() => {}),
  };
}

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

  /** @returns {Promise<void>} resolves once the run is at rest */
  function rest() {
    return new Promise((resolve) => {
      const look = () => (status()?.state === "running" ? setTimeout(look, GLANCE) : resolve());
      setTimeout(look, GLANCE);
    });
  }

  /** Live settings, from the next update on. @param {Record<string, unknown>} settings */
  async function apply(settings) {
    for (const [name, value] of Object.entries(settings)) await order("set", { name, value });
  }

  /** An update under way is finished first: both outcomes must be whole. @param {Record<string, unknown>} [settings] that differ, beside those that wait */
  async function redo(settings = {}) {
    if (status()?.phase !== "update") {
      await order("step", { size: "update" });
      await rest();
    }
    await order("redo", { settings });
  }

  return {
    order,
    rest,
    apply,
    redo,
    /** For whoever has nothing to add to what was said. @param {Promise<unknown>} order */
    done: (order) => void order.catch(() => {}),
  };
}

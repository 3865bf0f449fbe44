// What the page has the run do: each order is given only where it is possible, and what goes wrong is said.

import { whyNot } from "../ui/permission.js";

/** @import { State } from "../types.js" */
/** @import { Action } from "../ui/permission.js" */
/** @import { createCommands } from "../net/commands.js" */

const GLANCE = 50; // milliseconds between two looks at whether the run is at rest

/**
 * @param {State} state
 * @param {ReturnType<typeof createCommands>} commands
 * @param {(text: string) => void} warn
 */
export function createOrders(state, commands, warn) {
  /**
   * @param {Action} action
   * @param {object} fields
   * @returns {Promise<void>} rejects where the order was not carried out, after this was said
   */
  async function order(action, fields = {}) {
    const reason = whyNot(state, action);
    try {
      if (reason) throw new Error(reason);
      await commands.send(action, { lease: state.lease.generation, ...fields });
    } catch (error) {
      warn(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** @returns {Promise<void>} resolves once the run is at rest */
  function rest() {
    return new Promise((resolve) => {
      const look = () => (state.status?.state === "running" ? setTimeout(look, GLANCE) : resolve());
      setTimeout(look, GLANCE);
    });
  }

  /** Live settings, from the next update on. @param {Record<string, unknown>} settings */
  async function apply(settings) {
    for (const [name, value] of Object.entries(settings)) await order("set", { name, value });
  }

  /** An update under way is finished first: both outcomes must be whole. */
  async function redo() {
    if (state.status?.phase !== "update") {
      await order("step", { size: "update" });
      await rest();
    }
    await order("redo", { settings: {} });
  }

  return {
    order,
    rest,
    apply,
    redo,
    /** For whoever has nothing to add to what was said. @param {Promise<unknown>} order */
    done: (order) => void order.catch(() => {}),
    takeControl: () => void commands.send("take_control").catch((error) => warn(error.message)),
  };
}

// What the page waits for when it begins: the tables that its controls are built from.

import { getJson } from "../net/http.js";

/** @import { Page } from "../state/page.js" */

const AGAIN = 2000; // milliseconds; the socket says meanwhile that the server is away

const tables = () => Promise.all([getJson("api/settings"), getJson("api/metrics")]);

/** Asked for at once: the answer comes while the page is built. @type {ReturnType<typeof tables> | null} */
let early = tables();
early.catch(() => {}); // then they are asked for again

/** The tables of settings and metrics, as soon as there is a server. @param {Page} page */
export async function loadTables({ state, touch }) {
  for (;;) {
    try {
      const asked = early ?? tables();
      early = null;
      [state.settings, state.metrics] = await asked;
      return touch("run");
    } catch {
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
    }
  }
}

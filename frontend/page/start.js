// What the page waits for when it begins: the tables that its controls are built from.

import { getJson } from "../net/http.js";

/** @import { Page } from "../state/page.js" */

const AGAIN = 2000; // milliseconds; the socket says meanwhile that the server is away

/** The tables of settings and metrics, as soon as there is a server. @param {Page} page */
export async function loadTables({ state, touch }) {
  for (;;) {
    try {
      [state.settings, state.metrics] = await Promise.all([getJson("api/settings"), getJson("api/metrics")]);
      return touch("run");
    } catch {
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
    }
  }
}

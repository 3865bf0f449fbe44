// What the page waits for when it begins: the tables that its controls are built from, and the first picture.

import { getJson } from "../net/http.js";

/** @import { Page } from "../state/page.js" */

const AGAIN = 2000; // milliseconds; the socket says meanwhile that the server is away
const ENOUGH = 1000; // milliseconds to wait for a picture that may not come

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

/** When the first picture has been painted, or when there is none for a while. @param {Page} page */
export function firstPicture({ state, subscribe }) {
  const painted = new Promise((resolve) => {
    subscribe((topics) => topics.includes("snapshot") && state.snapshot && requestAnimationFrame(() => setTimeout(resolve)));
  });
  return Promise.race([painted, new Promise((resolve) => setTimeout(resolve, ENOUGH))]);
}

// Plotly takes a second of a slow machine to start, and only charts need it: everything else is drawn before.

/** @type {"loading" | "ready" | "failed"} */
let state = "loading";

/** What charts wait for, in words; null where they can be drawn. */
export const chartsWaitFor = () =>
  ({ loading: "the charts to load", ready: null, failed: "the charts, which could not be loaded: reload the page" })[state];

/** Whether nothing more is to come: what can be drawn is. */
export const chartsSettled = () => state !== "loading";

/** @returns {Promise<void>} resolves in any case; `chartsWaitFor` tells how it went */
export function loadCharts() {
  const script = document.createElement("script");
  script.src = "vendor/plotly.min.js"; // as index.html names it, which has it fetched early
  return new Promise((resolve) => {
    /** @param {"ready" | "failed"} outcome */
    const end = (outcome) => () => {
      state = outcome;
      resolve();
    };
    script.onload = end("ready");
    script.onerror = end("failed");
    document.head.append(script);
  });
}

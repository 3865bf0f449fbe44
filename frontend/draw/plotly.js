// Plotly takes a second of a slow machine to start. Nothing that is drawn needs it: it is loaded when somebody looks
// closely at a chart or saves one.

import { alone, unpackedScript } from "../net/inlined.js";

const PATH = "vendor/plotly.min.js";

/** @type {Promise<void> | null} */
let loading = null;

/** @returns {Promise<void>} rejects where it cannot be had; the next call tries again */
export function loadPlotly() {
  loading ??= load().catch(() => {
    loading = null;
    throw new Error("Plotly could not be loaded: reload the page.");
  });
  return loading;
}

async function load() {
  const script = document.createElement("script");
  script.src = alone() ? await unpackedScript(PATH) : PATH;
  const loaded = new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = reject;
  });
  document.head.append(script);
  await loaded.catch((error) => {
    script.remove();
    throw error;
  });
}

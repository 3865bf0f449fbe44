// Plotly takes a second of a slow machine to start. Nothing that is drawn needs it: it is loaded when somebody looks
// closely at a chart or saves one.

/** @type {Promise<void> | null} */
let loading = null;

/** @returns {Promise<void>} rejects where it cannot be had; the next call tries again */
export function loadPlotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "vendor/plotly.min.js";
    script.onload = () => resolve();
    script.onerror = () => {
      loading = null;
      script.remove();
      reject(new Error("Plotly could not be loaded: reload the page."));
    };
    document.head.append(script);
  });
  return loading;
}

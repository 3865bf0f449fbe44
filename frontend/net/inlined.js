// A page that is one file, with a recording in it (`ppo-scope export --to run.html`): there is no server, and what others
// ask it for stands in the page, by its path.

/** Whether this page is such a file. */
export const alone = () => document.documentElement.hasAttribute("data-alone");

/**
 * As `fetch`; in such a file without asking anybody.
 *
 * @param {string} path
 * @param {RequestInit} [how]
 * @returns {Promise<Response>} rejects where the server cannot be reached, and where there is none
 */
export async function ask(path, how) {
  if (!alone()) return fetch(path, how);
  const found = document.querySelector(`script[data-path="${CSS.escape(path)}"]`);
  if (!found || how?.method) throw new Error(`${path} is not in this file, and there is no server.`);
  return fetch(`data:application/octet-stream;base64,${found.textContent}`); // which asks nobody, and is quicker than atob
}

/** A script of the page that was packed with gzip, as an address to load it from. @param {string} path @returns {Promise<string>} */
export async function unpackedScript(path) {
  const { body } = await ask(path);
  const stream = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (body).pipeThrough(new DecompressionStream("gzip"));
  return URL.createObjectURL(new Blob([await new Response(stream).arrayBuffer()], { type: "text/javascript" }));
}

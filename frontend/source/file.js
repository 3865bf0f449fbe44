// The file of a recorded run (`ppo-scope record`), read whole.

import { decode } from "../net/frame.js";
import { alone, ask } from "../net/inlined.js";
import { LENGTH_BYTES, OLDEST_RECORDED, PROTOCOL } from "../wire.js";

/** @import { Frame, Moment, Run, SeriesHeader, Snapshot } from "../types.js" */

const NAME = /^~?[a-z0-9-]{1,64}$/;
/** Begins the name of a file that was opened in this browser. */
const OWN = "~";
const KEPT = "ppo-scope.recording";
const GZIP = [0x1f, 0x8b];

/** What a page that is one file holds. */
const HELD = "run";

/** @returns {string | null} the recording that the address asks for, or that this page holds */
export function askedFor() {
  if (alone()) return HELD;
  const name = new URLSearchParams(location.search).get("recording");
  return name !== null && NAME.test(name) ? name : null;
}

/**
 * @typedef {object} Recording
 * @property {Run} run
 * @property {string | null} note what is to be said of it
 * @property {Snapshot[]} snapshots
 * @property {Frame<SeriesHeader>[]} series
 * @property {Frame | null} picture
 * @property {Frame[]} comparisons the last update made twice, each time with another setting
 */

/**
 * @param {string} name
 * @returns {Promise<Recording>}
 * @throws {Error} there is no such recording, or it cannot be read; in a sentence
 */
export async function loadRecording(name) {
  const response = name.startsWith(OWN) ? await keptFile(name) : await ask(`recordings/${name}.rec`).catch(() => null);
  if (!response && alone()) throw new Error("This page is one file that holds one run. There is no server to ask for another.");
  if (!response) throw new Error("The server cannot be reached.");
  if (!response.ok) throw new Error(`There is no recording “${name}” on this server.`);
  try {
    return read(await unpacked(new Uint8Array(await response.arrayBuffer())));
  } catch (error) {
    throw new Error(`The recording “${name}” cannot be shown: ${/** @type {Error} */ (error).message}.`);
  }
}

/** @param {string} name */
const keptAt = (name) => `${KEPT}/${name}`;

/** @param {string} name @returns {Promise<Response>} @throws {Error} it is not kept */
async function keptFile(name) {
  const found = await caches.match(keptAt(name)).catch(() => undefined);
  if (!found)
    throw new Error(
      `The recording “${name.slice(OWN.length)}” is a file that was opened in another browser, or before another one. Open it anew: drop it onto this page.`,
    );
  return found;
}

/**
 * @param {File} file
 * @returns {Promise<Recording>}
 * @throws {Error} it is no recording; in a sentence
 */
export async function openFile(file) {
  try {
    return read(await unpacked(new Uint8Array(await file.arrayBuffer())));
  } catch (error) {
    throw new Error(`“${file.name}” cannot be shown: ${/** @type {Error} */ (error).message}.`);
  }
}

/**
 * Keeps a file for this page, in place of the one before, so that a reload finds it again.
 *
 * @param {File} file
 * @returns {Promise<string>} the recording's name in an address
 * @throws {Error} it is no recording, or the browser keeps no files; in a sentence
 */
export async function keepFile(file) {
  await openFile(file);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const stem = file.name.replace(/\.[^.]*$/, "").toLowerCase();
  const name =
    OWN +
    (stem
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-|-$/g, "")
      .slice(0, 60) || "recording");
  try {
    await caches.delete(KEPT);
    await (await caches.open(KEPT)).put(keptAt(name), new Response(bytes));
  } catch {
    throw new Error(`This browser keeps no files for the page. Open it in the terminal: ppo-scope open ${file.name}`);
  }
  return name;
}

/** Whether a recording is a file of this browser, which an address alone does not give to anybody else. @param {string | null} name */
export const isOwnFile = (name) => name?.startsWith(OWN) ?? false;

/** @param {Uint8Array<ArrayBuffer>} packed @throws {Error} it is no whole gzip file */
async function unpacked(packed) {
  if (!packed.length) throw new Error("its file is empty");
  if (GZIP.some((byte, at) => packed[at] !== byte)) throw new Error("its file is no recording, which would be packed with gzip");
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer().catch(() => {
    throw new Error("its file is damaged or cut off");
  });
}

/** @param {ArrayBuffer} buffer @throws {Error} it holds a frame that ends beyond it, or that cannot be read */
function framesOf(buffer) {
  const view = new DataView(buffer);
  /** @type {Frame[]} */
  const frames = [];
  for (let at = 0; at < buffer.byteLength;) {
    const rest = buffer.byteLength - at - LENGTH_BYTES;
    const length = rest < 0 ? Infinity : Number(view.getBigUint64(at, true));
    if (length > rest) throw new Error("it is cut off in the middle of a frame");
    try {
      frames.push(decode(buffer.slice(at + LENGTH_BYTES, at + LENGTH_BYTES + length)));
    } catch {
      throw new Error(`frame ${frames.length + 1} of it is damaged`);
    }
    at += LENGTH_BYTES + length;
  }
  return frames;
}

/** @param {ArrayBuffer} buffer @returns {Recording} @throws {Error} it is none that this page can show */
export function read(buffer) {
  const frames = framesOf(buffer);
  const first = /** @type {any} */ (frames[0]?.header);
  if (first?.kind !== "run" || typeof first.run?.id !== "string" || !first.run.settings || !Array.isArray(first.run.changes))
    throw new Error("it does not begin with a run");
  if (!(first.protocol >= OLDEST_RECORDED && first.protocol <= PROTOCOL)) {
    throw new Error(`it is of protocol ${first.protocol}, and this page reads ${OLDEST_RECORDED} to ${PROTOCOL}. Record the run anew`);
  }
  if (!frames.some(({ header }) => header.kind === "snapshot")) throw new Error("there is no moment in it that could be shown");
  const of = (/** @type {string[]} */ ...kinds) => frames.filter(({ header }) => kinds.includes(header.kind));
  return {
    run: first.run,
    note: typeof first.note === "string" ? first.note : null,
    snapshots: /** @type {Snapshot[]} */ (of("snapshot", "passing")),
    series: /** @type {Frame<SeriesHeader>[]} */ (of("series")),
    picture: of("picture").at(-1) ?? null,
    comparisons: of("comparison"),
  };
}

/** What time travel needs of a recording. @param {Recording} recording */
export function keptOf({ snapshots }) {
  /** @type {Map<string, Moment>} the newest picture of each moment, in the order of the run */
  const moments = new Map();
  for (const { header } of snapshots) {
    const { sequence, update, phase, epoch, minibatch } = header;
    moments.set([update, phase, epoch, minibatch].join(), { sequence, update, phase, epoch, minibatch });
  }
  const bySequence = new Map(snapshots.map((snapshot) => [snapshot.header.sequence, snapshot]));
  return {
    list: async () => [...moments.values()],
    fetch: async (/** @type {string} */ _, /** @type {number} */ sequence) => /** @type {Snapshot} */ (bySequence.get(sequence)),
  };
}

// A recorded run (`ppo-scope record`): its file, read whole, in place of a server.

import { decode } from "./frame.js";

/** @import { Frame, Moment, Run, SeriesHeader, Snapshot } from "../types.js" */

const NAME = /^[a-z0-9-]{1,64}$/;
const LENGTH_BYTES = 8;

/** @returns {string | null} the recording that the address asks for */
export function askedFor() {
  const name = new URLSearchParams(location.search).get("recording");
  return name !== null && NAME.test(name) ? name : null;
}

/**
 * @typedef {object} Recording
 * @property {Run} run
 * @property {Snapshot[]} snapshots
 * @property {Frame<SeriesHeader>[]} series
 * @property {Frame | null} picture
 */

/**
 * @param {string} name
 * @returns {Promise<Recording>}
 * @throws {Error} there is no such recording, or it cannot be read
 */
export async function loadRecording(name) {
  const response = await fetch(`recordings/${name}.rec`);
  if (!response.ok || !response.body) throw new Error(`There is no recording “${name}” on this server.`);
  const unpacked = response.body.pipeThrough(new DecompressionStream("gzip"));
  return read(await new Response(unpacked).arrayBuffer());
}

/** @param {ArrayBuffer} buffer @returns {Recording} */
function read(buffer) {
  const view = new DataView(buffer);
  /** @type {Frame[]} */
  const frames = [];
  for (let at = 0; at < buffer.byteLength; ) {
    const length = Number(view.getBigUint64(at, true));
    frames.push(decode(buffer.slice(at + LENGTH_BYTES, at + LENGTH_BYTES + length)));
    at += LENGTH_BYTES + length;
  }
  const of = (/** @type {string[]} */ ...kinds) => frames.filter(({ header }) => kinds.includes(header.kind));
  return {
    run: /** @type {any} */ (frames[0].header).run,
    snapshots: /** @type {Snapshot[]} */ (of("snapshot", "passing")),
    series: /** @type {Frame<SeriesHeader>[]} */ (of("series")),
    picture: of("picture").at(-1) ?? null,
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

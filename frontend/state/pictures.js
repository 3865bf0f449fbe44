// Pictures of the environment on their way into the state: the browser decodes them off the main thread, and only what
// can be painted at once is handed on. A picture that arrives meanwhile replaces one that still waits.

/** @import { Frame, Picture } from "../types.js" */

/**
 * @param {(picture: Picture) => void} handOn
 * @returns {(frame: Frame) => void} takes what has arrived
 */
export function createPictureDecoder(handOn) {
  /** @type {Frame | null} */
  let waiting = null;
  let busy = false;

  async function decodeAll() {
    busy = true;
    try {
      while (waiting) {
        const frame = waiting;
        waiting = null;
        handOn(await decoded(frame));
      }
    } finally {
      busy = false;
    }
  }

  return (frame) => {
    waiting = frame;
    if (!busy) void decodeAll();
  };
}

/** @param {Frame} frame @returns {Promise<Picture>} without a bitmap where there is none, or it cannot be read */
async function decoded(frame) {
  const header = /** @type {Picture["header"]} */ (frame.header);
  const image = /** @type {any} */ (frame.arrays.image);
  const bitmap = image ? await createImageBitmap(new Blob([image], { type: header.mime ?? "" })).catch(() => null) : null;
  return { header, bitmap };
}

// Pictures of the environment on their way into the state: the browser decodes them off the main thread, and only what
// can be painted at once is handed on. A picture that arrives meanwhile replaces one that still waits.

/** @import { Decoded, Frame, Picture } from "../types.js" */

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
  return { header, bitmap: image ? await read(image, header.mime ?? "").catch(() => null) : null };
}

/**
 * By the decoder itself, where the browser has one and the page comes from where it may be used: a Blob would go through
 * another process, and an ImageBitmap be one copy more.
 *
 * @param {Uint8Array<ArrayBuffer>} data @param {string} type @returns {Promise<Decoded>}
 */
async function read(data, type) {
  if (!("ImageDecoder" in globalThis)) return createImageBitmap(new Blob([data], { type }));
  const decoder = new ImageDecoder({ data, type });
  try {
    return (await decoder.decode()).image;
  } finally {
    decoder.close();
  }
}

/** @param {Decoded} picture @returns {[width: number, height: number]} in its own pixels */
export const sizeOf = (picture) => ("displayWidth" in picture ? [picture.displayWidth, picture.displayHeight] : [picture.width, picture.height]);

// Binary frames, as docs/protocol.md defines them.

/** @import { Dtype, Frame, TypedArray } from "../types.js" */

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** @type {Record<Dtype, { new (buffer: ArrayBuffer, offset: number, length: number): TypedArray }>} */
const TYPES = {
  uint8: Uint8Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
};

/**
 * The header of a frame and its arrays, as views on the message's bytes.
 *
 * @param {ArrayBuffer} message
 * @returns {Frame}
 * @throws {RangeError} an array does not lie inside the message
 * @throws {SyntaxError} the header is not JSON
 * @throws {TypeError} the header is not UTF-8, or a dtype is unknown
 */
export function decode(message) {
  const length = new DataView(message).getUint32(0, true);
  const header = JSON.parse(utf8.decode(new Uint8Array(message, 4, length)));
  /** @type {Frame["arrays"]} */
  const arrays = {};
  for (const [name, spec] of Object.entries(header.arrays)) {
    const type = TYPES[/** @type {Dtype} */ (spec.dtype)];
    if (!type) throw new TypeError(`array ${name} has the unknown dtype ${spec.dtype}`);
    const size = spec.shape.reduce((/** @type {number} */ product, /** @type {number} */ n) => product * n, 1);
    arrays[name] = new type(message, 4 + length + spec.offset, size);
  }
  return { header, arrays };
}

// Where a long column has its lowest and its highest values, stretch by stretch. A column of a hundred thousand rows is
// drawn many times a second: what is known of its stretches is kept, and only what has changed is looked at again.

const STRETCH = 64; // rows; a power of two, as the buckets of a curve are, so that each of these is made of whole stretches

export class Turns {
  #lows = new Uint32Array(64);
  #highs = new Uint32Array(64);
  #known = 0; // stretches from the beginning

  /** Rows from this one on have other values than before. @param {number} row */
  forget(row) {
    this.#known = Math.min(this.#known, Math.floor(row / STRETCH));
  }

  /**
   * Where the lowest and the highest value of the rows `start` to before `end` are; `start` twice where all are NaN.
   *
   * @param {ArrayLike<number>} values all that there are
   * @param {number} start
   * @param {number} end
   * @returns {{ low: number, high: number }}
   */
  within(values, start, end) {
    const [from, to] = [Math.ceil(start / STRETCH), Math.floor(end / STRETCH)];
    if (from >= to) return scan(values, start, end, { low: start, high: start });
    this.#learn(values, to);
    const found = scan(values, start, from * STRETCH, { low: start, high: start });
    for (let stretch = from; stretch < to; stretch++) {
      const [low, high] = [this.#lows[stretch], this.#highs[stretch]];
      if (isLower(values, low, found.low)) found.low = low;
      if (isHigher(values, high, found.high)) found.high = high;
    }
    return scan(values, to * STRETCH, end, found);
  }

  /** @param {ArrayLike<number>} values @param {number} stretches that are to be known */
  #learn(values, stretches) {
    if (stretches > this.#lows.length) {
      const room = 2 ** Math.ceil(Math.log2(stretches));
      [this.#lows, this.#highs] = [this.#lows, this.#highs].map((old) => {
        const larger = new Uint32Array(room);
        larger.set(old);
        return larger;
      });
    }
    for (; this.#known < stretches; this.#known++) {
      const start = this.#known * STRETCH;
      const { low, high } = scan(values, start, start + STRETCH, { low: start, high: start });
      this.#lows[this.#known] = low;
      this.#highs[this.#known] = high;
    }
  }
}

/** Whether the value in a row counts as lower: NaN counts as nothing. @param {ArrayLike<number>} values @param {number} row @param {number} than */
const isLower = (values, row, than) => !(values[row] >= values[than]) && !Number.isNaN(values[row]);

/** @param {ArrayLike<number>} values @param {number} row @param {number} than */
const isHigher = (values, row, than) => !(values[row] <= values[than]) && !Number.isNaN(values[row]);

/**
 * Goes on from what was found before.
 *
 * @param {ArrayLike<number>} values
 * @param {number} start
 * @param {number} end
 * @param {{ low: number, high: number }} found
 */
function scan(values, start, end, found) {
  let { low, high } = found;
  for (let row = start; row < end; row++) {
    if (isLower(values, row, low)) low = row;
    if (isHigher(values, row, high)) high = row;
  }
  return { low, high };
}

/**
 * The first row whose value is at least this one; the values ascend.
 *
 * @param {ArrayLike<number>} values
 * @param {number} least
 */
export function firstFrom(values, least) {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] >= least) high = middle;
    else low = middle + 1;
  }
  return low;
}

// Axis ranges that stay where they are until the data leave them, and then move to the next round number. A chart
// whose range follows every value cannot be read while it moves, and a new range costs far more than new data.

/** @typedef {readonly [number, number]} Range */

/** @type {Range} */
const NOTHING = [Infinity, -Infinity];
const SHRINK = 0.35; // of the range: data that fill less than that are worth a new one
const HEADROOM = 0.25; // of what is needed
const DIVISIONS = 5;
const PATIENCE = 40; // draws

export class SteadyRange {
  /** @type {Range | null} */ #range = null;
  #seen = NOTHING;
  #draws = 0;

  /**
   * The range to show [low, high] in.
   *
   * @param {number} low
   * @param {number} high
   * @param {number} patience after how many draws a range that has become too large is given up
   * @returns {Range}
   */
  fit(low, high, patience = PATIENCE) {
    if (!Number.isFinite(low) || !Number.isFinite(high)) return this.#range ?? [0, 1];
    this.#seen = [Math.min(this.#seen[0], low), Math.max(this.#seen[1], high)];
    this.#draws += 1;
    const held = this.#range;
    const rest = this.#draws >= patience;
    const needed = this.#seen[1] - this.#seen[0];
    if (!held || (rest && needed < SHRINK * (held[1] - held[0]))) this.#range = round(this.#seen);
    else if (low < held[0] || high > held[1]) this.#range = round(ahead(this.#seen, held));
    if (rest) this.forget();
    return /** @type {Range} */ (this.#range);
  }

  /** What was seen so far no longer counts. */
  forget() {
    this.#seen = NOTHING;
    this.#draws = 0;
  }

  /** Something else is shown from now on. */
  reset() {
    this.forget();
    this.#range = null;
  }
}

/**
 * The next of …, 1, 2, 5, 10, 20, 50, …
 *
 * @param {number} value greater than 0
 */
export function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5, 10].find((candidate) => value <= candidate * power * (1 + 1e-9)) ?? 10;
  return step * power;
}

/**
 * With room on the side where the data left the range: they will go on.
 *
 * @param {Range} seen
 * @param {Range} held
 * @returns {Range}
 */
function ahead([low, high], held) {
  const room = HEADROOM * (high - low);
  return [low < held[0] ? low - room : low, high > held[1] ? high + room : high];
}

/** @param {Range} range @returns {Range} the smallest with round ends around it */
function round([low, high]) {
  const unit = roundUp((high - low || Math.abs(high) || 1) / DIVISIONS);
  const bottom = Math.floor(low / unit + 1e-9) * unit;
  const top = Math.ceil(high / unit - 1e-9) * unit;
  return top > bottom ? [bottom, top] : [bottom, bottom + unit];
}

/**
 * The smallest and the largest finite number: [Infinity, −Infinity] where there is none, which adds nothing to others.
 *
 * @param {...ArrayLike<number>} columns
 * @returns {Range}
 */
export function extent(...columns) {
  let low = Infinity;
  let high = -Infinity;
  for (const column of columns) {
    for (let index = 0; index < column.length; index += 1) {
      const value = column[index];
      if (value < low && value > -Infinity) low = value;
      if (value > high && value < Infinity) high = value;
    }
  }
  return [low, high];
}

// Axis ranges that stay where they are until the data leave them, and then move to the next round number. A chart
// whose range follows every value cannot be read while it moves, and a new range costs far more than new data.

/** @typedef {readonly [number, number]} Range */

const SHRINK = 0.25; // of the range: below that the data have become too small to be read
const DIVISIONS = 5;

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
 * The range to show [low, high] in: the one held so far if it serves, else a round one.
 *
 * @param {Range | null} held
 * @param {number} low
 * @param {number} high
 * @returns {Range}
 */
export function steady(held, low, high) {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return held ?? [0, 1];
  const needed = high - low;
  if (held && low >= held[0] && high <= held[1] && needed >= SHRINK * (held[1] - held[0])) return held;
  const unit = roundUp((needed || Math.abs(high) || 1) / DIVISIONS);
  const bottom = Math.floor(low / unit + 1e-9) * unit;
  const top = Math.ceil(high / unit - 1e-9) * unit;
  return top > bottom ? [bottom, top] : [bottom, bottom + unit];
}

/**
 * The smallest and the largest number, without NaN: [Infinity, −Infinity] where there is none.
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
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return [low, high];
}

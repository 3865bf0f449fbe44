// KL(π_old‖π) of two distributions over the actions of one state, as the panel Sample has them: exact, from all of their numbers.

/** @typedef {ArrayLike<number>} Numbers the columns of a distribution */

/** p·log(p/q); 0 where p is 0. @param {number} p @param {number} q */
const part = (p, q) => (p > 0 ? p * Math.log(p / q) : 0);

/** @param {Numbers} before @param {Numbers} now @param {(p: number, q: number, at: number) => number} term @param {number} n */
function total(before, now, term, n = before.length) {
  let sum = 0;
  for (let at = 0; at < n; at++) sum += term(before[at], now[at], at);
  return Math.max(0, sum); // what rounding makes of two that are the same
}

/**
 * @param {string} kind of the action space, as a snapshot's notes name it
 * @param {Numbers} before probabilities; of `multi_binary` those of being on; of `box` the means, then the deviations
 * @param {Numbers} now
 */
export function divergence(kind, before, now) {
  if (kind === "multi_binary") return total(before, now, (p, q) => part(p, q) + part(1 - p, 1 - q));
  if (kind !== "box") return total(before, now, part); // of several choices the sum over them
  const n = before.length / 2;
  const normal = (/** @type {number} */ mean, /** @type {number} */ other, /** @type {number} */ at) => {
    const [sigma, wide] = [before[n + at], now[n + at]];
    return Math.log(wide / sigma) + (sigma ** 2 + (mean - other) ** 2) / (2 * wide ** 2) - 0.5;
  };
  return total(before, now, normal, n);
}

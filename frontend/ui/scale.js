// Between a setting's value and the position of its slider.

/** @import { Setting } from "../types.js" */

const PER_DECADE = 20; // about 12 % from one position of a logarithmic slider to the next

/**
 * @typedef {object} Scale
 * @property {number} minimum of the positions
 * @property {number} maximum
 * @property {number} step
 * @property {(value: number) => number} position
 * @property {(position: number) => number} value
 */

/** @param {Setting} setting @returns {Scale} */
export function scaleOf(setting) {
  const [low, high] = setting.slider ?? [setting.minimum ?? 0, setting.maximum ?? 1];
  return setting.scale === "log" ? logarithmic(low, high) : linear(low, high, setting.step ?? (high - low) / 100);
}

/**
 * @param {number} low
 * @param {number} high
 * @param {number} step
 * @returns {Scale}
 */
function linear(low, high, step) {
  const decimals = Math.max(0, -Math.floor(Math.log10(step)));
  return {
    minimum: low,
    maximum: high,
    step,
    position: (value) => Math.min(high, Math.max(low, value)),
    value: (position) => Number(position.toFixed(decimals)), // 0.30000000000000004 is nobody's choice
  };
}

/**
 * @param {number} low above 0
 * @param {number} high
 * @returns {Scale}
 */
function logarithmic(low, high) {
  const decades = Math.log10(high / low);
  const positions = Math.round(PER_DECADE * decades);
  return {
    minimum: 0,
    maximum: positions,
    step: 1,
    position: (value) => Math.min(positions, Math.max(0, Math.round((Math.log10(value / low) / decades) * positions))),
    value: (position) => Number((low * 10 ** ((position / positions) * decades)).toPrecision(2)),
  };
}

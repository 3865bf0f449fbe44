// Numbers for people: sensible digits, a true minus sign, and "–" where there is no number.

export const NONE = "–";

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** With a true minus sign. @param {string} text */
export const withMinus = (text) => text.replace("-", "−");

/** @param {number} n */
const superscript = (n) => (n < 0 ? "⁻" : "") + [...String(Math.abs(n))].map((d) => SUPERSCRIPT[Number(d)]).join("");

/** "10⁶", "10⁻³". @param {number} exponent */
export const powerOfTen = (exponent) => `10${superscript(exponent)}`;

/** "−1,234.50": all of its digits before the point, and so many after it. @param {number} value @param {number} decimals */
export const grouped = (value, decimals) =>
  withMinus(value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }));

/**
 * @param {number | null | undefined} value
 * @returns {value is number}
 */
const defined = (value) => value !== null && value !== undefined && !Number.isNaN(value);

/** @param {number} value */
const infinite = (value) => (value > 0 ? "∞" : "−∞");

/**
 * @param {number | null | undefined} value
 * @param {number} digits significant digits
 */
export function number(value, digits = 3) {
  if (!defined(value)) return NONE;
  if (!Number.isFinite(value)) return infinite(value);
  const size = Math.abs(value);
  if (Number(size.toPrecision(digits)) >= 10 ** digits && size < 1e9) return withMinus(whole.format(value)); // 999.7, too, is 1,000
  if (size !== 0 && (size < 1e-3 || size >= 1e9)) return power(value, digits);
  return withMinus(String(Number(value.toPrecision(digits))));
}

/**
 * In three digits, of which none is left out, so that 0.00210 stands beside 0.00191; and in two where a power of ten needs
 * their room: never wider than "−1.2×10⁻¹⁰".
 *
 * @param {number | null | undefined} value
 */
export function compact(value) {
  if (!defined(value) || !Number.isFinite(value) || value === 0) return number(value);
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return power(value, 2, String);
  return size < 999.5 ? withMinus(value.toPrecision(3)) : count(value);
}

/**
 * @param {number} value
 * @param {number} digits
 * @param {(mantissa: string) => string | number} written as it is, or without the zeros that end it
 */
function power(value, digits, written = Number) {
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  return `${withMinus(String(written(mantissa)))}×${powerOfTen(Number(exponent))}`;
}

/**
 * A number whose width does not change while it moves.
 *
 * @param {number | null | undefined} value
 * @param {number} decimals
 */
export function fixed(value, decimals) {
  if (!defined(value)) return NONE;
  if (!Number.isFinite(value)) return infinite(value);
  if (Math.abs(value) >= 10_000) return number(value);
  // A tiny negative loss would otherwise read "−0.0000".
  const text = value.toFixed(decimals);
  return withMinus(Number(text) === 0 ? text.replace("-", "") : text);
}

const NOISE = 1e-6; // below that a mean over float32 samples, or a log π of one, is rounding error

/**
 * The same of a number of which something is to be seen however small it is: 0.0004 in place of a 0.00 that it is not.
 *
 * @param {number | null | undefined} value
 * @param {number} decimals
 * @param {number} noise what is no larger is rounding error, and 0
 */
export function figure(value, decimals, noise = 0) {
  const size = Math.abs(value ?? NaN);
  return size > noise && size < 0.5 * 10 ** -decimals ? number(value, 1) : fixed(value, decimals);
}

/** What a loss is made of, of one sample: r, log π, Â. @param {number | null | undefined} value */
export const ofSample = (value) => figure(value, 3, NOISE);

/** The explained variance, and the smallest and largest r: the same digits wherever they stand. @param {number | null | undefined} value */
export const explained = (value) => fixed(value, 3);
/** @param {number | null | undefined} value */
export const extreme = (value) => figure(value, 2);

const SHARE = 1e-7; // of less than one in so many samples: none

/**
 * Number and sign stand in one line; a share that there is never reads 0.0.
 *
 * @param {number | null | undefined} fraction
 * @param {number} decimals
 */
export function percent(fraction, decimals = 1) {
  return defined(fraction) ? `${figure(100 * fraction, decimals, 100 * SHARE)}\u00a0%` : NONE;
}

const TINY = 1e-4; // below that four decimals would show nothing

/**
 * A term of the loss: about as wide whatever its size, and never "0.0000" where there is something.
 *
 * @param {number | null | undefined} value
 */
export function term(value) {
  if (!defined(value)) return NONE;
  const size = Math.abs(value);
  if (size >= NOISE && size < TINY) return number(value, 1);
  return fixed(value, size < 100 ? 4 : size < 1000 ? 3 : 2);
}

/**
 * A return, or a mean of some: with the same decimals as those of its size beside it, 100.0 as well as 113.3.
 *
 * @param {number | null | undefined} value
 */
export function returned(value) {
  if (!defined(value)) return NONE;
  const size = Math.abs(value);
  if (size !== 0 && size < 1e-3) return number(value);
  return fixed(value, size < 1 ? 3 : size < 10 ? 2 : 1);
}

/** @param {number | null | undefined} value */
export function count(value) {
  return defined(value) ? withMinus(whole.format(value)) : NONE;
}

/** @param {number} value */
function settingNumber(value) {
  if (Number.isInteger(value)) return count(value);
  // A learning rate reads the same beside its slider, under it and in a sentence: 0.00025.
  const plain = Math.abs(value) >= 1e-6 && Math.abs(value) < 1e-3;
  return plain ? withMinus(String(Number(value.toPrecision(6)))) : number(value, 6);
}

const LONG = 8; // characters that nobody has typed

/** What a schedule has made of a setting, without the digits that nobody has chosen: 0.000299 for 0.000299232. @param {number} value */
export const rounded = (value) => (String(value).length > LONG && Math.abs(value) < 1 ? Number(value.toPrecision(3)) : value);

/**
 * A setting as somebody would write it: all its digits, nothing rounded away.
 *
 * @param {unknown} value
 */
export function settingText(value) {
  if (value === null || value === undefined) return "off";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number") return settingNumber(value);
  if (Array.isArray(value)) return value.map(String).join(", ");
  if (typeof value === "object") return Object.keys(value).length ? JSON.stringify(value) : "none";
  return String(value).replaceAll("_", " ");
}

// Arithmetic with the theme's colours, which are written "#rrggbb" or "rgb(…)".

/** The red, green and blue of a colour. @param {string} colour @returns {number[]} */
export function channels(colour) {
  if (colour.startsWith("#")) return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return (colour.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
}

/** A colour, thinner. @param {string} colour @param {number} opacity */
export const fade = (colour, opacity) => `rgba(${channels(colour).join(",")},${opacity})`;

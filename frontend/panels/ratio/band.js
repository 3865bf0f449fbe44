// The clip range as a band of the ratio histogram, that of a preview over it, and what stands at their edges.

import { count, fixed } from "../../state/format.js";
import { fade } from "../../draw/colours.js";
import { rise, upperSymbol } from "../../ppo/clip-range.js";

/** @import { Theme } from "../../types.js" */
/** @import { ClipRange } from "../../ppo/clip-range.js" */
/** @import { Histogram } from "./ratio.js" */

/**
 * @typedef {object} Across the axis
 * @property {number} limit it goes from −limit to limit, in log r
 * @property {number} width in CSS pixels
 */
/** What may stand at an edge: lines, and the CSS pixels that they take. @typedef {{ text: string, wide: number }} Words */
/** @typedef {"left" | "right"} Anchor */

const WIDEST_BAND = 0.9; // of ε whose lower edge is to be in sight: that of ε = 1 is infinitely far
const SIZE = 12; // of the words
const NUMBER = 34; // CSS pixels that the number of an edge takes, at the usual size of type
const PREVIEW = 52; // the same of the word over it
const BELOW = 36; // CSS pixels from the top: what stands at the edges in use has room above

/** Where it ends. @param {Pick<Histogram, "clipRange">} histogram @returns {[number, number]} NaN where nothing is clipped */
const band = ({ clipRange }) => (clipRange === null ? [NaN, NaN] : [Math.max(0, 1 - clipRange.clip_range), 1 + rise(clipRange)]);

/** What the axis needs on either side for the band. @param {ClipRange | null} clipRange @returns {number} in log r */
export function room(clipRange) {
  if (clipRange === null) return 0;
  return 1.2 * Math.max(-Math.log(1 - Math.min(clipRange.clip_range, WIDEST_BAND)), Math.log(1 + rise(clipRange)));
}

/** The edges of the band, from the bottom to the top. @param {Pick<Histogram, "clipRange">} histogram */
export function edges(histogram) {
  const [low, high] = band(histogram);
  return { x: [low, low, NaN, high, high], y: [0, 1, NaN, 0, 1] };
}

/**
 * The band as far as the axis shows it, and what its edges are.
 *
 * @param {Histogram} histogram
 * @param {ClipRange | null} wouldBe that of the preview
 * @param {Across} across
 * @param {Theme} theme
 */
export function marks(histogram, wouldBe, across, theme) {
  const { clipRange, outside } = histogram;
  const { limit } = across;
  const inSight = (/** @type {[number, number]} */ ends) => ends.filter((at) => at > 0 && Math.abs(Math.log(at)) < limit);
  const own = inSight(band(histogram));
  const previewed = inSight(band({ clipRange: wouldBe })).filter((at) => !own.includes(at)); // one edge may stay
  const [low, high] = band(histogram);
  const label = { showarrow: false, yref: "paper", font: { size: SIZE } };
  /** @param {number} at @param {number} below CSS pixels, from the top @param {Words[]} ways @param {number[]} others @param {boolean} inwards */
  const ofAnEdge = (at, below, ways, others, inwards) => ({
    ...label,
    ...placed(at, scaled(ways, theme), others, across, inwards),
    x: Math.log10(at),
    y: 1,
    yanchor: "top",
    yshift: -below * theme.scale,
    bgcolor: fade(theme.panel, 0.8), // where there is no room, another edge runs through it
    font: { size: SIZE, color: theme.clip },
  });
  const named = (/** @type {number} */ at) => (at < 1 ? "1−ε" : `1+${clipRange ? upperSymbol(clipRange) : ""}`);
  const outgrown = wouldBe !== null && clipRange !== null && rise(wouldBe) > rise(clipRange); // the preview's edges need the room outside
  const roomy = Math.log(high) > (outgrown ? 0.25 : 0.3) * limit;
  const beyond = [
    { n: outside[0], x: 0, xanchor: "left", text: `◂ ${count(outside[0])} below` },
    { n: outside[1], x: 1, xanchor: "right", text: `${count(outside[1])} above ▸` },
  ].filter(({ n }) => n > 0);
  return {
    shapes: [
      {
        type: "rect",
        layer: "below",
        x0: Math.max(low, Math.exp(-limit)),
        x1: Math.min(high, Math.exp(limit)),
        yref: "paper",
        y0: 0,
        y1: 1,
        fillcolor: fade(theme.clip, 0.08),
        line: { width: 0 },
        visible: clipRange !== null,
      },
    ],
    annotations: [
      ...own.map((at) => ofAnEdge(at, 0, [{ text: `${named(at)}<br>${fixed(at, 2)}`, wide: NUMBER }], previewed, roomy)),
      ...previewed.map((at) =>
        ofAnEdge(
          at,
          BELOW,
          [
            { text: `preview<br>${fixed(at, 2)}`, wide: PREVIEW },
            { text: fixed(at, 2), wide: NUMBER },
          ],
          own,
          false,
        ),
      ),
      ...beyond.map(({ x, xanchor, text }) => ({ ...label, xref: "paper", x, y: 0.6, xanchor, text, font: { size: SIZE, color: theme.ink } })),
    ],
  };
}

/** At the size of the theme's type. @param {Words[]} ways @param {Theme} theme @returns {Words[]} */
const scaled = (ways, { scale }) => ways.map(({ text, wide }) => ({ text, wide: scale * wide }));

/**
 * On which side of an edge its words stand: so that no other edge runs through them, nor the end of the axis; on the side of 1
 * they leave the other half to the words of the other edge. The first words that find such a place; else the last ones.
 *
 * @param {number} at the edge, a ratio
 * @param {Words[]} ways the preferred first
 * @param {number[]} others edges
 * @param {Across} across
 * @param {boolean} inwards the side of 1 is preferred
 * @returns {{ text: string, xanchor: Anchor }}
 */
export function placed(at, ways, others, { limit, width }, inwards) {
  const pixels = (/** @type {number} */ ratio) => (Math.log(ratio) / (2 * limit)) * width; // from 1, to the right
  const edge = pixels(at);
  const obstacles = [...others.map(pixels), 0, -width / 2, width / 2];
  const outward = at < 1 ? -1 : 1;
  const sides = inwards ? [-outward, outward] : [outward, -outward];
  const isFree = (/** @type {number} */ way, /** @type {number} */ wide) =>
    obstacles.every((place) => way * (place - edge) <= 0 || way * (place - edge) >= wide);
  const found = ways.flatMap(({ text, wide }) => sides.filter((way) => isFree(way, wide)).map((way) => ({ text, way })))[0];
  const { text, way } = found ?? { text: ways[ways.length - 1].text, way: sides[0] };
  return { text, xanchor: way < 0 ? "right" : "left" };
}

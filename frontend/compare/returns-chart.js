// The chart of groups of runs: a curve each, with the band of its interval.

import { Chart, axisTitle } from "../draw/chart.js";
import { fade } from "../draw/colours.js";
import { extent } from "../draw/ranges.js";
import { DRAWN } from "../state/compared.js";

/** @import { ComparedGroup, PanelContext, Theme } from "../types.js" */

/** Never by the colour alone: lines of neighbours are dashed in another way. @type {{ colour: keyof Theme, dash: string }[]} */
const LOOKS = [
  { colour: "policy", dash: "solid" },
  { colour: "value", dash: "dash" },
  { colour: "entropy", dash: "dot" },
  { colour: "clip", dash: "longdash" },
  { colour: "advantage", dash: "solid" },
  { colour: "other", dash: "dash" },
  { colour: "ink", dash: "dot" },
  { colour: "pulledBack", dash: "longdash" },
];
const BAND = 0.22; // how much of a band's colour there is
const ROOM = 0.04; // of the height, above and below

/** @param {HTMLElement} parent @param {() => Theme} theme */
export function createReturnsChart(parent, theme) {
  const chart = new Chart(parent, { name: "Return over environment steps", traces, layout }, /** @type {PanelContext} */ ({ theme }));

  /** @param {ComparedGroup[]} groups */
  function draw(groups) {
    const shown = groups.slice(0, DRAWN);
    const bands = LOOKS.map((_, at) => bandOf(shown[at]));
    const curves = LOOKS.map((_, at) => ({ x: shown[at]?.steps ?? [], y: shown[at]?.values ?? [] }));
    const [low, high] = extent(...curves.map(({ y }) => y), ...bands.map(({ y }) => y));
    const [first, last] = extent(...curves.map(({ x }) => x));
    const room = high > low ? ROOM * (high - low) : 1;
    const across = last > first ? [0, last] : [0, Math.max(last, 1)];
    const known = Number.isFinite(low) && Number.isFinite(high);
    chart.draw([...bands, ...curves], {
      xaxis: { range: Number.isFinite(last) ? across : [0, 1] },
      yaxis: { range: known ? [low - room, high + room] : [0, 1] },
    });
    chart.element.dataset.groups = String(shown.length);
    chart.element.dataset.bands = String(bands.filter(({ x }) => x.length).length);
  }

  return { element: chart.element, draw, resize: () => chart.resize(), reset: () => chart.reset() };
}

/** Its outline. @param {ComparedGroup | undefined} group */
function bandOf(group) {
  if (!group?.low || !group.high) return { x: [], y: [] };
  return { x: [...group.steps, ...[...group.steps].reverse()], y: [...group.high, ...[...group.low].reverse()] };
}

/** @param {Theme} theme */
function traces(theme) {
  const bands = LOOKS.map(({ colour }) => ({
    mode: "lines",
    fill: "toself",
    fillcolor: fade(String(theme[colour]), BAND),
    line: { width: 0, color: String(theme[colour]) },
    hoverinfo: "skip",
  }));
  const curves = LOOKS.map(({ colour, dash }) => ({
    mode: "lines",
    line: { color: String(theme[colour]), width: 2.5, dash },
    hovertemplate: "%{y:.4~g}<extra></extra>",
  }));
  return [...bands, ...curves];
}

const layout = () => ({
  margin: { l: 56, r: 16, t: 10, b: 42 },
  xaxis: { title: axisTitle("environment steps"), nticks: 6, kind: "count", hoverformat: "," },
  yaxis: { title: axisTitle("return"), nticks: 6 },
});

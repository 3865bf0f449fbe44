// A small curve of a run's return, as lists of runs show it.

const WIDTH = 72;
const HEIGHT = 18;

/** The return over the updates. @param {(number | null)[]} returns */
export function sparkline(returns) {
  const known = returns.flatMap((value, at) => (value === null ? [] : [/** @type {[number, number]} */ ([at, value])]));
  const [low, high] = [Math.min(...known.map(([, value]) => value)), Math.max(...known.map(([, value]) => value))];
  const points = known.map(([at, value]) => {
    const across = returns.length > 1 ? (at / (returns.length - 1)) * WIDTH : WIDTH;
    const down = high > low ? HEIGHT - 1 - ((value - low) / (high - low)) * (HEIGHT - 2) : HEIGHT / 2;
    return `${across.toFixed(1)},${down.toFixed(1)}`;
  });
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "run-item-returns", "aria-hidden": "true" }))
    svg.setAttribute(name, value);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points.join(" "));
  svg.append(line);
  return svg;
}

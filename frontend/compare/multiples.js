// Small multiples: a small chart for each combination of values, on the same axes, and the runs of the one that is chosen.

import { Canvas } from "../draw/canvas.js";
import { SteadyRange } from "../draw/ranges.js";
import { SvgCanvas } from "../draw/svg-canvas.js";
import { BADLY, arranged, bestOnes, curveInWords, isSettled, runsOf, spansOf, standingInWords, summaryOf } from "../state/multiples.js";
import { stateInWords } from "../state/stands.js";
import { h, setAttribute, setHidden, setText } from "../ui/dom.js";
import { onPress } from "../ui/pressed.js";
import { renew } from "../ui/renew.js";
import { paintSmall } from "./small-chart.js";

/** @import { Comparison, Setting, SweepTold, Theme } from "../types.js" */
/** @import { Drawing } from "../ui/drawn.js" */
/** @import { Combination } from "../state/multiples.js" */
/** @import { Axes, Shown } from "./small-chart.js" */

/** @typedef {{ element: HTMLButtonElement, name: HTMLElement, mark: HTMLElement, standing: HTMLElement, canvas: Canvas, shown: Shown, drawn: string }} Small */

/** @param {() => Theme} theme @param {(run: string) => void} open */
export function createMultiples(theme, open) {
  const grid = h("div", { class: "multiples-grid" });
  const title = h("h3", { id: "multiples-chosen" });
  const runs = h("ul", {});
  const detail = h("section", { class: "multiples-runs", "aria-labelledby": "multiples-chosen" }, title, runs);
  const element = h("div", { class: "multiples" }, grid, detail);

  /** By their combinations. @type {Map<string, Small>} */
  const smalls = new Map();
  const steady = new SteadyRange();
  /** @type {Axes} */
  let axes = { last: 1, range: [0, 1] };
  /** @type {{ cells: Combination[], comparison: Comparison } | null} */
  let known = null;
  /** @type {string | null} */
  let chosen = null;
  /** By somebody, and not because it is the best. */
  let byHand = false;

  onPress(grid, (button) => {
    [chosen, byHand] = [button.dataset.key ?? null, true];
    showRuns();
  });
  grid.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const all = /** @type {HTMLElement[]} */ ([...grid.querySelectorAll("button")]);
    const next = step && all[all.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + step];
    if (next) (event.preventDefault(), next.focus());
  });
  onPress(runs, ({ dataset }) => dataset.run && open(dataset.run));
  for (const event of ["pointerover", "focusin"]) runs.addEventListener(event, ({ target }) => point(target));
  for (const event of ["pointerleave", "focusout"]) runs.addEventListener(event, () => point(null));
  new ResizeObserver(() => element.offsetParent && paint(true)).observe(grid);

  /** Shows in its chart which one of the runs that is. @param {EventTarget | null} target */
  function point(target) {
    const small = smalls.get(chosen ?? "");
    if (!small) return;
    small.shown.strong = target instanceof Element ? (target.closest("button")?.dataset.run ?? null) : null;
    paint();
  }

  /** @param {string} key @returns {Small} */
  function made(key) {
    const [name, mark, standing] = [h("b", {}), h("span", { class: "multiple-best" }), h("small", {})];
    const box = h("span", { class: "multiple-chart" });
    const element = h("button", { type: "button", class: "multiple", "data-key": key }, name, mark, box, standing);
    const canvas = new Canvas(box, "multiple-canvas");
    canvas.element.setAttribute("aria-hidden", "true");
    return { element, name, mark, standing, canvas, shown: { group: null, curves: [], strong: null, nothing: "" }, drawn: "" };
  }

  /** Only what is another picture than before. @param {boolean} all */
  function paint(all = false) {
    const look = theme();
    for (const small of smalls.values()) {
      const now = JSON.stringify([small.shown, axes]);
      if (now === small.drawn && !all) continue;
      small.drawn = now;
      small.canvas.fit(look.scale);
      paintSmall(small.canvas, small.shown, axes, look);
      Object.assign(small.canvas.element.dataset, drawnOf(small.shown));
    }
  }

  function showRuns() {
    const cell = known?.cells.find(({ key }) => key === chosen);
    for (const [key, { element }] of smalls) setAttribute(element, "aria-pressed", String(key === chosen));
    setHidden(detail, !cell);
    if (!cell || !known) return;
    setText(title, `Runs of ${cell.name}`);
    renew(
      runs,
      runsOf(cell, known.comparison).map(({ id, name, final, state, mark }, at) =>
        h(
          "li",
          { "data-key": id ?? `waiting ${at}` },
          h(
            "button",
            {
              type: "button",
              "data-run": id,
              disabled: id === null,
              title: id === null ? "It has not begun" : `Open run ${id}`,
              "data-best": mark !== "",
            },
            h("b", {}, name),
            h("span", {}, final),
            h("small", { "data-badly": BADLY.has(state) }, [stateInWords(state), mark].filter(Boolean).join(", ")),
          ),
        ),
      ),
    );
  }

  return {
    element,
    /**
     * @param {Comparison} comparison
     * @param {SweepTold | null} sweep
     * @param {readonly Setting[]} table of settings
     * @param {(run: string) => string | null} stateOf
     */
    draw(comparison, sweep, table, stateOf) {
      const { rows, columns, cells } = arranged(comparison, sweep, table, stateOf);
      known = { cells, comparison };
      const { last, low, high } = spansOf(comparison, sweep);
      axes = { last, range: steady.fit(low, high) };
      const best = bestOnes(cells, comparison);
      const settled = isSettled(cells);
      for (const key of smalls.keys()) if (!cells.some((cell) => cell.key === key)) smalls.delete(key);
      for (const cell of cells) {
        const small = smalls.get(cell.key) ?? made(cell.key);
        smalls.set(cell.key, small);
        const mark = !best.includes(cell) ? "" : settled ? "best" : "best so far";
        setText(small.name, cell.name);
        setText(small.mark, mark && `★ ${mark}`);
        setText(small.standing, standingInWords(cell.runs));
        setAttribute(small.standing, "data-badly", String(cell.runs.some(({ state }) => BADLY.has(state))));
        setAttribute(small.element, "aria-label", summaryOf(cell, mark));
        setAttribute(small.element, "data-best", String(best.includes(cell)));
        small.element.toggleAttribute("data-placed", cell.row >= 0);
        [small.element.style.gridRow, small.element.style.gridColumn] = placeOf(cell, cells, rows.length, columns.length);
        const curves = cell.runs.flatMap(({ id }) => {
          const curve = id === null ? undefined : comparison.curves[id];
          return id !== null && curve ? [{ id, curve }] : [];
        });
        const nothing = cell.runs.every(({ state }) => state === "waiting") ? "not begun yet" : "no return yet";
        small.shown = { group: cell.group, curves, strong: curves.some(({ id }) => id === small.shown.strong) ? small.shown.strong : null, nothing };
      }
      grid.toggleAttribute("data-crossed", rows.length > 0);
      grid.style.setProperty("--columns", String(columns.length || 1));
      const heads = [...columns.map((text, at) => heading(text, "column", 1, at + 2)), ...rows.map((text, at) => heading(text, "row", at + 2, 1))];
      place(grid, [...heads, ...cells.map(({ key }) => /** @type {Small} */ (smalls.get(key)).element)]);
      if (!cells.some(({ key }) => key === chosen)) byHand = false;
      if (!byHand && !detail.matches(":hover, :focus-within")) chosen = (best[0] ?? cells[0])?.key ?? null;
      showRuns();
      if (element.offsetParent) paint();
    },
    /** Colours or room are others now. */
    paint: () => paint(true),
    /** @returns {Drawing | null} null where nothing is drawn */
    drawing() {
      const whole = grid.getBoundingClientRect();
      if (!whole.width) return null;
      return { width: whole.width, height: whole.height, markup: markupOf(grid, whole, [...smalls.values()], axes, theme()) };
    },
    /** What stands for what, in words with samples. */
    key() {
      const groups = known?.cells.flatMap(({ group }) => group ?? []) ?? [];
      const sample = (/** @type {string} */ of, /** @type {string} */ text) => h("span", {}, h("i", { class: `multiples-${of}` }), text);
      const several = groups.filter(({ runs }) => runs.length > 1);
      return [
        sample("mean", [...new Set((several.length ? several : groups).map(curveInWords))].join(", or ")),
        ...(groups.some(({ lower }) => lower) ? [sample("band", "middle half of the runs, from the first to the third quartile")] : []),
        ...(several.length ? [sample("run", "each run")] : []),
      ];
    },
  };
}

/** Its row and its column, behind the headings; what has none of its own follows below. @param {Combination} cell @param {Combination[]} cells @param {number} rows @param {number} columns */
function placeOf(cell, cells, rows, columns) {
  if (!rows) return ["", ""];
  const at = cells.filter(({ row }) => row < 0).indexOf(cell);
  const [row, column] = at < 0 ? [cell.row, cell.column] : [rows + Math.floor(at / columns), at % columns];
  return [String(row + 2), String(column + 2)];
}

/** What was painted, for scripts and tests: how many runs, and where curve and band end. @param {Shown} shown */
function drawnOf({ group, curves }) {
  const last = (/** @type {number[] | null | undefined} */ numbers) => String(numbers?.at(-1) ?? "");
  return { runs: String(curves.length), step: last(group?.steps), value: last(group?.values), lower: last(group?.lower), upper: last(group?.upper) };
}

/** @param {string} text @param {"row" | "column"} of @param {number} row @param {number} column */
function heading(text, of, row, column) {
  const element = h("span", { class: `multiples-${of}`, "data-key": `${of} ${text}` }, text);
  [element.style.gridRow, element.style.gridColumn] = [String(row), String(column)];
  return element;
}

/** What is there already stays where it is: who has come to it by the keyboard is still there. @param {Element} parent @param {HTMLElement[]} children */
function place(parent, children) {
  const before = /** @type {HTMLElement[]} */ ([...parent.children]);
  if (before.length === children.length && before.every((old, at) => old.dataset.key === children[at].dataset.key)) return;
  const focused = document.activeElement;
  parent.replaceChildren(...children);
  if (focused instanceof HTMLElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

/** As vectors, where they stand. @param {HTMLElement} grid @param {DOMRect} whole @param {Small[]} smalls @param {Axes} axes @param {Theme} theme */
function markupOf(grid, whole, smalls, axes, theme) {
  const at = (/** @type {Element} */ element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return { x: x - whole.x, y: y - whole.y, width, height };
  };
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("width", String(whole.width));
  svg.setAttribute("height", String(whole.height));
  for (const { canvas, shown } of smalls) {
    const { x, y, width, height } = at(canvas.element);
    const vectors = new SvgCanvas(canvas, theme.panel);
    paintSmall(vectors, shown, axes, theme);
    const picture = new DOMParser().parseFromString(vectors.text, "image/svg+xml").documentElement;
    for (const [name, value] of Object.entries({ x, y, width, height })) picture.setAttribute(name, String(value));
    svg.append(picture);
  }
  for (const words of grid.querySelectorAll("b, small, .multiple-best, .multiples-row, .multiples-column")) {
    const { x, y, height, width } = at(words);
    if (!width) continue;
    const text = document.createElementNS("http://www.w3.org/2000/svg", "text");
    const style = getComputedStyle(words);
    for (const [name, value] of Object.entries({
      x,
      y: y + height * 0.75,
      fill: style.color,
      "font-size": style.fontSize,
      "font-weight": style.fontWeight,
    }))
      text.setAttribute(name, String(value));
    text.textContent = words.textContent;
    svg.append(text);
  }
  return svg.outerHTML;
}

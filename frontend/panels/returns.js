// Episodic return: what the agent achieves. Every episode is a dot; the curve is the trainer's mean of the last 100.

import { h, setHidden, setText, setVisible } from "../ui/dom.js";
import { WHY_ANOTHER, evaluatedInWords, isEvaluated, sparse } from "../state/evaluations.js";
import { inWords as differsInWords, fullNameOf, markedNameOf, shortNameOf, sidesOf } from "../state/beside.js";
import { count, number, settingText, returned } from "../state/format.js";
import { LOOKS } from "../state/looks.js";
import { firstFrom } from "../state/turns.js";
import { Canvas, inPixels } from "../draw/canvas.js";
import { Chart, axisTitle } from "../draw/chart.js";
import { fade } from "../draw/colours.js";
import { WHOLE_RUN_CALM, leftOut, overUpdates, unmarked } from "../draw/curves.js";
import { DotCloud } from "../draw/dots.js";
import { evaluatedLooks, evaluatedMarks } from "../draw/evaluated.js";
import { letterLooks, lettersAt } from "../draw/letters.js";
import { extent } from "../draw/ranges.js";
import { endsWithRun, shownAnew, valuesAt } from "../draw/zoomed.js";
import { followPointer } from "../draw/pointed.js";
import { ofColumns } from "../draw/tables.js";
import { VIEWED_TOP, asFlags, viewedLook, viewedMark } from "../draw/viewed.js";
import { arrange, runMark } from "../ui/run-mark.js";

/** @import { Change, Panel, PanelContext, PanelView, SeriesView, Span, State, Theme, ViewChoices } from "../types.js" */
/** @import { Flag } from "../draw/flags.js" */
/** @import { Range } from "../draw/ranges.js" */
/** @import { Table } from "../draw/tables.js" */
/** @import { ViewedMark } from "../draw/viewed.js" */

/** @typedef {{ title: string, ofEpisodes: string, of(series: SeriesView, update: number): number }} Unit `of`: where an update ends */

const MARGIN = { l: 58, r: 12, t: VIEWED_TOP, b: 36 };
const COLUMNS = ["update", "step", "episodic_return", "episodic_length"]; // of an episode
const NAMED = 1; // settings of another run that the key has room for
const NO_POINTS = { x: [], y: [] };

/** @type {Panel} */
export const returns = {
  name: "Episodic return",
  title: "Episodic return",
  hint: "Sum of rewards; each dot is one episode",
  ideas: ["policy"],
  calm: WHOLE_RUN_CALM,
  probes: [],
  extras: ["series"],
  compares: "overlay",
  mount,
};

/** The axis across: of one run its environment steps; of several what they are aligned by. @type {Record<ViewChoices["align"], Unit>} */
const UNITS = {
  steps: { title: "environment steps", ofEpisodes: "step", of: stepsAt },
  update: { title: "update", ofEpisodes: "update", of: (_, update) => update },
};

/** How many steps had been made by the end of an update: NaN where that is not known. @param {SeriesView} series @param {number} update */
function stepsAt(series, update) {
  return update < series.first ? 0 : (series.column("steps")[Math.min(update - series.first, series.length - 1)] ?? NaN);
}

/** @param {Pick<State, "others" | "view">} state */
const unitOf = ({ others, view }) => (others.length ? view.align : "steps");

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const names = LOOKS.map(() => h("span", {}));
  const entries = names.map((name, place) => h("span", {}, runMark(place), name));
  const key = h("p", { class: "panel-key of-runs", hidden: true });
  const keyOfEvaluations = h(
    "p",
    { class: "panel-key of-evaluations", hidden: true },
    h("span", {}, h("i", { class: "line-training" }), "training, mean of 100 episodes"),
    h("span", { title: WHY_ANOTHER }, h("i", { class: "line-evaluated" }), "deterministic policy, its own environments"),
  );
  const box = h("div", { class: "layers" });
  body.append(key, keyOfEvaluations, box);
  /** The dots of each run, by place: those of the run at hand lie over the others. @type {DotCloud[]} */
  const clouds = [];
  cloudAt(0);
  const saved = (/** @type {Theme} */ theme) =>
    [...LOOKS.keys()].reverse().map((place) => ({
      ...(clouds[place]?.points() ?? NO_POINTS),
      ...dotLook(dotsOf(place, theme, (state?.others.length ?? 0) > 0)),
      visible: state !== null && sidesOf(state).some((run) => run.place === place),
    }));
  const chart = new Chart(box, { name: returns.name, traces, layout, saved, zoomed: () => dots() }, context);
  const caption = h("p", { class: "caption" });
  body.append(caption);

  /** @type {State | null} */
  let state = null;
  const isOther = shownAnew();
  const follow = followPointer(chart, context, {
    plots: [["xaxis", "yaxis"]],
    place: (update) => (state ? UNITS[unitOf(state)].of(state.series, update) : NaN),
    updateAt: (place) => (state ? updateAt(state, place) : NaN),
    says: (update) => (state ? valuesAt(state.series, update, [["mean", "episodic_return_mean"]], returned) : []),
  });
  /** What the axes are of: other runs, or another unit, need others. */
  let shown = "";
  const acrossRanges = { steps: context.range("steps"), update: context.range("updates") };
  const upRange = context.range("up");

  /** @param {number} place */
  function cloudAt(place) {
    if (!clouds[place]) {
      const canvas = new Canvas(box, place ? "other-episodes" : "episodes");
      box.prepend(canvas.element);
      clouds[place] = new DotCloud(canvas);
    }
    return clouds[place];
  }

  function dots() {
    if (!state) return;
    const frame = { x: chart.shown("xaxis"), y: chart.shown("yaxis"), across: UNITS[unitOf(state)].ofEpisodes };
    for (const { place, episodes } of sidesOf(state)) {
      const { canvas } = cloudAt(place);
      if (!canvas.width) canvas.fit(context.theme().scale);
      const colour = dotsOf(place, context.theme(), state.others.length > 0);
      clouds[place].draw(episodes, { ...frame, box: inPixels(chart.plot("xaxis", "yaxis"), canvas), colour });
      canvas.element.dataset.episodes = String(clouds[place].drawn);
    }
    // A canvas is a layer of the browser's, empty or not.
    const places = sidesOf(state).map(({ place }) => place);
    clouds.forEach(({ canvas }, place) => setVisible(canvas.element, places.includes(place)));
  }

  return {
    needs: ["series", "run", "past", "theme", "view", "others", "zoom"],
    ready: ({ series, episodes }) => (series.length || episodes.length ? true : "the first update to finish"),
    draw(next) {
      state = next;
      const unit = unitOf(state);
      const { zoom } = state;
      const { title } = UNITS[unit];
      const runs = sidesOf(state);
      const now = [unit, ...runs.map(({ run }) => run?.id)].join(" ");
      const anew = isOther(state);
      if (now !== shown || anew) [...Object.values(acrossRanges), upRange].forEach((range) => range.reset());
      if (now !== shown) for (const cloud of clouds.filter(Boolean)) cloud.forget(); // another run may have as many episodes
      if (anew) chart.reset();
      shown = now;
      const thresholds = zoom ? [] : runs.flatMap(({ run }) => run?.reward_threshold ?? []);
      const evaluated = runs.flatMap(({ evaluations }) => evaluations.filter(({ update }) => !zoom || (update >= zoom.from && update <= zoom.to)));
      const ends = evaluated.flatMap(({ lowest, highest }) => [lowest ?? NaN, highest ?? NaN]);
      const means = runs.map(({ series }) => series.extent("episodic_return_mean", zoom)); // of a span there may be no episode
      const [low, high] = extent(...runs.map(({ episodes }) => episodes.extent("episodic_return", zoom)), thresholds, ends, ...(zoom ? means : []));
      const last = lastOf(runs, unit);
      const across = zoom ? spanOf(runs, unit) : endsWithRun(state) ? /** @type {Range} */ ([0, last]) : acrossRanges[unit].fit(0, last);
      const up = zoom ? upRange.fit(low, high) : upRange.fit(Math.min(low, 0), Math.max(high, 0));
      const placed = LOOKS.map((_, place) => runs.find((run) => run.place === place) ?? null);
      const curves = placed.map((one) => (one ? curveOf(one, unit) : NO_POINTS));
      const viewed = viewedMark(state, across, up, unit === "steps" ? "steps" : "update");
      const evaluations = placed.flatMap((one) => evaluatedMarks(one ? sparse(one.evaluations) : [], unit));
      const drawn = chart.draw([...curves, ...evaluations, viewed, ...lettersAt(curves, across)], {
        xaxis: { range: across, title: axisTitle(title) },
        yaxis: { range: up },
        ...marks(runs, unit, viewed, context),
      });
      dots();
      follow();
      showKey(state);
      setHidden(keyOfEvaluations, !isEvaluated(state) || runs.length > 1);
      const words = thenInWords(state) || inWords(state);
      setText(caption, runs.length > 1 ? meansInWords(runs) : isEvaluated(state) ? `${words}. ${evaluatedInWords(state)}` : words);
      return drawn;
    },
    resize() {
      chart.resize();
      for (const cloud of clouds.filter(Boolean)) {
        cloud.canvas.fit(context.theme().scale);
        cloud.forget();
      }
    },
    note: (now) => [...leftOut(now), ...unmarked(now)],
    table: (now) => tableOf(now),
    summary: (now) =>
      now.others.length
        ? sidesInWords(sidesOf(now))
        : [inWords(now), thenInWords(now), isEvaluated(now) ? evaluatedInWords(now) : ""].filter(Boolean).join(". "),
  };

  /** Which line is whose, and what the other runs do otherwise. @param {State} state */
  function showKey(state) {
    setHidden(key, state.others.length === 0);
    const runs = sidesOf(state);
    arrange(
      key,
      entries,
      runs.map(({ place }) => place),
    );
    for (const one of runs) {
      const differs = one === state ? "" : differsInWords(state.run?.settings, one.run?.settings, NAMED);
      setText(names[one.place], `${markedNameOf(one)}${differs ? ` (${differs})` : ""}`);
    }
  }
}

/** @param {State} state @param {ViewChoices["align"]} unit */
function curveOf({ series, zoom }, unit) {
  const { x, y } = overUpdates(series, "episodic_return_mean", zoom);
  return { x: unit === "update" ? x : x.map((update) => stepsAt(series, update)), y };
}

/** The update at a place of the axis across. @param {State} state @param {number} place */
const updateAt = (state, place) =>
  unitOf(state) === "update" ? Math.round(place) : state.series.first + firstFrom(state.series.column("steps"), place);

/** Where the span that is shown lies on the axis across; of several runs, where it lies in any. @param {State[]} runs @param {ViewChoices["align"]} unit @returns {Range} */
function spanOf(runs, unit) {
  const zoom = /** @type {Span} */ (runs[0].zoom);
  const begins = runs.map(({ series }) => UNITS[unit].of(series, zoom.from - 1));
  const [low, high] = extent(
    begins,
    runs.map(({ series }) => UNITS[unit].of(series, zoom.to)),
  );
  return high > low ? [low, high] : [zoom.from - 1, zoom.to];
}

/** How far the axis across reaches at least. @param {State[]} runs @param {ViewChoices["align"]} unit */
function lastOf(runs, unit) {
  const ends = runs.flatMap(({ series, episodes }) => [
    series.length ? (unit === "update" ? series.first + series.length - 1 : series.extent("steps")[1]) : 1,
    episodes.extent(UNITS[unit].ofEpisodes)[1],
  ]);
  return Math.max(...ends, 1);
}

/**
 * The reward threshold, and where settings changed, of each run.
 *
 * @param {State[]} runs
 * @param {ViewChoices["align"]} unit
 * @param {ViewedMark} viewed
 * @param {PanelContext} context
 */
function marks(runs, unit, viewed, context) {
  const theme = context.theme();
  /** @type {{ shapes: object[], annotations: object[], flags: Flag[] }} */
  const found = { shapes: [], annotations: [], flags: [] };
  const thresholds = new Set(runs.flatMap(({ run }) => run?.reward_threshold ?? []));
  for (const threshold of thresholds) {
    const line = { color: theme.inkSoft, width: 1.5, dash: "dash" };
    found.shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: threshold, y1: threshold, line, layer: "between" });
    found.annotations.push({
      showarrow: false,
      bgcolor: fade(theme.panel, 0.7),
      borderpad: 1,
      font: { size: 12, color: theme.inkSoft },
      // At the left, where episodes are worth little yet: they come near it at the right.
      xref: "paper",
      x: 0,
      xanchor: "left",
      y: threshold,
      yanchor: "top",
      text: `reward threshold ${number(threshold, 4)}`,
    });
  }
  for (const { series, changes, place } of runs) {
    const color = place ? theme[LOOKS[place].colour] : theme.inkSoft;
    const whose = runs.length > 1 ? `${LOOKS[place].letter}: ` : "";
    for (const [update, same] of byUpdate(changes)) {
      const x = beginOf(update, series, unit);
      if (!Number.isFinite(x)) continue;
      const line = { color, width: 1, dash: "dot" };
      found.shapes.push({ type: "line", yref: "paper", y0: 0, y1: 1, x0: x, x1: x, line, layer: "between" });
      const [first, ...rest] = same.map((change) => changeText(change, context));
      const texts = rest.length ? [[first, ...rest].join(", "), `${first} + ${rest.length} more`] : [first];
      found.flags.unshift({ x, texts: texts.map((text) => whose + text), color }); // the latest first
    }
  }
  // Nothing is laid out anew for the update on show where there is nothing that it could lie on.
  if (found.flags.length) found.flags.unshift(...asFlags(viewed));
  return found;
}

/** Where an update begins, on the axis across: at the end of the one before. @param {number} update @param {SeriesView} series @param {ViewChoices["align"]} unit */
function beginOf(update, series, unit) {
  if (unit === "update") return Math.max(0, update - 1);
  const steps = series.column("steps");
  return update <= series.first ? 0 : steps[Math.min(update - 1 - series.first, steps.length - 1)];
}

/** Changes by the update that they hold from; of several of one setting only the first old and the last new value. @param {Change[]} changes */
function byUpdate(changes) {
  /** @type {Map<number, Change[]>} */
  const grouped = new Map();
  for (const change of changes) {
    const group = grouped.get(change.update) ?? [];
    const earlier = group.find(({ name }) => name === change.name);
    if (earlier) group[group.indexOf(earlier)] = { ...earlier, new: change.new };
    else group.push(change);
    grouped.set(change.update, group);
  }
  return [...grouped].sort(([a], [b]) => a - b);
}

/** @param {Change} change @param {PanelContext} context */
const changeText = (change, context) => `${context.symbol(change.name)} ${settingText(change.old)} → ${settingText(change.new)}`;

/** @param {Theme} theme */
function traces(theme) {
  const mean = { mode: "lines", hovertemplate: "mean of the last 100: %{y:.4~g}<extra></extra>" };
  return [
    ...LOOKS.map(({ letter, colour, dash }, place) =>
      place
        ? { ...mean, line: { color: theme[colour], width: 2.5, dash }, hovertemplate: `of ${letter}: %{y:.4~g}<extra></extra>` }
        : { ...mean, line: { color: theme.ink, width: 2 } },
    ),
    ...LOOKS.map(({ colour }, place) => (place ? theme[colour] : theme.evaluation)).flatMap((colour) => evaluatedLooks(colour, fade(colour, 0.5))),
    viewedLook(theme),
    ...letterLooks(theme),
  ];
}

/** Of runs that are compared, in the colour of its line. @param {number} place @param {Theme} theme @param {boolean} compared */
const dotsOf = (place, theme, compared) => (compared ? theme[LOOKS[place].colour] : theme.policy);

/** How dots look in a saved picture, where Plotly draws them. @param {string} color */
const dotLook = (color) => ({ mode: "markers", marker: { color, size: 3, opacity: 0.5 } });

/** @param {Theme} _theme */
function layout(_theme) {
  return {
    margin: MARGIN,
    xaxis: { nticks: 5, kind: "count", hoverformat: "," },
    yaxis: { title: axisTitle("return"), nticks: 6 },
  };
}

/** @param {State} state */
function inWords(state) {
  const { episodes } = state;
  const all = `${count(episodes.length)} ${episodes.length === 1 ? "episode" : "episodes"}`;
  return `${all}, mean of the last 100: ${returned(meanOf({ ...state, past: null }))}`;
}

/** @param {State[]} runs */
const sidesInWords = (runs) => runs.map((one) => `${fullNameOf(one)}: ${thenInWords(one) || inWords(one)}`).join(". ");

/** The same in a line: at the update on show, in the present the newest one. @param {State[]} runs */
const meansInWords = (runs) => `mean of the last 100: ${runs.map((one) => `${returned(meanOf(one))} (${shortNameOf(one)})`).join(", ")}`;

/** @param {State} state */
function meanOf({ series, past, snapshot }) {
  const means = series.column("episodic_return_mean");
  return past && snapshot ? means[snapshot.header.update - series.first] : means.findLast((mean) => !Number.isNaN(mean));
}

/** Every episode; of several runs, which one it is of. @param {State} state @returns {Table} */
function tableOf(state) {
  const whole = episodesOf(state);
  if (!state.others.length) return whole;
  return [
    ["run", ...whole[0]],
    ...sidesOf(state).flatMap((one) =>
      episodesOf(one)
        .slice(1)
        .map((row) => [fullNameOf(one), ...row]),
    ),
  ];
}

/** @param {State} state @returns {Table} */
const episodesOf = ({ episodes }) => ofColumns(Object.fromEntries(COLUMNS.map((name) => [name, episodes.column(name)])));

/** What it was at the update on show; nothing in the present. @param {State} state */
function thenInWords({ series, past, snapshot }) {
  if (!past || !snapshot) return "";
  const { update } = snapshot.header;
  return `At update ${update}, mean of the last 100: ${returned(series.column("episodic_return_mean")[update - series.first])}`;
}

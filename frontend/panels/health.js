// Health: what is wrong with the run, in plain words; what was looked for where nothing is; and what was wrong earlier.

import { h, prose, setAttribute, setHidden, setProse, setText } from "../ui/dom.js";
import { getHealthChecks } from "../net/http.js";
import { causes, findingsOf, historyOf, whenInWords } from "../state/findings.js";
import { explained, figure, fixed, number, percent, returned } from "../state/format.js";
import { followWays, remedyOf, SIGNS, wayTo } from "../ui/finding.js";
import { renew } from "../ui/renew.js";
import { madeAgainInWords } from "../state/made-again.js";
import { insteadInWords, unkeptInWords } from "../state/unkept.js";

/** @import { Check, Finding, Panel, PanelContext, PanelView, Spell, State } from "../types.js" */
/** @import { Table } from "../draw/tables.js" */

/** Of what cut episodes show, where none of this update does. */
const SEEN_EARLIER = "in earlier updates; in this one no cut episode shows it: none was cut, or V hardly differs there";

/** How the numbers that the checks look at are written. @type {Record<string, [string, (value: number | null | undefined) => string]>} */
const MEASURES = {
  kl_k3: ["KL (k3)", (value) => number(value)],
  entropy_share: ["entropy", (value) => `${percent(value, 0)} of its maximum`],
  smallest_deviation: ["smallest σ", (value) => number(value)],
  choice_entropy: ["entropy", (value) => number(value, 2)],
  largest_deviation: ["largest σ", (value) => number(value)],
  deviation_of_range: ["which is", (value) => `${percent(value, 0)} of the range's width`],
  critic_error_share: ["V off V_targ by", (value) => percent(value, 0)],
  policy_step_share: ["beside Adam's ε its steps keep", (value) => `${percent(value, 0)} of their length`],
  policy_pace: ["its weights have moved by", (value) => `${percent(value, 0)} of α·√n, where n steps by noise alone come to about 100 %`],
  target_size: ["V_targ about", (value) => number(value)],
  observation_size: ["observations about", (value) => number(value)],
  observation_spread: ["which vary by", (value) => number(value)],
  action_reach: ["it reaches", (value) => percent(value, 0)],
  cut_off_fraction: ["cut off", (value) => percent(value, 0)],
  forbidden_fraction: ["forbidden", (value) => percent(value, 0)],
  ranks: ["processes", (value) => number(value)],
  episodes: ["looked at", (value) => `the latest ${value === 1 ? "one" : number(value)}`],
  return_usual_share: ["return the same", (value) => percent(value, 0)],
  bonus_pull: ["its gradient is", (value) => `${percent(value, 0)} of L_PG's`],
  explained_variance: ["explained variance", explained],
  gradient_clip_factor: ["gradients are multiplied by", (value) => `${figure(value, 3)} in the mean`],
  first_ratio_error: ["|r − 1| at first", (value) => number(value, 2)],
  steps_taken: ["minibatches of the update", (value) => number(value)],
  far_out_share: ["r > 3 with Â < 0 is", (value) => `${percent(value, 0)} of the policy loss`],
  not_finite_share: ["not finite", (value) => percent(value, 0)],
  clip_fraction: ["clip fraction", (value) => percent(value)],
  observations_counted: ["statistics know", (value) => `${number(value)} observations`],
  value_coef: ["c₁", (value) => number(value)],
  entropy_coef: ["c₂", (value) => number(value)],
  losses_told: ["compared", (value) => `${value === 3 ? "" : `${number(value)} of `}L, L_PG and L_VF, as the loop tells them`],
  used_like_own: ["correlation", (value) => fixed(value, 2)],
  policy_stands: ["the policy has moved", (value) => (value ? "no" : "yes")],
  gradient_kept: ["set to 0", (value) => (value ? "no" : "yes")],
  log_probs_anew: ["computed anew", (value) => (value ? "yes" : "no")],
  same_minibatches: ["drawn anew", (value) => (value ? "no" : "yes")],
  empty_rows: ["Â is 0 at every step of", (value) => counted(value, "environment or sequence", "environments or sequences")],
  cut_episodes: ["seen", (value) => (value ? `in this update at ${counted(value, "cut episode", "cut episodes")}` : SEEN_EARLIER)],
  saturation: ["most saturated layer", (value) => percent(value, 0)],
  reset_steps: ["in this update", (value) => counted(value, "step of a reset", "steps of a reset")],
  least_probability: ["moved so that those of a state sum up to 1, the lowest is", (value) => `${number(value)}; a probability would not be below 0`],
  memory_before: ["before this update it remembered gradients of", (value) => counted(value, "array of weights", "arrays of weights")],
  paid_episodes: ["in", (value) => `the latest ${counted(value, "episode", "episodes")}`],
  share_of_ends: ["in this update", (value) => `${percent(value)} of the steps ended one`],
  steps_without_end: ["without an end", (value) => `${number(value)} steps`],
  discount: ["γ", (value) => number(value)],
  values_held: ["held back", (value) => percent(value, 0)],
  return_now: ["latest episodes", returned],
  return_then: ["best before", returned],
  learning_rate: ["α", (value) => number(value)],
  ends_told: ["seen in this update at", (value) => counted(value, "end of an episode", "ends of episodes")],
  lasts_told: ["and at", (value) => counted(value, "episode that goes on after the rollout", "episodes that go on after the rollout")],
  advantages_with_gradient: ["Â with a gradient", (value) => (value ? "yes" : "no")],
  targets_with_gradient: ["V_targ", (value) => (value ? "yes" : "no")],
  log_probs_with_gradient: ["log π_old", (value) => (value ? "yes" : "no")],
};

/** @param {number | null | undefined} value @param {string} one @param {string} several */
function counted(value, one, several) {
  return `${value === 0 ? "no" : number(value)} ${value === 1 ? one : several}`;
}

/** What looks like a fault and is none. */
const BY_DESIGN =
  "This update took one step, with all samples at once: before it r ≡ 1, k3 = 0 and L_PG is next to 0. That is by design; the gradient is not 0.";

/** @type {Panel} */
export const health = {
  name: "Health",
  title: "Health",
  hint: "Is something wrong, why, and what to do?",
  ideas: ["loss", "ratio"],
  probes: [],
  extras: ["health"],
  compares: "beside",
  mount,
};

/** @param {HTMLElement} body @param {PanelContext} context @returns {PanelView} */
function mount(body, context) {
  const verdict = h("p", { class: "verdict" });
  const again = h("p", { class: "made-again" });
  const design = h("p", { class: "made-again", hidden: true }, ...prose(BY_DESIGN));
  const list = h("ul", { class: "findings", tabindex: 0, "aria-label": "Findings" });
  const checked = h("ul", { class: "checked", "aria-label": "What was looked for" });
  const earlier = h("section", { class: "earlier" }, h("h3", {}, "Earlier"), h("ul", { "aria-label": "What was wrong earlier" }));
  body.append(verdict, again, design, list, earlier, checked);
  body.toggleAttribute("data-scrolls", true);
  /** @type {Check[]} */
  let checks = [];
  /** By the check's name. @type {Map<string, ReturnType<typeof createLine>>} */
  const lines = new Map();
  let shown = "";
  let told = "";
  /** Which causes and remedies somebody has opened or closed; else only the gravest is open. @type {Map<string, boolean>} */
  const opened = new Map();
  list.addEventListener("click", ({ target }) => {
    const summary = target instanceof Element ? target.closest("summary") : null;
    const [row, details] = [summary?.closest("li"), summary?.closest("details")];
    if (row && details) opened.set(row.dataset.key ?? "", !details.open); // as it is about to be
  });
  followWays(list, context);
  followWays(earlier, context);
  getHealthChecks().then(
    (table) => {
      checks = table;
      context.redraw();
    },
    () => {}, // a recorded run has none to ask; the findings are in the snapshot
  );

  return {
    needs: ["snapshot", "run", "status", "theme"],
    ready: (state) => ((state.snapshot?.header.update ?? 0) > 0 || findingsOf(state).length ? true : "the first update"),
    draw(state) {
      const { snapshot } = state;
      const findings = findingsOf(state);
      // Of an update that has not got beyond its rollout there is no moment to go to.
      const kept = findings.map(({ since }) => since > 0 && since <= (state.newest?.header.update ?? 0));
      const key = JSON.stringify([findings, kept, state.run?.settings]);
      const waiting = waitingOf(state);
      setText(verdict, verdictOf(findings, waiting));
      const about = unkeptInWords(snapshot) || (state.past && insteadInWords(state.past, snapshot)) || madeAgainInWords(snapshot?.header);
      setText(again, about);
      setHidden(again, !about);
      setHidden(design, !(snapshot?.header.health?.steps_taken === 1 && snapshot.header.settings.minibatches === 1));
      verdict.dataset.worst = causes(findings)[0]?.severity ?? (waiting ? "unknown" : "fine");
      body.dataset.findings = findings.map(({ name }) => name).join(" ");
      if (key !== shown)
        renew(
          list,
          findings.map((finding, index) => row(finding, findings, opened.get(finding.name) ?? index === 0, kept[index], state)),
        );
      shown = key;
      const values = snapshot?.header.health ?? {};
      const found = new Set(findings.map(({ name }) => name));
      const unknown = snapshot?.header.unknown ?? {};
      // Of an update that is not kept, what the checks looked at is not, either.
      const sought = snapshot?.unkept ? [] : checks.filter(({ name, metrics }) => metrics.length && !found.has(name));
      const rows = sought.map((check) => lineOf(check.name)(line(check, values, unknown[check.name])));
      // What cannot come to be said of this run stands last: it is in nobody's way there, and stays there.
      const order = [false, true].flatMap((never) => rows.filter(({ dataset }) => (dataset.known === "never") === never));
      if (order.length !== checked.childElementCount || order.some((row, place) => row !== checked.children[place]))
        checked.replaceChildren(...order);
      drawEarlier(state);
    },
    resize() {},
    table: (state) => tableOf(state, checks),
    summary: (state) => inWords(state),
  };

  /** Made once, and written over. @param {string} name of a check */
  function lineOf(name) {
    const write = lines.get(name) ?? createLine();
    lines.set(name, write);
    return write;
  }

  /** The newest first. @param {State} state */
  function drawEarlier(state) {
    const passed = passedOf(state).reverse();
    const key = JSON.stringify(passed);
    earlier.hidden = passed.length === 0;
    if (key !== told) renew(/** @type {HTMLElement} */ (earlier.lastElementChild), passed.map(passedRow));
    told = key;
  }

  /** @param {Spell} spell */
  function passedRow(spell) {
    const when = whenInWords(spell);
    const there = spell.since > 0 ? wayTo(spell.since, when) : when;
    const key = `${spell.name} ${spell.since}`;
    return h("li", { "data-key": key, "data-severity": spell.severity }, `${SIGNS[spell.severity]} ${spell.title} (${spell.severity}), `, there);
  }

  /** @param {Finding} finding @param {Finding[]} findings all of them @param {boolean} open @param {boolean} kept whether there is a moment to go to @param {State} state */
  function row(finding, findings, open, kept, state) {
    const { name, severity, title, summary, cause, since, until = null, explained_by } = finding;
    const above = findings.find((other) => other.name === explained_by)?.title;
    const there = kept ? wayTo(since, `Go to update ${since}`) : null;
    return h(
      "li",
      { "data-key": name, "data-severity": severity, "data-follows": explained_by ?? null },
      h("b", { class: "sign", "aria-hidden": "true" }, SIGNS[severity]),
      h(
        "details",
        { open },
        h(
          "summary",
          {},
          h("h3", {}, title),
          " ",
          h("span", { class: "since" }, `${severity}, ${whenInWords({ since, until })}${above ? `; follows from “${above}”` : ""}.`),
          " ",
          ...prose(summary),
        ),
        cause ? h("p", {}, h("b", {}, "Why: "), ...prose(cause), " ", there) : null,
        remedyOf(finding, state, context.symbol),
      ),
    );
  }
}

/** What a check looks at, as far as it is known. @param {Pick<Check, "metrics">} check @param {{ [name: string]: number | undefined }} values */
function measuredInWords({ metrics }, values) {
  const known = metrics.filter((name) => values[name] !== undefined);
  return known.map((name) => `${MEASURES[name]?.[0] ?? name} ${MEASURES[name]?.[1](values[name]) ?? values[name]}`).join(", ");
}

/** What a recording that is older than the check knows of it. */
const NOT_MEASURED = { why: "not measured", applies: true };

/** @typedef {{ title: string, known: "yes" | "not-yet" | "never", sign: string, words: string, value: string }} Line */

/**
 * What was looked for, and not found; or not looked for, which is no good news.
 *
 * @param {Check} check
 * @param {{ [name: string]: number | undefined }} values
 * @param {{ why: string, applies: boolean } | undefined} unknown
 * @returns {Line}
 */
function line(
  { title, threshold, metrics, otherwise },
  values,
  unknown = metrics.some((name) => Number.isFinite(values[name])) ? undefined : NOT_MEASURED,
) {
  const about = `${title}: said when ${threshold}`;
  if (unknown?.applies) return { title: about, known: "not-yet", sign: "… ", words: title, value: `: not known yet (${unknown.why})` };
  if (unknown) return { title: about, known: "never", sign: "– ", words: title, value: `: does not apply (${unknown.why})` };
  const numbers = measuredInWords({ metrics }, values);
  return { title: about, known: "yes", sign: "✓ ", words: otherwise, value: numbers ? `: ${numbers}` : "" };
}

/** @returns {(line: Line) => HTMLElement} writes it */
function createLine() {
  const [sign, words, value] = [h("span", { "aria-hidden": "true" }), h("span", {}), h("span", { class: "value" })];
  const element = h("li", {}, sign, words, value);
  return (line) => {
    setAttribute(element, "title", line.title);
    setAttribute(element, "data-known", line.known);
    setText(sign, line.sign);
    setText(words, line.words);
    setProse(value, line.value);
    return element;
  };
}

/**
 * What is over by the moment on show, but for what is told of above: it goes on there, or has left something behind.
 *
 * @param {State} state
 */
function passedOf(state) {
  const told = findingsOf(state);
  const shown = state.snapshot?.header.update ?? Infinity;
  return historyOf(state).filter(
    ({ name, since, until }) => until !== null && until <= shown && !told.some((finding) => finding.name === name && finding.since === since),
  );
}

/** How many checks cannot tell yet. @param {State} state */
const waitingOf = ({ snapshot }) => Object.values(snapshot?.header.unknown ?? {}).filter((unknown) => unknown?.applies).length;

/** What is wrong, and after it what was looked for and not found. @param {State} state @param {Check[]} checks @returns {Table} */
function tableOf(state, checks) {
  const { update = null, health = {}, unknown = {} } = state.snapshot?.header ?? {};
  const findings = findingsOf(state);
  const found = new Set(findings.map(({ name }) => name));
  return [
    ["update", "severity", "name", "title", "since update", "until update", "follows from", "summary", "cause", "remedy", "setting"],
    ...findings.map(({ severity, name, title, since, until = null, explained_by: above = null, summary, cause, remedy, setting }) => [
      update,
      severity,
      name,
      title,
      since,
      until,
      above,
      summary,
      cause,
      remedy,
      setting,
    ]),
    ...passedOf(state).map(({ severity, name, title, since, until }) => [
      update,
      `was ${severity}`,
      name,
      title,
      since,
      until,
      null,
      null,
      null,
      null,
      null,
    ]),
    ...checks
      .filter(({ name }) => !found.has(name))
      .map((check) => [
        update,
        unknown[check.name] ? "unknown" : "not found",
        check.name,
        check.title,
        null,
        null,
        null,
        unknown[check.name]?.why ?? measuredInWords(check, health),
        null,
        null,
        null,
      ]),
  ];
}

/** What follows from others is listed as well, and counted by itself. @param {{ followers: number }[]} warnings */
function hindrancesInWords(warnings) {
  const more = warnings.reduce((sum, { followers }) => sum + followers, 0);
  const one = warnings.length === 1;
  const follow = more ? `; ${more} more ${more === 1 ? "follows" : "follow"} from ${one ? "it" : "them"}` : "";
  return `${one ? "One thing keeps" : `${warnings.length} things keep`} this run from learning well${follow}.`;
}

/** @param {Finding[]} findings @param {number} waiting how many checks cannot tell yet */
function verdictOf(findings, waiting) {
  const of = (/** @type {string} */ severity) => causes(findings).filter((finding) => finding.severity === severity);
  const [errors, warnings, notes] = [of("error"), of("warning"), of("note")];
  if (errors.length) return "Something is wrong: do not trust what this run does now.";
  if (warnings.length) return hindrancesInWords(warnings);
  if (notes.length) return "Nothing wrong; something worth knowing.";
  return waiting
    ? `Nothing wrong was found so far; ${waiting === 1 ? "one check" : `${waiting} checks`} cannot tell yet.`
    : "Nothing wrong was found.";
}

/** @param {State} state */
function inWords(state) {
  const findings = findingsOf(state);
  return `${verdictOf(findings, waitingOf(state))} ${findings.map(({ title, summary }) => `${title}: ${summary}`).join(" ")}`;
}

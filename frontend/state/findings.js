// What is wrong with the run on show: what the trainer has found, and why a run has halted where it found nothing.

import { runState } from "./ended.js";

/** @import { Finding, Spell, State } from "../types.js" */

/** @type {Record<string, string>} */
const TITLES = {
  paused: "The run has halted",
  failed: "The run failed",
  killed: "The training process was killed",
  out_of_memory: "Out of memory",
  stalled: "The training process does not answer",
};

/** The gravest first. @param {Pick<State, "snapshot" | "status" | "run" | "past">} state @returns {Finding[]} */
export function findingsOf(state) {
  const found = state.snapshot?.header.findings ?? [];
  const cause = state.past ? null : (state.status?.cause ?? state.run?.cause);
  const title = TITLES[runState(/** @type {State} */ (state)) ?? ""];
  if (!cause || !title || found.some(({ severity }) => severity === "error")) return found;
  const { summary, remedy } = cause;
  const since = state.status?.update ?? state.run?.update ?? 0;
  return [{ name: "cause", title, severity: "error", summary, cause: "", remedy: remedy ?? "", setting: null, since }, ...found];
}

const GRAVITY = ["error", "warning", "note"];

/**
 * Those that follow from no other, each with the gravest severity of all that follow from it, and how many do: one cause
 * counts once.
 *
 * @param {Finding[]} findings @returns {(Finding & { followers: number })[]}
 */
export function causes(findings) {
  const byName = new Map(findings.map((finding) => [finding.name, finding]));
  const head = (/** @type {Finding} */ finding) => {
    let at = finding;
    for (let above = byName.get(at.explained_by ?? ""); above; above = byName.get(at.explained_by ?? "")) at = above;
    return at;
  };
  return findings
    .filter((finding) => head(finding) === finding)
    .map((finding) => {
      const severities = findings.filter((other) => head(other) === finding).map(({ severity }) => severity);
      const [severity] = severities.sort((a, b) => GRAVITY.indexOf(a) - GRAVITY.indexOf(b));
      return { ...finding, severity, followers: severities.length - 1 };
    });
}

/** What has been wrong up to now, wherever one looks, the earliest first. @param {Pick<State, "newest">} state @returns {Spell[]} */
export const historyOf = ({ newest }) => newest?.header.history ?? [];

/** @param {Pick<Spell, "since" | "until">} spell */
export function whenInWords({ since, until }) {
  if (until === null) return since > 0 ? `since update ${since}` : "since the first rollout";
  return until === since ? `at update ${since}` : `updates ${since} to ${until}`;
}

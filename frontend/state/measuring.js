// Why a panel cannot show the moment on show: its probe failed, the run cannot do what it needs, or nobody had it measured.

import { isOver } from "./ended.js";
import { unkeptInWords } from "./unkept.js";

/** @import { Note, Panel, SnapshotHeader, State } from "../types.js" */

/** Probes that are not measured at every moment even where somebody looks, and when they are not. @type {Record<string, string>} */
const RATIONED = {
  gradients: "the run went at full speed, where this is measured only now and then",
  direction: "the run went at full speed, where this is measured only now and then",
  transitions: "the run went at full speed, where this is not measured",
};

/** What comes only with the first minibatch, or with its step, of an update. @type {Record<string, SnapshotHeader["phase"][]>} */
const BEFORE = { gradients: ["rollout", "advantages"], direction: ["rollout", "advantages", "loss", "gradient"] };

/** @param {Pick<Panel, "probes" | "extras">} panel */
const needs = ({ probes, extras = [] }) => probes.filter((name) => !extras.includes(name));

/** What went wrong with a probe that a panel needs, or what it lacks, in a sentence; null where nothing. @param {Pick<Panel, "probes" | "extras">} panel @param {State} state */
export function whyFailed(panel, { snapshot, newest }) {
  const failed = { ...snapshot?.header.lacks, ...newest?.header.failed, ...snapshot?.header.failed };
  return (
    needs(panel)
      .map((name) => failed[name])
      .find(Boolean) ?? null
  );
}

/**
 * Why a moment on show has nothing for a panel, and never will have; null where it is still to come, or it is not known
 * what was measured.
 *
 * @param {Pick<Panel, "probes" | "extras">} panel
 * @param {State} state
 * @returns {string | null} a sentence
 */
export function whyNotMeasured(panel, state) {
  const header = state.snapshot?.header;
  if (!header?.measured || header.update === 0 || (state.past === null && !isOver(state))) return null;
  const absent = needs(panel).filter((name) => name !== "picture" && !header.measured?.includes(name));
  if (!absent.length) return null;
  if (absent.some((name) => isBefore(name, header))) return "There is nothing of this yet at this moment: it comes with the first minibatch.";
  return inWords(absent, header, state);
}

/** Of a run that goes on. */
const ONWARD = " Go back to Live, and step or play on with this panel in sight: from then on it is measured.";

/** @param {string[]} probes @param {State["newest"]} moment */
const hasAll = (probes, moment) => moment !== null && probes.every((name) => moment.header.measured?.includes(name));

/**
 * The update at which a panel has what the moment of the past on show lacks: the newest one, where somebody looks by then.
 *
 * @param {Pick<Panel, "probes" | "extras">} panel
 * @param {State} state
 * @returns {number | null} null: none is known
 */
export function whereMeasured(panel, state) {
  const probes = needs(panel).filter((name) => name !== "picture");
  const { newest, past } = state;
  return past && newest && !state.recorded && probes.length && hasAll(probes, newest) ? newest.header.update : null;
}

/** @param {string} probe @param {SnapshotHeader} header */
const isBefore = (probe, { phase, epoch, minibatch }) => BEFORE[probe]?.includes(phase) === true && epoch <= 1 && minibatch <= 1;

/** @param {string[]} absent @param {SnapshotHeader} header @param {State} state */
function inWords(absent, { kind }, state) {
  if (state.snapshot?.unkept) return unkeptInWords(state.snapshot);
  if (state.recorded) return "This recording does not hold it.";
  if (kind === "passing") return "Not measured at this moment: it was passed on the way of a larger step, and only what is quick is measured then.";
  const rationed = absent.map((name) => RATIONED[name]).find(Boolean);
  const why = `no page showed this panel then${rationed ? `, or ${rationed}` : ""}`;
  if (state.past) return `Not measured at this moment, because ${why}.${isOver(state) || hasAll(absent, state.newest) ? "" : ONWARD}`;
  return `Not measured at the last moment of this run, because ${why}. The run is over, and nothing more of it is measured.`;
}

/** Probes that a panel can do without and that failed, or lack something. @param {Pick<Panel, "extras">} panel @param {State} state @returns {Note[]} */
export const failedExtras = ({ extras = [] }, { snapshot }) =>
  extras.flatMap((name) => {
    const long = snapshot?.header.failed?.[name] ?? snapshot?.header.lacks?.[name];
    return long ? [{ short: `without ${name.replaceAll("_", " ")}`, long }] : [];
  });

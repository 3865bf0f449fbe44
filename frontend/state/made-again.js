// What the snapshot of a run on the disk says of itself: how old what is said of its health is, and whether the update,
// made again from what is kept of it, came to the very numbers that are kept.

import { count, number } from "./format.js";

/** @import { Snapshot } from "../types.js" */

const SHOWN = 3; // quantities that differ; the rest is counted

/** In words; empty where there is nothing to say. @param {Snapshot["header"] | undefined} header */
export const madeAgainInWords = (header) => (header ? [toldInWords(header), differingInWords(header)].filter(Boolean).join(" ") : "");

/** @param {Snapshot["header"]} header */
function toldInWords({ judged_after: after, update, phase }) {
  if (after === undefined || after === (phase === "update" ? update : update - 1)) return "";
  if (after === null) return "How the run was had not been told yet.";
  return `As it was told after update ${count(after)}, the last time before this that it was kept.`;
}

/** @param {Snapshot["header"]} header */
function differingInWords({ made_again: again, update }) {
  if (again?.same !== false) return "";
  const all = Object.entries(again.differing);
  const some = all.slice(0, SHOWN).map(([name, pair]) => `${name} ${number(pair?.[1], 7)} (kept: ${number(pair?.[0], 7)})`);
  const more = all.length > SHOWN ? ` and ${count(all.length - SHOWN)} more` : "";
  return `Made again here, update ${count(update)} came to other numbers than are kept of it: ${some.join(", ")}${more}. This machine, or a package, reckons otherwise than where it was trained.`;
}

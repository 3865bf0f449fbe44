// Two samples of the batch on show, side by side: one that the clip holds, and one that it pulls back.

import { factsOf } from "../panels/sample/facts.js";
import { calculation, n } from "../panels/sample/words.js";
import { number } from "../state/format.js";
import { REGION } from "../wire.js";

/** @import { Facts } from "../panels/sample/facts.js" */
/** @import { Selection, Snapshot } from "../types.js" */

const TYPICAL = 1.35; // the ratio that is looked for: clearly beyond 1 + ε

/** @typedef {{ place: Selection, facts: Facts }} Found */

/**
 * A held sample whose action was to become likelier, and one that is pulled back, whose action was to become less likely:
 * both have become likelier, by more than ε.
 *
 * @param {Snapshot} snapshot
 * @returns {{ held: Found, pulledBack: Found } | null} null where there are not both
 */
export function pairOf(snapshot) {
  const held = search(snapshot, REGION.HELD, (used) => used > 0);
  const pulledBack = search(snapshot, REGION.PULLED_BACK, (used) => used < 0);
  return held && pulledBack && { held, pulledBack };
}

/**
 * Where both the last loss and the weights as they are say so: mask and Sample then show the same.
 *
 * @param {Snapshot} snapshot
 * @param {number} code
 * @param {(used: number) => boolean} fits
 * @returns {Found | null}
 */
function search(snapshot, code, fits) {
  const { region, ratio, advantage_used: used, environments } = snapshot.arrays;
  const { region_new: now = region, ratio_new: r = ratio } = snapshot.arrays;
  const columns = snapshot.header.arrays.region?.shape[1];
  if (!region || !now || !r || !used || !columns) return null;
  let best = -1;
  for (let at = 0; at < region.length; at++) {
    if (region[at] !== code || now[at] !== code || !fits(used[at]) || r[at] < 1) continue;
    if (best < 0 || Math.abs(r[at] - TYPICAL) < Math.abs(r[best] - TYPICAL)) best = at;
  }
  if (best < 0) return null;
  const [row, column] = [Math.floor(best / columns), best % columns];
  const place = { environment: environments?.[row] ?? row, step: column };
  return { place, facts: factsOf(snapshot, place, { row, column }) };
}

/** @param {Facts} facts the two terms of the max, and the gradients, by their names @returns {[name: string, text: string, kind: string][]} */
export function rowsOf(facts) {
  const terms = calculation(facts).filter(({ role }) => role);
  const gradient = (/** @type {number | null} */ norm) => (norm === 0 ? "0 exactly" : number(norm));
  return [
    ["Â", n(facts.used), ""],
    ["r", n(facts.ratio), ""],
    ...terms.map(({ term, value, role }) => /** @type {[string, string, string]} */ ([term, n(value), role ?? ""])),
    ...(facts.kl === null ? [] : [/** @type {[string, string, string]} */ (["KL in its state", number(facts.kl), ""])]),
    ["‖∇L_PG‖", gradient(facts.gradientPolicy), "policy"],
    ["‖∇(c₁·L_VF)‖", gradient(facts.gradientValue), "value"],
    ["‖∇(c₂·S)‖", gradient(facts.gradientEntropy), "entropy"],
  ];
}

// Whether β·KL is a term of the loss beside L_PG: a loop that keeps near a reference policy has it.

/** @import { SnapshotHeader } from "../types.js" */

/** Under kl_penalty, β·KL is the KL to π_old and a part of L_PG. @param {SnapshotHeader} header */
export function isPriced({ settings, scalars }) {
  return settings.objective !== "kl_penalty" && typeof scalars.penalty === "number";
}

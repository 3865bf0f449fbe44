// The samples of the panel Surrogate in words: one that is pointed at, all of a side, and as a table.

import { placeOf } from "../../state/rows.js";
import { count, number, ofSample } from "../../state/format.js";
import { batchOf } from "../../state/previewed.js";
import { edgesOf } from "../../ppo/clip-range.js";
import { clipRangeOf, credit, hasClip, isPenalised, scopeInWords } from "../../state/snapshot.js";
import { SIDES, samplesOf } from "./cloud.js";
import { meanPenalty } from "./figure.js";

/** @import { Snapshot } from "../../types.js" */
/** @import { Table } from "../../draw/tables.js" */
/** @import { Sample, SurrogateCloud } from "./cloud.js" */

/** @param {Sample} sample @param {Snapshot} snapshot */
export function inWords({ environment, step, r, advantage, region, penalty }, snapshot) {
  const symbol = credit(snapshot);
  if (isPenalised(snapshot))
    return `${placeOf(snapshot, environment, step)}: r = ${ofSample(r)}, Â = ${number(advantage)}, r·Â − β·KL = ${number(r * advantage)} − ${number(penalty)}, the KL of its state; its gradient flows`;
  return `${placeOf(snapshot, environment, step)}: r = ${ofSample(r)}, ${symbol} = ${number(advantage)}, r·${symbol} = ${number(r * advantage)}; ${region.word}: ${region.meaning}`;
}

/** The samples on show, each at the height that its own Â gives it. @param {Snapshot | null} snapshot @returns {Table} */
export function tableOf(snapshot) {
  const batch = snapshot && batchOf(snapshot);
  const clipRange = snapshot && clipRangeOf(snapshot);
  const samples = snapshot && batch && clipRange ? samplesOf(snapshot, batch, edgesOf(clipRange)) : [];
  const penalised = snapshot !== null && isPenalised(snapshot);
  return [
    ["update", "environment", "step", "ratio", "advantage_used", "region", "objective", ...(penalised ? ["exact_kl", "penalty"] : [])],
    ...samples.map(({ at, environment, step, r, advantage, region, y, penalty }) => [
      snapshot?.header.update ?? null,
      environment,
      step,
      r,
      advantage,
      region.word,
      y * Math.abs(advantage),
      ...(penalised ? [batch?.kl?.[at] ?? null, penalty] : []),
    ]),
  ];
}

/** @param {Snapshot} snapshot @param {SurrogateCloud} cloud */
export function summary(snapshot, cloud) {
  if (!cloud.samples.length) return `The objective as a function of r. No sample has been used in a loss yet (${scopeInWords(snapshot)}).`;
  const symbol = credit(snapshot);
  const parts = SIDES.map((side) => {
    const { all, held, unheld, pulledBack } = cloud.counts(side);
    const flat = hasClip(snapshot) ? `${count(held)} on the flat part (held)` : `${count(unheld)} that a clip would hold`;
    return `${symbol} ${side === "good" ? ">" : "<"} 0: ${count(all)} samples, ${flat}, ${count(pulledBack)} pulled back`;
  });
  const penalty = isPenalised(snapshot)
    ? ` No part is flat: each sample lies below r·Â by β times the KL of its state, ${number(meanPenalty(cloud.samples))} on average.`
    : "";
  return `${parts.join("; ")} (${scopeInWords(snapshot)}).${penalty}`;
}

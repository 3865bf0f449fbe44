// What the loss makes of one sample, as it is shown: the calculation, its region and gradients, and the same with values
// that were moved.

import { h, prose } from "../../ui/dom.js";
import { number } from "../../state/format.js";
import { moved } from "../../state/previewed.js";
import { CLIP } from "../../ppo/clip-range.js";
import { regionOf } from "../../ppo/regions.js";
import { withClipRange } from "./facts.js";
import { note, part } from "./parts.js";
import { asTheMaskShowsIt, calculation, n, verdict } from "./words.js";

/** @import { Snapshot } from "../../types.js" */
/** @import { Facts } from "./facts.js" */
/** @import { Line } from "./words.js" */
/** @import { Previewed } from "../../state/previewed.js" */

const ROLES = { picked: "picked by max", same: "the same as the other", left: "", "": "" };

/** @param {Snapshot} snapshot @param {Facts} facts @param {Previewed | null} preview */
export function sumParts(snapshot, facts, preview) {
  const trained = regionOf(facts.region).key !== "notTrained";
  const said = asTheMaskShowsIt(snapshot.header, facts);
  return [
    ...part("What the loss makes of it"),
    trained ? h("div", { class: "sums", role: "table", "aria-label": "The calculation" }, ...calculation(facts).map(sum)) : null,
    trained ? inRegion(facts) : null,
    trained ? gradients(facts) : null,
    h("p", { class: "sample-verdict" }, ...prose(verdict(facts))),
    trained && said !== null ? note(said) : null,
    trained && preview ? previewed(facts, preview) : null,
  ].filter((child) => child !== null);
}

/** @param {Facts} facts @param {string} [instead] */
function inRegion({ region: code, used }, instead = "") {
  const region = regionOf(code);
  // Before its advantage has been used nobody knows of a gradient: what is known is where r lies.
  const meaning = used === null && region.key === "inside" ? "r lies within the clip range" : region.meaning;
  return h(
    "p",
    { class: "sample-region" },
    h("span", { class: `swatch region-${region.key}`, "aria-hidden": "true" }),
    h("strong", {}, region.word),
    `${instead}: ${meaning}`,
  );
}

/** The same sample with the values that were moved. @param {Facts} facts @param {Previewed} preview */
export function previewed(facts, preview) {
  const { used, values, clip, penalty } = preview;
  const { lossRatio, lossRegion } = facts;
  const then = { ...(clip ? withClipRange(facts, values) : facts), klCoef: values.kl_coef };
  const terms =
    (clip || penalty) && facts.used !== null
      ? calculation(then)
          .filter(({ role }) => role)
          .map((line) => ({ ...line, sum: "" }))
      : [];
  const stays = then.region === facts.region;
  // The clip mask previews the ratios of the last loss; after a step these are others.
  const inMask = clip && !Number.isNaN(lossRatio) ? withClipRange({ ...facts, ratio: lossRatio, region: lossRegion }, values).region : then.region;
  const scaled = [
    ["‖∇(c₁·L_VF)‖", facts.gradientValue, values.value_coef / used.value_coef],
    ["‖∇(c₂·S)‖", facts.gradientEntropy, values.entropy_coef / used.entropy_coef],
  ].filter(([, norm, by]) => norm !== null && by !== 1 && Number.isFinite(by));
  return h(
    "div",
    { class: "sample-preview", "data-region": then.region, "data-mask-region": inMask },
    h("h3", {}, ...prose(`Preview: with ${moved(preview).join(", ")}`)),
    terms.length
      ? h("div", { class: "sums", role: "table", "aria-label": "The calculation with the values that were moved" }, ...terms.map(sum))
      : null,
    clip
      ? inRegion(then, stays ? ", as it is" : ` instead of ${regionOf(facts.region).word}`)
      : note(
          penalty
            ? "r and Â stay, and so does the part of its gradient that they make: β only scales the price."
            : "Its region and its policy gradient stay: only the clip range decides about them.",
        ),
    clip && !stays ? h("p", {}, ...prose(verdict(then))) : null,
    inMask === then.region
      ? null
      : note(
          `In the last loss, as the Clip mask shows it, r was ${n(lossRatio)}: with ${moved(preview, CLIP).join(", ")} it would be ${regionOf(inMask).word}.`,
        ),
    ...scaled.map(([term, norm, by]) => note(`${term} would be ${number(Number(norm) * Number(by))} instead of ${number(Number(norm))}.`)),
  );
}

/** @param {Line} line */
function sum({ term, sum: put, value, text, role = "" }) {
  return h(
    "div",
    { role: "row", class: `sum ${role}` },
    h(
      "span",
      { role: "cell", class: "role", title: ROLES[role] },
      role === "picked" ? "▸" : "",
      ROLES[role] ? h("span", { class: "visually-hidden" }, ROLES[role]) : null,
    ),
    h("span", { role: "rowheader" }, ...prose(term)),
    h("span", { role: "cell", class: "put" }, put ? `= ${put}` : ""),
    h("span", { role: "cell" }, `= ${text ?? n(value)}`),
  );
}

const NOT_OF_EACH = "Gradients of single samples are computed only for runs of our own trainer whose networks see numbers, not images.";

/** @param {Facts} facts */
function gradients({ gradientPolicy, gradientValue, gradientEntropy, gradientTotal, used, inFull }) {
  if (!inFull) return null;
  if (gradientPolicy === null) return note(used === null ? "Its gradient is not known before its advantage is." : NOT_OF_EACH);
  /** @param {string} term @param {number | null} norm @param {string} style */
  const row = (term, norm, style) =>
    norm === null ? null : h("div", { class: style }, h("dt", {}, ...prose(term)), h("dd", {}, number(norm) + (norm === 0 ? " exactly" : "")));
  const rows = [
    row("‖∇L_PG‖", gradientPolicy, "policy"),
    row("‖∇(c₁·L_VF)‖", gradientValue, "value"),
    row("‖∇(c₂·S)‖", gradientEntropy, "entropy"),
    row("‖∇L‖", gradientTotal, ""),
  ];
  return h(
    "dl",
    {
      class: "pairs gradient-pairs",
      title: "Norms of the gradients of this one sample's terms, by all weights; a minibatch takes the mean of its samples' gradients",
    },
    ...rows.filter((each) => each !== null),
  );
}

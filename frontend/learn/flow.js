// Where the gradients of L_PG and of c₁·L_VF meet, in numbers: the trunk that policy and value share, or else the
// actor's own layers, which the value loss does not reach.

import { layersOf } from "../ppo/layers.js";
import { matrix, setting } from "../state/snapshot.js";

/** @import { Snapshot } from "../types.js" */

/**
 * @typedef {object} Flow
 * @property {boolean} shared whether there is a trunk that both share
 * @property {number} policy length of ∇L_PG over these layers
 * @property {number} value length of c₁·∇L_VF over them
 * @property {number} cosine of the angle between the two; NaN where one of them is 0
 */

const POLICY = 0;
const VALUE = 1;
const POLICY_AND_VALUE = 0; // the row of gradient_cosines

/** @param {Snapshot | null} snapshot @returns {Flow | null} null where the probe has not measured */
export function flowOf(snapshot) {
  const norms = snapshot && matrix(snapshot, "gradient_norms");
  const cosines = snapshot && matrix(snapshot, "gradient_cosines");
  if (!snapshot || !norms || !cosines) return null;
  const layers = layersOf(snapshot);
  const shared = layers.some(({ group }) => group === "trunk");
  let [policy, value, product] = [0, 0, 0]; // sums of squares, and of scalar products
  for (const { column } of layers.filter(({ group }) => group === (shared ? "trunk" : "policy"))) {
    const [of, against] = [norms.values[POLICY * norms.columns + column], norms.values[VALUE * norms.columns + column]];
    policy += of ** 2;
    value += against ** 2;
    if (of * against > 0) product += cosines.values[POLICY_AND_VALUE * cosines.columns + column] * of * against;
  }
  const [one, other] = [Math.sqrt(policy), Math.sqrt(value)];
  return { shared, policy: one, value: (setting(snapshot, "value_coef") ?? NaN) * other, cosine: one * other > 0 ? product / (one * other) : NaN };
}

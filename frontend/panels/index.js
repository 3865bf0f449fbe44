// The panels, in their default order: Sample beside the mask, from which samples are mostly chosen.

import { advantages } from "./advantages.js";
import { direction } from "./direction.js";
import { environment } from "./environment.js";
import { gradients } from "./gradients/gradients.js";
import { health } from "./health.js";
import { kl } from "./kl.js";
import { losses } from "./losses.js";
import { mask } from "./mask/mask.js";
import { policy } from "./policy/policy.js";
import { ratio } from "./ratio/ratio.js";
import { returns } from "./returns.js";
import { sample } from "./sample/sample.js";
import { surrogate } from "./surrogate/surrogate.js";
import { values } from "./values/values.js";

/** @import { Panel } from "../types.js" */

/** @type {Panel[]} */
export const panels = [environment, returns, ratio, mask, sample, advantages, losses, surrogate, kl, values, policy, gradients, direction, health];

// The panels, in their default order.

import { environment } from "./environment.js";
import { mask } from "./mask.js";
import { ratio } from "./ratio.js";

/** @import { Panel } from "../types.js" */

/** @type {Panel[]} */
export const panels = [environment, ratio, mask];

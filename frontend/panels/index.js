// The panels, in their default order.

import { advantages } from "./advantages.js";
import { environment } from "./environment.js";
import { losses } from "./losses.js";
import { mask } from "./mask.js";
import { ratio } from "./ratio.js";
import { returns } from "./returns.js";

/** @import { Panel } from "../types.js" */

// The look of what is inside of a panel comes with the panels.
const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("panels.css", import.meta.url).href;
document.head.append(style);

/** @type {Panel[]} */
export const panels = [environment, returns, ratio, mask, advantages, losses];

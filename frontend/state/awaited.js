// What a page waits for that has no run yet: a loop elsewhere, or a script that was begun to be shown.

/** @import { State } from "../types.js" */

const LOOKED_FOR = "`learn` of a PPO of Stable-Baselines3 or sb3-contrib, or an update of a PPO in the script itself";

/** What a page says until the server has answered for the first time: it knows of no run, and not that there is none. */
export const CONNECTING = "Connecting to the server.";

/** Whether no run is to be expected of it. @param {State["awaited"]} awaited */
const inVain = (awaited) => awaited !== null && (awaited.code !== null || awaited.why !== null);

/** In a line. @param {Pick<State, "awaited" | "connection">} state */
export function waitsFor({ awaited, connection }) {
  if (connection.state === "connecting") return CONNECTING;
  if (!awaited) return "No run yet. The first training loop that connects to this server is shown here.";
  if (inVain(awaited))
    return `${awaited.code === null ? `${awaited.script} runs` : `${awaited.script} has ended`}, and there is nothing of it to see.`;
  return `${awaited.script} is starting. It is shown as soon as it learns: waited for is ${LOOKED_FOR}.`;
}

/** How it stands with the script, in a word. @param {Pick<State, "awaited">} state */
export const standing = ({ awaited }) => (!awaited ? "" : awaited.code !== null ? "ended" : inVain(awaited) ? "not shown" : "starting");

/** As the cause of a run that ended; null where there is nothing to explain. @param {Pick<State, "awaited" | "run">} state */
export function whyNothing({ awaited, run }) {
  if (run || !awaited || !inVain(awaited)) return null;
  const { script, code, why, detail, lines } = awaited;
  const how = code === null ? "runs, and is not shown" : `has ended${code ? ` with code ${code}` : ""}, and nothing of it could be shown`;
  return { summary: `${script} ${how}.`, detail, remedy: why ?? "What it printed is in its terminal.", lines };
}

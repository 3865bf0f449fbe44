// The few things that the page asks for by HTTP. All URLs are relative, so that a path prefix works.

import { decode } from "./frame.js";
import { ask } from "./inlined.js";
import { session } from "./session.js";
import { MOMENT_COLUMNS, SESSION_HEADER } from "../wire.js";

/** @import { Check, Comparison, Frame, KeptRunWhole, Moment, NewRun, SeriesHeader, Shelf, Snapshot, SweepTold } from "../types.js" */

/**
 * @param {string} path
 * @returns {Promise<any>}
 * @throws {Error} the server cannot be reached or refuses
 */
export async function getJson(path) {
  const response = await ask(path);
  if (!response.ok) throw new Error(`${path}: the server answered ${response.status}`);
  return response.json();
}

/** What is looked for in every run. @returns {Promise<Check[]>} @throws {Error} the server cannot be reached or refuses */
export const getHealthChecks = () => getJson("api/health-checks");

/**
 * What an environment looked like at a step of a rollout.
 *
 * @param {string} path as `picturePath` gives it
 * @returns {Promise<Blob>}
 * @throws {Error} there is none, or none now; in words for people
 */
export async function getPicture(path) {
  const response = await ask(path).catch(() => null);
  if (!response) throw new Error("The server cannot be reached.");
  if (response.ok) return response.blob();
  const answer = await response.json().catch(() => null);
  throw new Error(answer?.message ?? `The server answered ${response.status}.`);
}

/** @param {{ run: string, update: number, environment: number, step: number }} where */
export const picturePath = ({ run, update, environment, step }) => `api/runs/${encodeURIComponent(run)}/pictures/${update}/${environment}/${step}`;

/** The server has refused; `detail` is what stands behind it, such as the end of a traceback. */
export class Refusal extends Error {
  /** @param {{ message?: string, detail?: string | null } | null} answer @param {number} status */
  constructor(answer, status) {
    super(answer?.message ?? `The server answered ${status}.`);
    this.detail = answer?.detail ?? null;
  }
}

/**
 * Begins a run: `instead` of one, or `beside` the others; a new one, or one that is kept.
 *
 * @param {Partial<NewRun>} wanted
 * @returns {Promise<string>} its identifier
 * @throws {Refusal} it cannot begin; in the server's words
 */
export const postRun = async (wanted) => (await change("POST", "api/runs", wanted)).id;

/** The runs that are kept on disk; or all of a sweep, without their curves. @param {string} [sweep] @returns {Promise<Shelf>} @throws {Error} the server cannot be reached or refuses */
export const getShelf = (sweep) => getJson(sweep === undefined ? "api/kept" : `api/kept?sweep=${encodeURIComponent(sweep)}`);

/** What a sweep plans. @param {string} name @returns {Promise<SweepTold>} @throws {Refusal} its plan is not here */
export const getSweep = (name) => change("GET", `api/sweeps/${encodeURIComponent(name)}`);

/** One of them. @param {string} run @returns {Promise<KeptRunWhole>} @throws {Refusal} it is gone, or cannot be read */
export const getKeptRun = (run) => change("GET", `api/kept/${encodeURIComponent(run)}`);

/** Runs put together by their settings. @param {string[]} runs @returns {Promise<Comparison>} @throws {Refusal} they are too many */
export const getComparison = (runs) => change("GET", `api/comparison?${runs.map((run) => `run=${encodeURIComponent(run)}`).join("&")}`);

/** Removes it from the disk. @param {string} run @throws {Refusal} it is in use, gone, or the disk refuses */
export const deleteKept = (run) => change("DELETE", `api/kept/${encodeURIComponent(run)}`);

/**
 * What only a controller may ask for, and what is refused in words.
 *
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<any>}
 */
async function change(method, path, body) {
  const headers = { "Content-Type": "application/json", [SESSION_HEADER]: session() ?? "" };
  const response = await ask(path, { method, headers, body: body && JSON.stringify(body) }).catch(() => null);
  if (!response) throw new Error("The server cannot be reached.");
  if (!response.ok) throw new Refusal(await response.json().catch(() => null), response.status);
  return response.json();
}

/**
 * The series rows of the updates `from` to `to`, both included, as far as the server still has them.
 *
 * @param {string} run
 * @param {number} from
 * @param {number} to
 * @returns {Promise<Frame<SeriesHeader>>}
 * @throws {Error} the server cannot be reached or refuses
 */
export async function getSeries(run, from, to) {
  const path = `api/runs/${encodeURIComponent(run)}/series?from=${from}&to=${to}&format=frame`;
  const response = await ask(path);
  if (!response.ok) throw new Error(`${path}: the server answered ${response.status}`);
  return /** @type {Frame<SeriesHeader>} */ (decode(await response.arrayBuffer()));
}

/**
 * Everything of a run that one can go back to, in the order of the run.
 *
 * @param {string} run
 * @returns {Promise<Moment[]>}
 * @throws {Error} the server cannot be reached or refuses
 */
export async function getMoments(run) {
  const { moments } = await getJson(`api/runs/${encodeURIComponent(run)}/moments`);
  return moments.map((/** @type {any[]} */ row) => Object.fromEntries(MOMENT_COLUMNS.map((name, at) => [name, row[at]])));
}

/**
 * How much of a run one can go back to.
 *
 * @param {string} run
 * @returns {Promise<import("../types.js").Kept>}
 * @throws {Error} the server cannot be reached or refuses
 */
export async function getKept(run) {
  const { moments, unmeasured, bytes, room } = await getJson(`api/runs/${encodeURIComponent(run)}/moments`);
  const [update, phase] = [MOMENT_COLUMNS.indexOf("update"), MOMENT_COLUMNS.indexOf("phase")];
  const oldest = moments.find((/** @type {any[]} */ row) => row[phase] === "update")?.[update] ?? null;
  return { oldest, unmeasured, bytes, room };
}

/**
 * @param {string} run
 * @param {number} sequence
 * @returns {Promise<Snapshot>}
 * @throws {Error} it is not kept any more, is not measured yet and cannot be now, or the server cannot be reached
 */
export async function getMoment(run, sequence) {
  const response = await ask(`api/runs/${encodeURIComponent(run)}/moments/${sequence}`);
  if (response.status === 409) throw new Refusal(await response.json().catch(() => null), response.status);
  if (!response.ok) throw new Error("This moment is not kept any more.");
  return /** @type {Snapshot} */ (decode(await response.arrayBuffer()));
}

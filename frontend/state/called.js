// What a run is called: by the program that trains, where that is not ours, and by its environment.

/** @typedef {{ environment: string, seed: number | null, script?: string, attached?: { script?: string } }} Named */

/** Empty where it is a run of ours. @param {Pick<Named, "script" | "attached"> | null | undefined} run */
export const scriptOf = (run) => run?.attached?.script || run?.script || "";

/** @param {Named} run */
export const titleOf = (run) => [scriptOf(run), run.environment].filter(Boolean).join(" · ");

/** With its seed, as far as that is known. @param {Named} run @param {string} [between] */
export const fullTitleOf = (run, between = ", ") => `${titleOf(run)}${run.seed === null ? "" : `${between}seed ${run.seed}`}`;

/** What tells environments apart where there is little room, the id first: "MODULE:ID" is cut at its end. @param {string} environment */
export function inParts(environment) {
  const [id, ...module] = environment.split(":").reverse();
  return { id, module: module.reverse().join(":") };
}

// How runs that are compared are told apart: each by a letter, by how its line is dashed and by its colour, and by the
// same ones in every panel. A run has them by its place, which it keeps for as long as it is compared.

/** @import { State } from "../types.js" */

/** By place. The first is that of the run at hand. */
export const LOOKS = /** @type {const} */ ([
  { letter: "A", colour: "ink", dash: "solid" },
  { letter: "B", colour: "other", dash: "dash" },
  { letter: "C", colour: "third", dash: "dot" },
  { letter: "D", colour: "fourth", dash: "dashdot" },
]);

/** As many as can be told apart, and stand side by side with room to be read. */
export const MOST = LOOKS.length;

/** @param {Pick<State, "place">} state */
export const letterOf = ({ place }) => LOOKS[place].letter;

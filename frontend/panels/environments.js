// Which environments are shown sample by sample, where a rollout has too many samples for all of them.

import { h, setHidden, setText } from "../ui/dom.js";
import { capital, namesOf } from "../state/rows.js";

/** @import { PanelContext, State } from "../types.js" */

/** How many environments the run at hand has. @param {Pick<State, "run">} state */
export const countOf = ({ run }) => Number(run?.settings.num_envs ?? NaN);

/** Those of the snapshot on show. @param {Pick<State, "snapshot">} state @returns {number[]} */
export const sentOf = ({ snapshot }) => [...(snapshot?.arrays.environments ?? [])];

/** Whether this page can ask for others. @param {Pick<State, "run" | "snapshot" | "past" | "recorded" | "lease">} state */
export const canAsk = (state) =>
  state.lease.holder && !state.past && !state.recorded && sentOf(state).length > 0 && sentOf(state).length < countOf(state);

/**
 * The groups that can be asked for: so many at a time, the last one full as well.
 *
 * @param {number} count of environments
 * @param {number} room for so many
 * @returns {{ first: number, last: number }[]}
 */
export function groupsOf(count, room) {
  if (!(room > 0) || !(room < count)) return [];
  return Array.from({ length: Math.ceil(count / room) }, (_, group) => {
    const first = Math.min(group * room, count - room);
    return { first, last: first + room - 1 };
  });
}

/**
 * A choice of the environments on show; hidden where all are.
 *
 * @param {HTMLElement} parent
 * @param {PanelContext} context
 * @returns {(state: State) => void} draws it
 */
export function environmentChoice(parent, context) {
  const select = h("select", { onchange: () => context.showEnvironment(select.value === "" ? null : Number(select.value)) });
  const name = h("span", {}, "Environments");
  const choice = h("div", { class: "choice", hidden: true }, h("label", {}, name, select));
  parent.append(choice);
  let offered = "";
  return (state) => {
    const groups = canAsk(state) ? groupsOf(countOf(state), sentOf(state).length) : [];
    setHidden(choice, groups.length === 0);
    setText(name, capital(namesOf(state.snapshot).rows));
    const offer = JSON.stringify(groups);
    if (offer === offered) return;
    offered = offer;
    const named = groups.map(({ first, last }) => h("option", { value: first }, first === last ? String(first) : `${first} to ${last}`));
    select.replaceChildren(h("option", { value: "" }, "drawn by the seed"), ...named);
  };
}

// The form of a run that is to begin: settings of the server's table, those that make another run of it first, the rest folded.

import { judge } from "../state/environment-id.js";
import { count } from "../state/format.js";
import { h, setHidden, setText } from "../ui/dom.js";
import { createField } from "./run-field.js";

/** @import { KnownEnvironment, Setting } from "../types.js" */
/** @import { Field } from "./run-field.js" */

const ENVIRONMENT = ["env", "env_kwargs", "leave_out", "seed", "num_envs"];
const NETWORK = ["hidden_sizes", "activation", "shared_network"];
/** What the groups of the table are called, in the order in which they stand. @type {[string, string][]} */
const FOLDED = [
  ["run", "Rollout and run"],
  ["loss", "Loss"],
  ["advantages", "Advantages"],
  ["optimizer", "Optimiser"],
  ["evaluation", "Evaluation"],
  ["images", "Images"],
];
const IDS = "known-environments";

/**
 * @param {Setting[]} settings
 * @param {object} [look]
 * @param {string} [look.prefix] of the fields' ids
 * @param {"default" | "was"} [look.of] what their defaults are: those of the table, or what stood there before
 * @param {string[]} [look.unfolded] groups that are open
 */
export function createRunForm(settings, { prefix = "new", of = "default", unfolded = [] } = {}) {
  /** @type {KnownEnvironment[]} */
  let known = [];
  const ids = h("datalist", { id: IDS });
  const near = h("p", { class: "nearest", hidden: true });
  /** @type {Map<string, Field>} */
  const fields = new Map(
    settings.map((setting) => [
      setting.name,
      createField(setting, { prefix, of, ...(setting.name === "env" ? { list: IDS, changed: judgeId, extra: near } : { changed: recount }) }),
    ]),
  );
  const all = [...fields.values()];
  const chosen = fields.has("env"); // else the environment and its network are what they are
  const [first, second] = chosen ? [named(ENVIRONMENT), named(NETWORK)] : [[], []];
  const others = all.filter((field) => ![...first, ...second].includes(field));
  const rest = (/** @type {string} */ group) => others.filter(({ setting }) => setting.group === group);
  const unlisted = others.filter(({ setting: { group } }) => !FOLDED.some(([own]) => own === group));
  const folds = FOLDED.map(([group, title], i) =>
    fold(group === "run" && !chosen ? "Run" : title, [...rest(group), ...(i === 0 ? unlisted : [])], unfolded.includes(group)),
  ).filter(({ inside }) => inside.length);
  /** @param {string} title @param {Field[]} shown */
  const part = (title, shown) => h("fieldset", {}, h("legend", {}, title), h("div", { class: "fields" }, ...shown.map((field) => field.element)));

  const element = h(
    "div",
    { class: "run-form" },
    ids,
    chosen && part("Environment", first),
    chosen && part("Network", second),
    ...folds.map(({ details }) => details),
  );

  /** @param {string[]} names */
  function named(names) {
    return names.flatMap((name) => fields.get(name) ?? []);
  }

  /** @param {string} title @param {Field[]} inside @param {boolean} open */
  function fold(title, inside, open) {
    const changes = h("span", { class: "fold-changes" });
    const details = h(
      "details",
      { open },
      h("summary", {}, title, " ", changes),
      h("div", { class: "fields" }, ...inside.map((field) => field.element)),
    );
    return { details, changes, inside };
  }

  /** How many settings of what is folded are not at their default. */
  function recount() {
    for (const { changes, inside } of folds) {
      const others = inside.filter((field) => !field.isDefault()).length;
      const changed = of === "was" ? "changed" : `not at ${others === 1 ? "its" : "their"} default`;
      setText(changes, others ? `${count(others)} ${changed}` : "");
    }
  }

  /** @returns {string | null} what is wrong with the id, which is said beside it */
  function judgeId() {
    const field = fields.get("env");
    if (!field) return (recount(), null);
    const { problem, near: names, note } = judge(field.input.value, known);
    field.fail(problem);
    setHidden(near, names.length === 0 && note === "");
    near.replaceChildren(...(note ? [note] : names.map((name) => h("button", { type: "button", onclick: () => take(name) }, name))));
    recount();
    return problem;
  }

  /** @param {string} id */
  function take(id) {
    const field = /** @type {Field} */ (fields.get("env"));
    field.show(id);
    judgeId();
    field.input.focus();
  }

  /** Opens what it is folded in, and goes there. @param {Field} field */
  function goTo(field) {
    const around = field.element.closest("details");
    if (around) around.open = true;
    field.input.focus();
  }

  return {
    element,
    /** @param {KnownEnvironment[]} environments */
    offer(environments) {
      known = environments;
      ids.replaceChildren(...environments.map(({ id, missing }) => h("option", { value: id }, missing ? `${id}: ${missing}` : id)));
    },
    /** @param {Record<string, unknown>} values by name; the others get their default */
    show(values) {
      for (const field of all) field.show(field.setting.name in values ? values[field.setting.name] : field.setting.default);
      judgeId();
    },
    /**
     * Everything that was entered; null where something does not fit, which is then said beside it and has the focus.
     *
     * @returns {Record<string, unknown> | null}
     */
    values() {
      /** @type {Record<string, unknown>} */
      const values = {};
      /** @type {Field[]} */
      const wrong = [];
      for (const field of all) {
        const result = field.read();
        const problem = field.setting.name === "env" ? judgeId() : "problem" in result ? result.problem : null;
        if (field.setting.name !== "env") field.fail(problem);
        if (problem) wrong.push(field);
        else if ("value" in result) values[field.setting.name] = result.value;
      }
      if (!wrong.length) return values;
      goTo(wrong[0]);
      return null;
    },
    /** @param {Map<string, string>} problems by name of the setting */
    fail(problems) {
      const wrong = [...problems].flatMap(([name, problem]) => {
        const field = fields.get(name);
        field?.fail(problem);
        return field ?? [];
      });
      if (wrong.length) goTo(wrong[0]);
    },
  };
}

// With which values a remedy is tried in this run, as one writes them where it is configured.

/** @import { Finding, Setting, SettingValue, State, Try } from "../types.js" */

/** @typedef {Pick<State, "run" | "settings">} Of */

/** Two digits are enough to try. @param {number} value @param {Setting} setting */
function rounded(value, { type, minimum, maximum }) {
  const bounded = Math.min(Math.max(Number(value.toPrecision(2)), minimum ?? -Infinity), maximum ?? Infinity);
  return type === "int" ? Math.max(1, Math.round(bounded)) : bounded;
}

/** @param {Try} one @param {SettingValue | undefined} present @param {Setting} setting @returns {SettingValue | undefined} nothing where it cannot be told */
function valueOf({ to, by }, present, setting) {
  if (to !== undefined) return to;
  return typeof present === "number" && by !== undefined ? rounded(present * by, setting) : undefined;
}

/** As a terminal, a script or a config takes it. @param {string} name @param {SettingValue} value @param {Of} of */
function written(name, value, { run, settings }) {
  const attached = run?.attached;
  if (!attached) return `--${name.replaceAll("_", "-")} ${value ?? "off"}`;
  const known = attached.called?.[name];
  if (known) return known.text.replace("{}", typeof value === "number" ? String(Number((value * known.times).toPrecision(6))) : (known.off ?? ""));
  const setting = settings.find((one) => one.name === name);
  return Object.keys(attached.called ?? {}).length ? null : `${setting?.symbol || name} = ${value ?? "off"}`;
}

/** What differs from how the run is. @param {Finding} finding @param {Of} of @returns {string[]} */
export function triesOf({ tries }, of) {
  return (tries ?? []).flatMap((one) => {
    const setting = of.settings.find(({ name }) => name === one.setting);
    const present = of.run?.settings[one.setting];
    const value = setting && valueOf(one, present, setting);
    if (value === undefined || value === present) return [];
    return written(one.setting, value, of) ?? [];
  });
}

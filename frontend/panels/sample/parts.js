// What the parts of Sample are made of.

import { h, prose } from "../../ui/dom.js";

/** A part under its title. @param {string} title @param {...(Node | string | null)} rest */
export const part = (title, ...rest) => [h("h3", {}, ...prose(title)), ...rest.filter((child) => child !== null)];

/** @param {[string, string, string?][]} rows name, value and class */
export const pairs = (rows) =>
  h("dl", { class: "pairs" }, ...rows.map(([name, value, style]) => h("div", { class: style }, h("dt", {}, ...prose(name)), h("dd", {}, value))));

/** @param {string} text */
export const note = (text) => h("p", { class: "sample-note" }, ...prose(text));

// Columns that grow: one row of scalars per update, and one row per finished episode.

import { Turns, firstFrom } from "./turns.js";

/** @import { EpisodesView, SeriesView, Span } from "../types.js" */

const EMPTY = new Float64Array(0);
const MISSING = 0;
const THERE = 1;
const FORGONE = 2;

class Columns {
  /** @type {Map<string, Float64Array<ArrayBuffer>>} */
  #columns = new Map();
  /** Of the columns that were asked for. @type {Map<string, Turns>} */
  #turns = new Map();
  #capacity = 1024;
  length = 0;

  clear() {
    this.#columns.clear();
    this.#turns.clear();
    this.#capacity = 1024;
    this.length = 0;
  }

  get names() {
    return [...this.#columns.keys()];
  }

  /** @param {number} length rows that did not exist are NaN */
  grow(length) {
    if (length > this.#capacity) {
      while (this.#capacity < length) this.#capacity *= 2;
      for (const [name, old] of this.#columns) {
        const larger = new Float64Array(this.#capacity).fill(NaN);
        larger.set(old.subarray(0, this.length));
        this.#columns.set(name, larger);
      }
    }
    this.length = Math.max(this.length, length);
  }

  /**
   * Opens a gap of `count` rows before row `at`.
   *
   * @param {number} at
   * @param {number} count
   */
  insert(at, count) {
    const end = this.length;
    this.grow(end + count);
    for (const column of this.#columns.values()) column.copyWithin(at + count, at, end).fill(NaN, at, at + count);
    this.changed(at);
  }

  /** Rows from this one on have other values than before. @param {number} at */
  changed(at) {
    for (const turns of this.#turns.values()) turns.forget(at);
  }

  /** Where the lowest and the highest value of these rows are. @param {string} name @param {number} start @param {number} end */
  turns(name, start, end) {
    if (!this.#columns.has(name)) return { low: start, high: start };
    let turns = this.#turns.get(name);
    if (!turns) this.#turns.set(name, (turns = new Turns()));
    return turns.within(this.view(name), start, end);
  }

  /** The lowest and the highest value of these rows; as `extent` where there is none. @param {string} name @param {number} start @param {number} end @returns {[number, number]} */
  extent(name, start, end) {
    const values = this.view(name);
    const { low, high } = start < end ? this.turns(name, start, end) : { low: -1, high: -1 };
    return Number.isNaN(values[low] ?? NaN) ? [Infinity, -Infinity] : [values[low], values[high]];
  }

  /** @param {string} name */
  writable(name) {
    let column = this.#columns.get(name);
    if (!column) {
      column = new Float64Array(this.#capacity).fill(NaN);
      this.#columns.set(name, column);
    }
    return column;
  }

  /** @param {string} name */
  view(name) {
    return this.#columns.get(name)?.subarray(0, this.length) ?? EMPTY;
  }
}

/** @implements {SeriesView} */
export class Series {
  #table = new Columns();
  /** MISSING, THERE or FORGONE, row by row. @type {Uint8Array} */
  #rows = new Uint8Array(1024);
  #complete = 0; // no row before this one is missing
  /** Rows that the server does not have any more. */
  forgone = 0;
  first = 1;
  revision = 0;

  get length() {
    return this.#table.length;
  }

  get columns() {
    return this.#table.names;
  }

  /** The newest update that has a row, or is known to have one. */
  get last() {
    return this.first + this.length - 1;
  }

  /** @param {string} name */
  column(name) {
    return this.#table.view(name);
  }

  /** @param {string} name @param {number} start @param {number} end */
  turns(name, start, end) {
    return this.#table.turns(name, start, end);
  }

  /** @param {string} name @param {Span | null} span */
  extent(name, span = null) {
    const { start, end } = this.rows(span);
    return this.#table.extent(name, start, end);
  }

  /** @param {Span | null} span */
  rows(span) {
    if (!span) return { start: 0, end: this.length };
    const start = Math.min(Math.max(0, span.from - this.first), this.length);
    return { start, end: Math.max(start, Math.min(this.length, span.to - this.first + 1)) };
  }

  clear() {
    this.#table.clear();
    this.#rows = new Uint8Array(1024);
    this.#complete = 0;
    this.forgone = 0;
    this.revision++;
  }

  /**
   * Makes room up to the update `last`: the rows that have not arrived are missing.
   *
   * @param {number} last
   */
  extend(last) {
    const length = last - this.first + 1;
    if (length <= this.length) return;
    this.#table.grow(length);
    if (length > this.#rows.length) {
      const larger = new Uint8Array(2 ** Math.ceil(Math.log2(length)));
      larger.set(this.#rows);
      this.#rows = larger;
    }
    this.revision++;
  }

  /**
   * Writes rows of consecutive updates; one that is there already is left alone.
   *
   * @param {number} first
   * @param {readonly string[]} names
   * @param {Float64Array} rows row after row
   * @param {boolean} amends these rows take the place of those that are there
   * @returns {Set<number>} the updates that are new
   */
  write(first, names, rows, amends = false) {
    const count = names.length ? rows.length / names.length : 0;
    /** @type {Set<number>} */
    const fresh = new Set();
    this.extend(first + count - 1);
    const columns = names.map((name) => this.#table.writable(name));
    for (let row = 0; row < count; row++) {
      const at = first + row - this.first;
      if (at < 0 || (this.#rows[at] === THERE && !amends)) continue;
      for (let c = 0; c < columns.length; c++) columns[c][at] = rows[row * names.length + c];
      if (this.#rows[at] === FORGONE) this.forgone--;
      this.#rows[at] = THERE;
      fresh.add(first + row);
    }
    if (fresh.size) this.revision++;
    this.#table.changed(Math.max(0, first - this.first));
    return fresh;
  }

  /**
   * Gives the rows of these updates up: the server does not have them. Should they come after all, they are welcome.
   *
   * @param {number} from
   * @param {number} to
   */
  forgo(from, to) {
    const end = Math.min(to - this.first + 1, this.#rows.length);
    for (let at = Math.max(0, from - this.first); at < end; at++) if (this.#rows[at] === MISSING) this.#rows[at] = FORGONE; // others came meanwhile
    this.forgone = this.#rows.subarray(0, this.length).filter((row) => row === FORGONE).length;
  }

  /** @returns {{ from: number, to: number } | null} the first run of updates that has not arrived */
  missing() {
    let at = this.#complete;
    while (at < this.length && this.#rows[at] !== MISSING) at++;
    this.#complete = at;
    if (at >= this.length) return null;
    let end = at;
    while (end + 1 < this.length && this.#rows[end + 1] === MISSING) end++;
    return { from: this.first + at, to: this.first + end };
  }
}

/** @implements {EpisodesView} */
export class Episodes {
  #table = new Columns();
  revision = 0;

  get length() {
    return this.#table.length;
  }

  /** @param {string} name */
  column(name) {
    return this.#table.view(name);
  }

  /** @param {string} name @param {Span | null} span */
  extent(name, span = null) {
    const { start, end } = this.rows(span);
    return this.#table.extent(name, start, end);
  }

  /** @param {Span | null} span */
  rows(span) {
    if (!span) return { start: 0, end: this.length };
    const updates = this.column("update");
    return { start: firstFrom(updates, span.from), end: firstFrom(updates, span.to + 1) };
  }

  clear() {
    this.#table.clear();
    this.revision++;
  }

  /**
   * Adds the episodes that ended in the updates `wanted`, in their place.
   *
   * @param {readonly string[]} names
   * @param {Float64Array} rows row after row, updates ascending
   * @param {Set<number>} wanted
   */
  write(names, rows, wanted) {
    const width = names.length;
    const updateAt = names.indexOf("update");
    /** @type {number[]} */
    const chosen = [];
    for (let row = 0; row * width < rows.length; row++) {
      if (wanted.has(rows[row * width + updateAt])) chosen.push(row);
    }
    if (!chosen.length) return;
    const at = this.#after(rows[chosen[0] * width + updateAt]);
    this.#table.insert(at, chosen.length);
    names.forEach((name, c) => {
      const column = this.#table.writable(name);
      chosen.forEach((row, i) => (column[at + i] = rows[row * width + c]));
    });
    this.revision++;
  }

  /**
   * The row behind all episodes of updates up to `update`. A fetched gap lies between rows, a live one at the end.
   *
   * @param {number} update
   */
  #after(update) {
    const updates = this.column("update");
    let at = updates.length;
    while (at > 0 && updates[at - 1] > update) at--;
    return at;
  }
}

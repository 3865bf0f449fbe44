// The timeline: every update with its return, where settings changed, and a cursor that one can take to look back.

import { getKept } from "../net/http.js";
import { number, settingText } from "../state/format.js";
import { historyOf, whenInWords } from "../state/findings.js";
import { createKept, keptInWords, reachInWords } from "../state/kept.js";
import { Canvas } from "../draw/canvas.js";
import { leftOut, overUpdates, unmarked } from "../draw/curves.js";
import { extent } from "../draw/ranges.js";
import { h, setAttribute, setHidden, setText } from "../ui/dom.js";

/** @import { Change, SnapshotHeader, Spell, State, Theme } from "../types.js" */

const GONE = "The earlier updates of this run are gone with the server that it ran on.";
const BUCKETS = 512; // of the curve
const NEAR = 6; // pixels beside the beginning of a finding within which a click goes there
const DRAG = "Drag to look at an earlier update; the run goes on meanwhile.";

/**
 * @param {HTMLElement} root
 * @param {{ goTo(update: number): void, live(): void, theme(): Theme, redraw(): void }} page
 */
export function createTimeline(root, page) {
  const cursor = h("input", { type: "range", "aria-label": "Timeline", min: 0, max: 1, step: 1, value: 0 });
  const track = h("div", { class: "track" });
  const canvas = new Canvas(track, "spark");
  canvas.element.setAttribute("aria-hidden", "true");
  track.append(cursor);
  const place = h("span", {});
  const reach = h("button", { type: "button", class: "reach", onclick: () => oldest !== null && page.goTo(oldest) });
  const where = h("span", { class: "where" }, place, reach);
  const live = h("button", { type: "button", class: "live-pill", onclick: page.live }, "Live");
  root.append(track, where, live);

  const keptOf = createKept(getKept, page.redraw);
  let grabbed = false; // a cursor somebody holds never jumps, and what it stands for does not either
  let span = [0, 1];
  /** Where it was pressed, and has not been dragged from. @type {number | null} */
  let pressed = null;
  /** @type {Spell[]} */
  let spells = [];
  /** How far one can go back. @type {number | null} */
  let oldest = null;

  cursor.addEventListener("pointerdown", ({ offsetX }) => {
    grabbed = true;
    pressed = offsetX;
  });
  for (const event of ["pointerup", "pointercancel", "blur"]) {
    cursor.addEventListener(event, () => {
      grabbed = false;
      page.redraw();
    });
  }
  cursor.addEventListener("input", () => {
    const spell = pressed === null ? undefined : nearTo(pressed);
    pressed = null;
    page.goTo(spell ? spell.since : cursor.valueAsNumber);
  });
  new ResizeObserver(() => {
    canvas.fit();
    page.redraw();
  }).observe(track);

  /** In device pixels. @param {number} update */
  const across = (update) => 8 * canvas.ratio + ((update - span[0]) / (span[1] - span[0] || 1)) * (canvas.width - 16 * canvas.ratio);

  /** @param {number} x in pixels */
  const nearTo = (x) => spells.findLast(({ since }) => Math.abs(across(since) / canvas.ratio - x) <= NEAR);

  /** @param {State} state */
  function draw(state) {
    const { series, snapshot, newest, past } = state;
    const last = Math.max(newest?.header.update ?? 0, series.first + series.length - 1, 1);
    if (!grabbed) span = [0, last];
    setAttribute(cursor, "max", String(span[1]));
    cursor.disabled = state.held !== null;
    const shown = snapshot?.header.update ?? 0;
    if (!grabbed && !state.scrubbing && cursor.valueAsNumber !== shown) cursor.value = String(shown);
    setAttribute(cursor, "aria-valuetext", snapshot ? inWords(snapshot.header) : "nothing yet");
    const kept = keptOf(state);
    oldest = kept?.oldest === 1 ? 0 : (kept?.oldest ?? null); // before the first update there is the start
    setText(place, snapshot && past ? inWords(snapshot.header) : "");
    setHidden(reach, past !== null || oldest === null);
    setText(reach, kept ? capital(reachInWords(kept)) : "");
    spells = historyOf(state);
    const about = [
      state.held ? GONE : DRAG,
      ...spells.slice(-4).map(spellInWords),
      kept && keptInWords(kept),
      ...[...leftOut({ ...state, zoom: null }), ...unmarked(state)].map(({ long }) => long),
      ...state.changes.slice(-4).map(changeInWords),
    ].filter(Boolean);
    setAttribute(cursor, "title", about.join("\n"));
    setAttribute(reach, "title", kept ? keptInWords(kept) : "");
    live.disabled = past === null;
    setText(live, past === null ? "Live" : "Back to live");
    root.toggleAttribute("data-past", past !== null);
    paint(state);
  }

  /** @param {State} state */
  function paint({ series, changes, snapshot }) {
    const { pen, width, height, ratio } = canvas;
    if (!width) return;
    const theme = page.theme();
    canvas.clear();
    const curve = overUpdates(series, "episodic_return_mean", null, BUCKETS);
    const [low, high] = extent(curve.y);
    pen.strokeStyle = theme.inkSoft;
    pen.lineWidth = 1.25 * ratio;
    pen.beginPath();
    curve.y.forEach((value, index) => {
      if (Number.isNaN(value)) return;
      pen.lineTo(across(curve.x[index]), height - 4 * ratio - ((value - low) / (high - low || 1)) * (height - 8 * ratio));
    });
    pen.stroke();
    pen.fillStyle = theme.clip;
    for (const { update } of changes) pen.fillRect(Math.round(across(update)), 0, Math.max(1, Math.round(1.5 * ratio)), height);
    paintSpells(theme);
    pen.fillStyle = theme.accent;
    if (snapshot) pen.fillRect(Math.round(across(snapshot.header.update)) - ratio, 0, 2 * ratio, height);
    canvas.element.dataset.changes = String(changes.length);
  }

  /** A line along the bottom for as long as something was wrong, and a post where it began. @param {Theme} theme */
  function paintSpells(theme) {
    const { pen, height, ratio } = canvas;
    for (const { severity, since, until } of spells) {
      const [left, right] = [across(since), across(until ?? span[1])];
      pen.fillStyle = severity === "note" ? theme.inkSoft : theme.danger;
      pen.fillRect(left, height - 3 * ratio, Math.max(3 * ratio, right - left), 3 * ratio);
      pen.fillRect(left, height - (severity === "note" ? 6 : 10) * ratio, 2 * ratio, 10 * ratio);
    }
    canvas.element.dataset.findings = String(spells.length);
  }

  return { draw };
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** @param {Spell} spell */
const spellInWords = (spell) => `${whenInWords(spell)}: ${spell.title} (${spell.severity})`;

/** @param {SnapshotHeader} header */
function inWords({ update, phase, epoch, minibatch }) {
  const inside = epoch && phase !== "update" ? `, epoch ${epoch}, minibatch ${minibatch}` : "";
  return phase === "update" || phase === "ready" ? `update ${number(update, 6)}` : `update ${number(update, 6)}${inside}, ${phase}`;
}

/** @param {Change} change */
const changeInWords = ({ update, name, old, new: value }) =>
  `from update ${update}: ${name.replaceAll("_", " ")} ${settingText(old)} → ${settingText(value)}`;

// The timeline: every update with its return, where settings changed, and a cursor that one can take to look back.

import { getKept } from "../net/http.js";
import { goesOn } from "../state/ended.js";
import { count, number } from "../state/format.js";
import { createKept, keptInWords, reachInWords } from "../state/kept.js";
import { marksOf } from "../state/marks.js";
import { brieflyUnkept, insteadInWords, unkeptInWords } from "../state/unkept.js";
import { Canvas } from "../draw/canvas.js";
import { fade } from "../draw/colours.js";
import { leftOut, overUpdates, unmarked } from "../draw/curves.js";
import { extent } from "../draw/ranges.js";
import { h, setAttribute, setHidden, setText } from "../ui/dom.js";
import { createBrush } from "./brush.js";
import { paintMarks, paintWords } from "./marks.js";

/** @import { SnapshotHeader, Span, State, Theme } from "../types.js" */
/** @import { Mark } from "../state/marks.js" */
/** @import { Pointed, PointedAt } from "../state/pointed.js" */

const GONE = "The earlier updates of this run are gone with the server that it ran on.";
const BUCKETS = 512; // of the curve
const NEAR = 6; // pixels beside a mark within which it is pointed at, and a click goes to the beginning of a finding
const NAMED = 4; // marks under the pointer
const DRAG = "Drag to look at an earlier update";

/**
 * @param {HTMLElement} root
 * @param {object} page
 * @param {(update: number, since?: boolean, within?: number) => void} page.goTo
 * @param {() => void} page.live
 * @param {() => Theme} page.theme
 * @param {() => void} page.redraw
 * @param {(span: Span | null) => void} page.zoom what all charts over updates show
 * @param {PointedAt} page.pointed
 */
export function createTimeline(root, page) {
  const cursor = h("input", { type: "range", "aria-label": "Timeline", min: 0, max: 1, step: 1, value: 0 });
  const track = h("div", { class: "track" });
  const canvas = new Canvas(track, "spark");
  canvas.element.setAttribute("aria-hidden", "true");
  const line = h("i", { class: "pointed", hidden: true });
  const tag = h("p", { class: "pointed-tag", hidden: true });
  track.append(line, cursor, tag);
  const brush = createBrush(page.zoom);
  const place = h("span", {});
  const reach = h("button", { type: "button", class: "reach", onclick: () => oldest !== null && page.goTo(oldest) });
  const where = h("div", { class: "where" }, h("span", {}, place, reach), brush.whole);
  const live = h("button", { type: "button", class: "live-pill", onclick: page.live }, "Live");
  root.append(h("div", { class: "tracks" }, track, brush.lane), where, live);

  const keptOf = createKept(getKept, page.redraw);
  let grabbed = false; // a cursor somebody holds never jumps, and what it stands for does not either
  let span = [0, 1];
  /** Where the pointer is, if it is here, in CSS pixels from the left. @type {number | null} */
  let pointer = null;
  /** Where it was pressed, and has not been dragged from. @type {number | null} */
  let pressed = null;
  /** @type {Mark[]} */
  let marks = [];
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
    const finding = pressed === null ? undefined : nearTo(pressed).findLast(({ kind }) => kind === "finding");
    pressed = null;
    const pixel = Math.floor(((span[1] - span[0]) * canvas.ratio) / (canvas.width || 1));
    page.goTo(finding ? finding.update : cursor.valueAsNumber, finding !== undefined, finding || !grabbed ? 0 : pixel);
  });
  cursor.addEventListener("pointermove", ({ offsetX }) => {
    pointer = offsetX;
    point(offsetX);
  });
  cursor.addEventListener("pointerleave", () => {
    pointer = null;
    page.pointed.point(null);
  });
  page.pointed.listen(show);

  /** @param {number} x in CSS pixels from the track's left */
  function point(x) {
    const update = updateAt(x);
    page.pointed.point(update < 0 || update > span[1] ? null : { update: Math.round(update), by: cursor });
  }

  /** @param {Pointed} pointed */
  function show(pointed) {
    const isIn = pointed !== null && pointed.update <= span[1];
    setHidden(line, !isIn);
    setHidden(tag, !isIn);
    if (!pointed || !isIn) return;
    const x = across(pointed.update) / canvas.ratio;
    line.style.transform = `translateX(${x}px)`;
    const near = pointed.by === cursor ? nearTo(x).slice(-NAMED) : [];
    setText(tag, [`update ${count(pointed.update)}`, ...near.map(({ long }) => long)].join("\n"));
    const late = 2 * pointed.update > span[1];
    Object.assign(tag.style, late ? { left: "auto", right: `calc(100% - ${x - 6}px)` } : { left: `${x + 6}px`, right: "auto" });
  }

  new ResizeObserver(() => {
    canvas.fit();
    page.redraw();
  }).observe(track);

  /** In device pixels. @param {number} update */
  const across = (update) => 8 * canvas.ratio + ((update - span[0]) / (span[1] - span[0] || 1)) * (canvas.width - 16 * canvas.ratio);

  /** @param {number} x in CSS pixels from the track's left */
  const updateAt = (x) => span[0] + ((x - 8) / (canvas.width / canvas.ratio - 16 || 1)) * (span[1] - span[0]);

  /** The marks around a place. @param {number} x in CSS pixels */
  const nearTo = (x) => marks.filter(({ update }) => Math.abs(across(update) / canvas.ratio - x) <= NEAR);

  /** @param {string} kind */
  const latest = (kind) => marks.filter((mark) => mark.kind === kind).slice(-4);

  /** @param {State} state */
  function draw(state) {
    const { series, snapshot, newest, past } = state;
    const last = Math.max(newest?.header.update ?? 0, series.first + series.length - 1, 1);
    const isLive = goesOn(state);
    if (!grabbed) span = [0, last];
    setAttribute(cursor, "max", String(span[1]));
    cursor.disabled = state.held !== null;
    const shown = snapshot?.header.update ?? 0;
    if (!grabbed && !state.scrubbing && cursor.valueAsNumber !== shown) cursor.value = String(shown);
    const missing = past ? unkeptInWords(snapshot) || insteadInWords(past, snapshot) : "";
    setAttribute(cursor, "aria-valuetext", snapshot ? [inWords(snapshot.header), missing].filter(Boolean).join(". ") : "nothing yet");
    const kept = keptOf(state);
    oldest = kept?.oldest === 1 ? 0 : (kept?.oldest ?? null); // before the first update there is the start
    const brief = past ? brieflyUnkept(past, snapshot) : "";
    setText(place, snapshot && past ? [inWords(snapshot.header), brief].filter(Boolean).join(": ") : "");
    setAttribute(place, "title", missing);
    setHidden(reach, past !== null || oldest === null);
    setText(reach, kept ? capital(reachInWords(kept)) : "");
    marks = marksOf(state);
    const about = [
      state.held ? GONE : `${DRAG}${isLive ? "; the run goes on meanwhile" : ""}.`,
      ...latest("finding").map(({ long }) => long),
      kept && keptInWords(kept),
      ...[...leftOut({ ...state, zoom: null }), ...unmarked(state)].map(({ long }) => long),
      ...latest("change").map(({ long }) => long),
      ...["fork", "resume"].flatMap((kind) => latest(kind).map(({ update, long }) => `update ${update}: ${long}`)),
    ].filter(Boolean);
    setAttribute(cursor, "title", about.join("\n"));
    setAttribute(reach, "title", kept ? keptInWords(kept) : "");
    live.disabled = past === null;
    setText(live, isLive ? (past === null ? "Live" : "Back to live") : past === null ? "Newest" : "Back to newest");
    root.toggleAttribute("data-past", past !== null);
    root.toggleAttribute("data-goes-on", isLive);
    brush.draw(state.zoom, { last: span[1], at: (update) => across(update) / canvas.ratio, updateAt });
    paint(state);
    if (pointer !== null) point(pointer); // at rest, and another update has come to lie there
    if (page.pointed.now()) show(page.pointed.now());
  }

  /** @param {State} state */
  function paint({ series, snapshot, zoom }) {
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
    if (zoom) paintOutside(zoom, theme);
    paintMarks(canvas, marks, across, span[1], theme);
    pen.fillStyle = theme.accent;
    if (snapshot) pen.fillRect(Math.round(across(snapshot.header.update)) - ratio, 0, 2 * ratio, height);
    paintWords(canvas, marks, across, theme); // over the cursor's line
  }

  /** What the charts do not show is dimmed. @param {Span} zoom @param {Theme} theme */
  function paintOutside({ from, to }, theme) {
    const { pen, width, height } = canvas;
    pen.fillStyle = fade(theme.panel, 0.65);
    pen.fillRect(0, 0, across(from), height);
    pen.fillRect(across(to), 0, width - across(to), height);
  }

  return { draw };
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** @param {SnapshotHeader} header */
function inWords({ update, phase, epoch, minibatch }) {
  const inside = epoch && phase !== "update" ? `, epoch ${epoch}, minibatch ${minibatch}` : "";
  return phase === "update" || phase === "ready" ? `update ${number(update, 6)}` : `update ${number(update, 6)}${inside}, ${phase}`;
}

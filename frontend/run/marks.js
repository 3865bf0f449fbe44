// The marks of the timeline, painted: each kind has a shape of its own, and as many as there is room for have their words.

import { fade } from "../draw/colours.js";
import { named } from "../state/marks.js";

/** @import { Theme } from "../types.js" */
/** @import { Canvas } from "../draw/canvas.js" */
/** @import { Mark } from "../state/marks.js" */

const TYPE = 11; // of words, in CSS pixels at the usual size of type
const NARROW = 300; // CSS pixels: words would hide a track that is not wider
const MOST = 60; // marks that are considered for words: measuring text takes its time

/**
 * @param {Canvas} canvas
 * @param {Mark[]} marks by their updates
 * @param {(update: number) => number} across in device pixels
 * @param {number} last update of the run
 * @param {Theme} theme
 */
export function paintMarks(canvas, marks, across, last, theme) {
  const { pen, height, ratio } = canvas;
  /** @param {number} update @param {string} colour @param {number} width */
  function post(update, colour, width) {
    pen.fillStyle = colour;
    pen.fillRect(Math.round(across(update)), 0, Math.max(1, Math.round(width * ratio)), height);
  }

  /** @type {Record<Mark["kind"], (mark: Mark) => void>} */
  const shapes = {
    change: ({ update }) => post(update, theme.clip, 1.5),
    /** A line along the bottom for as long as something was wrong, and a post where it began. */
    finding({ update, until = null, grave }) {
      const [left, right] = [across(update), across(until ?? last)];
      pen.fillStyle = grave ? theme.danger : theme.inkSoft;
      pen.fillRect(left, height - 3 * ratio, Math.max(3 * ratio, right - left), 3 * ratio);
      pen.fillRect(left, height - (grave ? 10 : 6) * ratio, 2 * ratio, 10 * ratio);
    },
    /** Two bars, as on its button. */
    pause({ update }) {
      pen.fillStyle = theme.inkSoft;
      for (const beside of [-2, 1]) pen.fillRect(across(update) + beside * ratio, height - 9 * ratio, 1.5 * ratio, 6 * ratio);
    },
    /** A line with an arrow head that points on. */
    resume({ update }) {
      post(update, theme.ink, 1);
      arrow(across(update), 1);
    },
    /** A line with a head that points back to where it came from. */
    fork({ update }) {
      post(update, theme.ink, 1);
      arrow(across(update), -1);
    },
  };

  for (const mark of marks) shapes[mark.kind](mark);
  for (const kind of /** @type {const} */ (["change", "finding", "pause", "resume", "fork"])) {
    canvas.element.dataset[`${kind}s`] = String(marks.filter((mark) => mark.kind === kind).length);
  }

  /** @param {number} x @param {number} way */
  function arrow(x, way) {
    pen.fillStyle = theme.ink;
    pen.beginPath();
    pen.moveTo(x, height - 12 * ratio);
    pen.lineTo(x + way * 6 * ratio, height - 8 * ratio);
    pen.lineTo(x, height - 4 * ratio);
    pen.fill();
  }
}

/** Along the top, where the cursor's handle does not reach. @param {Canvas} canvas @param {Mark[]} marks @param {(update: number) => number} across @param {Theme} theme */
export function paintWords({ element, pen, width, ratio }, marks, across, theme) {
  const size = TYPE * theme.scale * ratio;
  const gap = 4 * ratio;
  pen.font = `${size}px ${theme.font}`;
  pen.textBaseline = "top";
  const room = (/** @type {Mark} */ { update, short }) => {
    const [x, wide] = [across(update), pen.measureText(short).width];
    const from = x + gap + wide > width ? x - gap - wide : x + gap; // at the right end: on its left
    return { from: from - gap / 2, to: from + wide + gap / 2 };
  };
  const words = width < NARROW * ratio ? [] : named(marks.slice(-MOST), room);
  for (const { mark, from } of words) {
    const wide = pen.measureText(mark.short).width;
    pen.fillStyle = fade(theme.panel, 0.8);
    pen.fillRect(from, ratio, wide + gap, size + ratio);
    pen.fillStyle = mark.kind === "change" ? theme.clip : mark.grave ? theme.danger : theme.ink;
    pen.fillText(mark.short, from + gap / 2, 2 * ratio);
  }
  element.dataset.words = words.map(({ mark }) => mark.short).join("; ");
}

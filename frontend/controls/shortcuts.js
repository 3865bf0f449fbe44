// The keyboard. Keys that the focused element has a use for itself are left to it.

/**
 * @typedef {object} Keys
 * @property {() => void} playOrPause
 * @property {() => void} step
 * @property {() => void} back
 * @property {() => void} live
 * @property {() => void} guide
 * @property {() => void} help
 * @property {() => void} theme
 * @property {() => void} escape
 * @property {() => boolean} blocked a dialog is open
 */

const TYPES_TEXT = "input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]";
const USES_SPACE = `${TYPES_TEXT}, button, summary, a[href], input[type=checkbox]`;
const USES_ARROWS = `${TYPES_TEXT}, input, [role=slider], [role=grid], [data-arrows]`;

/** @param {Keys} keys */
export function listenToKeys(keys) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const action = choose(event, target, keys);
    if (!action || (keys.blocked() && action !== keys.help)) return;
    event.preventDefault();
    action();
  });
}

/**
 * @param {KeyboardEvent} event
 * @param {Element} target
 * @param {Keys} keys
 */
function choose({ key, repeat }, target, keys) {
  if (key === " ") return repeat || target.matches(USES_SPACE) ? null : keys.playOrPause;
  if (key === "ArrowRight") return target.matches(USES_ARROWS) ? null : keys.step;
  if (key === "ArrowLeft") return target.matches(USES_ARROWS) ? null : keys.back;
  if (target.matches(TYPES_TEXT)) return null;
  if (key === "?") return keys.help;
  if (key === "t") return keys.theme;
  if (key === "l") return keys.live;
  if (key === "g") return keys.guide;
  if (key === "Escape") return keys.escape;
  return null;
}

// The keyboard. A text being typed keeps all its keys; whoever goes through the page by Tab keeps those that the focused
// element has a use for itself. Anybody else, such as a presenter who has just clicked into a choice, has them all.

/**
 * @typedef {object} Keys
 * @property {() => void} playOrPause
 * @property {() => void} step
 * @property {() => void} back
 * @property {() => void} live
 * @property {() => void} guide
 * @property {() => void} help
 * @property {() => void} theme
 * @property {() => void} stage
 * @property {(digit: number, beside: boolean) => void} number
 * @property {() => void} escape
 * @property {() => boolean} blocked a dialog is open
 */

const TEXT = "input:not([type=range], [type=checkbox], [type=radio], [type=file]), textarea, [contenteditable]";
const USES_SPACE = "button, summary, a[href], input[type=checkbox], input[type=radio], input[type=file]";
const USES_ARROWS = "input[type=range], input[type=radio], [role=slider], [role=grid], [data-arrows]";
const DIGIT = /^(?:Digit|Numpad)(\d)$/;

/** For so long a browser takes the next character that is typed into a list for one more of the same choice. */
const WORD_MS = 1000;

/** @param {Keys} keys */
export function listenToKeys(keys) {
  const isOwn = watchFocus();
  const isOfChoice = watchTyping(isOwn);
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (event.key === "Enter" && target.matches(TEXT)) return leave(/** @type {HTMLInputElement} */ (target));
    if (isOfChoice(event, target)) return;
    const action = choose(event, target, keys, isOwn());
    if (!action || (keys.blocked() && action !== keys.help)) return;
    event.preventDefault();
    action();
  });
}

/** @returns {() => boolean} whether the focus came by anything but a click, and what has it so keeps its own keys */
function watchFocus() {
  let pointing = false;
  let own = true;
  const over = () => void setTimeout(() => (pointing = false)); // what the click has done may have moved the focus, too
  addEventListener(
    "pointerdown",
    ({ target }) => {
      pointing = true;
      if (target === document.activeElement) own = false; // what has the focus already does not come by it again
    },
    true,
  );
  for (const event of ["click", "dragend", "pointercancel"]) addEventListener(event, over, true);
  addEventListener("keydown", () => (pointing = false), true);
  addEventListener("focusin", () => (own = !pointing), true);
  return () => own;
}

/**
 * In a list that has the focus for itself: whether a character is of a choice that is being typed there. The space in
 * "one phase" chooses; it does not set the run going.
 *
 * @param {() => boolean} isOwn
 * @returns {(event: KeyboardEvent, target: Element) => boolean}
 */
function watchTyping(isOwn) {
  let latest = -Infinity;
  addEventListener("focusin", () => (latest = -Infinity), true);
  return ({ key, timeStamp }, target) => {
    if (!(target instanceof HTMLSelectElement) || !isOwn() || key.length > 1) return false;
    if (timeStamp - latest > WORD_MS && !begins(target, key)) return false;
    latest = timeStamp;
    return true;
  };
}

/** @param {HTMLSelectElement} list @param {string} character */
function begins({ options }, character) {
  return [...options].some(({ text, disabled }) => !disabled && text.toLowerCase().startsWith(character.toLowerCase()));
}

/** A text that was entered is not being typed any more: its field lets go of the keys, unless it was refused. @param {HTMLInputElement} field */
function leave(field) {
  if (field.closest("dialog, form") || field.matches("textarea, [contenteditable]")) return;
  // After the change that Enter makes of it.
  setTimeout(() => field.validity.valid && field.blur());
}

/**
 * @param {KeyboardEvent} event
 * @param {Element} target
 * @param {Keys} keys
 * @param {boolean} own the target keeps the keys that it has a use for
 */
function choose({ key, code, repeat, shiftKey }, target, keys, own) {
  if (target.matches(TEXT)) return null;
  if (key === " ") return repeat || (own && target.matches(USES_SPACE)) ? null : keys.playOrPause;
  if (key === "ArrowRight") return own && target.matches(USES_ARROWS) ? null : keys.step;
  if (key === "ArrowLeft") return own && target.matches(USES_ARROWS) ? null : keys.back;
  const digit = DIGIT.exec(code)?.[1];
  if (digit !== undefined) return () => keys.number(Number(digit), shiftKey);
  if (key === "?") return keys.help;
  if (key === "t") return keys.theme;
  if (key === "s") return keys.stage;
  if (key === "l") return keys.live;
  if (key === "g") return keys.guide;
  if (key === "Escape") return keys.escape;
  return null;
}

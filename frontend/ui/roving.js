// Many buttons that are one stop of the Tab key: the arrow keys go on from one to the next.

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/**
 * @param {HTMLElement} root
 * @param {string} selector of the buttons in it, all there already; those that are hidden are passed over
 */
export function rove(root, selector) {
  const all = () => /** @type {HTMLElement[]} */ ([...root.querySelectorAll(selector)]);
  const seen = () => all().filter((element) => element.offsetParent !== null);

  /** @param {HTMLElement} chosen */
  function stopAt(chosen) {
    for (const element of all()) element.tabIndex = element === chosen ? 0 : -1;
  }

  for (const element of all()) element.dataset.arrows = "";
  stopAt(all()[0]);
  root.addEventListener("focusin", ({ target }) => target instanceof HTMLElement && target.matches(selector) && stopAt(target));
  root.addEventListener("keydown", (event) => {
    const shown = seen();
    const at = shown.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const next = to(event, at, shown.length);
    if (at < 0 || next === null) return;
    event.preventDefault();
    shown[next].focus();
  });
}

/** @param {KeyboardEvent} event @param {number} at @param {number} length @returns {number | null} */
function to({ key, ctrlKey, metaKey, altKey }, at, length) {
  if (ctrlKey || metaKey || altKey) return null;
  if (key === "Home") return 0;
  if (key === "End") return length - 1;
  const step = STEPS[/** @type {keyof typeof STEPS} */ (key)];
  return step === undefined ? null : Math.min(length - 1, Math.max(0, at + step));
}

// Presses in a list that is written while somebody looks at it: what was pressed counts, wherever it has gone by the time
// that the pointer is let go.

const STILL = 4; // CSS pixels that a pointer moves within a press; further, somebody has thought better of it

/** @param {EventTarget | null} target */
const buttonAt = (target) => (target instanceof Element ? target.closest("button") : null);

/**
 * @param {HTMLElement} list
 * @param {(button: HTMLButtonElement) => void} act
 */
export function onPress(list, act) {
  /** @type {{ button: HTMLButtonElement | null, x: number, y: number } | null} */
  let pressed = null;
  list.addEventListener("pointerdown", ({ target, clientX, clientY }) => {
    pressed = { button: buttonAt(target), x: clientX, y: clientY };
  });
  list.addEventListener("click", ({ target, clientX, clientY }) => {
    const stayed = pressed && Math.hypot(clientX - pressed.x, clientY - pressed.y) <= STILL;
    const button = (stayed ? pressed?.button : null) ?? buttonAt(target);
    pressed = null;
    if (button) act(button);
  });
}

// What a tab keeps while its page is loaded anew: its name, and the run that it is with.

const TAB = "ppo-scope.tab";
const RUN = "ppo-scope.run";

/**
 * The name of this tab, by which the server knows it again: when its connection breaks, and after a reload.
 *
 * The browser keeps it only from the moment that the page is left until it is loaded anew. A tab is copied with all that
 * its browser keeps for it; as long as the page is open that is no name, so the copy gets one of its own.
 *
 * @returns {string}
 */
export function nameOfTab() {
  /** @type {string} */
  const name = leftBehind(TAB, () => name) ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
  return name;
}

/** The run that this tab was with when it was loaded anew. @param {() => string | null} now @returns {string | null} */
export const runOfTab = (now) => leftBehind(RUN, now);

/**
 * What the page before this one has left in its tab.
 *
 * @param {string} key
 * @param {() => string | null} now what this page leaves
 * @returns {string | null}
 */
function leftBehind(key, now) {
  const left = taken(key);
  addEventListener("pagehide", () => {
    try {
      const value = now();
      if (value !== null) sessionStorage.setItem(key, value);
    } catch {
      // Then a reload is another page.
    }
  });
  addEventListener("pageshow", ({ persisted }) => persisted && taken(key));
  return left;
}

/** @param {string} key @returns {string | null} */
function taken(key) {
  try {
    const value = sessionStorage.getItem(key);
    sessionStorage.removeItem(key);
    return value;
  } catch {
    return null;
  }
}

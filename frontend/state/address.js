// The address bar follows what is on show, so that a bookmark or a reload finds it again.

/** @import { Store } from "./store.js" */
/** @import { Topic } from "../types.js" */

const PACE = 400; // milliseconds between two; browsers refuse an address that changes all the time
const KEY = "ppo-scope.address";
/** @type {Topic[]} */
const FOLLOWED = ["view", "run", "theme"];

/**
 * @param {Store} store
 * @param {() => URLSearchParams} query of what is on show
 */
export function createAddress(store, query) {
  let following = false;
  let held = false; // while something is dragged the address waits
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  let written = -Infinity;

  addEventListener("pointerdown", () => (held = true), true);
  for (const event of ["pointerup", "pointercancel", "dragend"]) {
    addEventListener(
      event,
      () => {
        held = false;
        follow();
      },
      true,
    );
  }
  store.subscribe((topics) => {
    if (topics.some((topic) => FOLLOWED.includes(topic))) follow();
  });

  function follow() {
    if (following) later ??= setTimeout(write, written + PACE - performance.now()); // at once where it has rested
  }

  function write() {
    later = undefined;
    if (held) return; // asked again once it is let go
    written = performance.now();
    const text = readable(query());
    const search = text && `?${text}`;
    if (search !== location.search) history.replaceState(history.state, "", location.pathname + search);
    remember(location.search);
  }

  return {
    /** Whether this tab itself has written the address it has: it then says what was on show, and asks for nothing. */
    isOwn: () => location.search !== "" && recall() === location.search,
    start() {
      following = true;
      follow();
    },
  };
}

/** Colons and commas are allowed in a query, and easier to read as they are. @param {URLSearchParams} query */
const readable = (query) => query.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");

/** @param {string} search */
function remember(search) {
  try {
    sessionStorage.setItem(KEY, search);
  } catch {
    // Storage may be forbidden: a reload then asks once more than it must.
  }
}

function recall() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

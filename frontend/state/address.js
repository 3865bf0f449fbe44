// The address bar follows what is on show, so that a bookmark or a reload finds it again.

/** @import { Page } from "./page.js" */
/** @import { Topic } from "../types.js" */

// Browsers refuse an address that changes all the time: the strictest after a hundred changes in half a minute.
const BURST = 20;
const WINDOW = 10_000; // milliseconds
const KEY = "ppo-scope.address";
/** @type {Topic[]} */
const FOLLOWED = ["view", "run", "theme", "zoom"];

/**
 * @param {Page} page
 * @param {() => URLSearchParams} query of what is on show
 */
export function createAddress(page, query) {
  let following = false;
  let held = false; // while something is dragged the address waits
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  /** When it was written, the latest times. @type {number[]} */
  const written = [];

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
  page.subscribe((topics) => {
    if (topics.some((topic) => FOLLOWED.includes(topic))) follow();
  });

  function follow() {
    if (!following) return;
    const wait = written.length < BURST ? 0 : written[0] + WINDOW - performance.now();
    later ??= setTimeout(write, wait); // at once, or a page that is loaded again soon would not find the choice
  }

  function write() {
    later = undefined;
    if (held) return; // asked again once it is let go
    const text = readable(query());
    const search = text && `?${text}`;
    if (search === location.search) return remember(search);
    if (written.push(performance.now()) > BURST) written.shift();
    history.replaceState(history.state, "", location.pathname + search);
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

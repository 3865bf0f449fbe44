// The right to control: a cookie that the browser keeps from scripts, and a secret that only this page's script sends.
// Neither is of use without the other. The browser keeps the secret for this origin, so that a reload and a second tab
// control, too.

const KEY = "ppo-scope.session";
const TAB = "ppo-scope.tab";
const RUN = "ppo-scope.run";

/** In place of the browser's storage where that is forbidden. @type {string | null} */
let own = null;
/** What this page has sent last. @type {string | null} */
let sent = null;

function kept() {
  try {
    return localStorage.getItem(KEY) ?? own;
  } catch {
    return own;
  }
}

/** @param {string | null} secret */
function keep(secret) {
  own = secret;
  try {
    if (secret === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, secret);
  } catch {
    // Then it lasts as long as this page.
  }
}

/** The secret that goes with every connection and every unsafe request; null for who watches. */
export function session() {
  sent = kept();
  return sent;
}

/** What this page sent is of no use, as of an earlier start of the server. (Another tab may have got a new one meanwhile.) */
export function forgetSession() {
  if (sent !== null && kept() === sent) keep(null);
}

/**
 * What is behind the token of the printed link: `#token=…?recording=cartpole`, where somebody has put it at the end. It
 * goes to where it belongs.
 *
 * @param {string} hash
 * @param {string} search
 * @returns {{ token: string | null, search: string }}
 */
export function splitLink(hash, search) {
  const [, fragment, rest] = /^#?([^?&]*)[?&]?(.*)$/s.exec(hash) ?? [];
  const token = new URLSearchParams(fragment).get("token");
  if (token === null || !rest) return { token, search };
  return { token, search: `${search || "?"}${search.length > 1 ? "&" : ""}${rest}` };
}

/**
 * Trades the token in the address's fragment for both, and removes it from the address bar, so that neither a shared
 * link nor a screenshot gives control away.
 *
 * @returns {Promise<boolean>} false where there was a token and the server refused it
 */
export async function openSession() {
  const { token, search } = splitLink(location.hash, location.search);
  if (token === null) return true;
  history.replaceState(null, "", location.pathname + search);
  try {
    const response = await fetch("api/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (!response.ok) return false;
    keep((await response.json()).session);
    return true;
  } catch {
    return false;
  }
}

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

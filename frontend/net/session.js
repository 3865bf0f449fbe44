// The right to control: a cookie that the browser keeps from scripts, and a secret that only this page's script sends.
// Neither is of use without the other. The browser keeps the secret for this origin, so that a reload and a second tab
// control, too.

const KEY = "ppo-scope.session";

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

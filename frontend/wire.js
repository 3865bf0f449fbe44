// Made from the code by `python docs/generate.py`; do not edit.
// Numbers and codes of what travels between server and page: docs/protocol.md.

/** Of the server that this page belongs to. */
export const PROTOCOL = 3;

/** Protocol of the oldest recordings that can be shown. */
export const OLDEST_RECORDED = 2;

/** Of the length before each frame of a recording. */
export const LENGTH_BYTES = 8;

/** Seconds between two signs of life of the server. */
export const HEARTBEAT = 2;

/** Carries the secret of unsafe requests. */
export const SESSION_HEADER = "x-ppo-scope-session";

/** Of the list of moments that one can go back to. */
export const MOMENT_COLUMNS = /** @type {const} */ (["sequence", "update", "phase", "epoch", "minibatch"]);

/** What no run leaves. */
export const ENDED = /** @type {const} */ (["finished", "stopped", "failed", "killed", "out_of_memory", "kept", "deleted"]);

/** Why the server closed a websocket. The websocket library sends `TOO_LARGE` by itself. */
export const CLOSE = /** @type {const} */ ({
  GOING_AWAY: 1001,
  POLICY: 1008,
  TOO_LARGE: 1009,
  TRY_AGAIN_LATER: 1013,
});

/** Where a sample stands towards the clip range, and what becomes of its policy gradient. */
export const REGION = /** @type {const} */ ({
  NOT_TRAINED: 0,
  INSIDE: 1,
  HELD: 2,
  PULLED_BACK: 3,
  UNHELD: 4,
  UNKNOWN: 255,
});

// Tells the server which probes this page needs: its visible panels, and a preview.

const SETTLES = 120; // scrolling past a panel should not switch its probes on and off
const AWAY = 5000; // a tab in the background looks at nothing

/** @typedef {{ want(probes: string[]): void, also(probes: string[]): void, from(environment: number | null): void, settle(): void, resend(): void }} Watch */

/**
 * @param {(probes: string[], environment: number | null) => void} send
 * @returns {Watch}
 */
export function createWatch(send) {
  /** @type {string[]} */
  let wanted = [];
  /** What something other than a panel needs. @type {string[]} */
  let besides = [];
  /** The environment that is to be shown where not all can be. @type {number | null} */
  let environment = null;
  /** @type {string | null} */
  let sent = null;
  let away = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let settling;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let leaving;

  function tell() {
    const probes = away ? [] : [...new Set([...wanted, ...besides])].sort();
    const key = [...probes, environment].join(" ");
    if (key === sent) return;
    sent = key;
    send(probes, environment);
  }

  function later() {
    clearTimeout(settling);
    settling = setTimeout(tell, SETTLES);
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(leaving);
    if (document.hidden) {
      leaving = setTimeout(() => {
        away = true;
        tell();
      }, AWAY);
    } else {
      away = false;
      tell();
    }
  });

  return {
    want(probes) {
      wanted = probes;
      later();
    },
    /** For as long as it is not said otherwise. */
    also(probes) {
      besides = probes;
      later();
    },
    from(wanted) {
      environment = wanted;
      tell();
    },
    /** Waits no longer: what a command passes on its way is measured as it is wanted by now. */
    settle() {
      clearTimeout(settling);
      tell();
    },
    resend() {
      sent = null;
      tell();
    },
  };
}

// What the page shows, told to scripts and tests: <body data-update data-state data-phase data-epoch
// data-minibatch data-sequence data-live>, set only after it was painted.

/** @import { Snapshot, Status } from "../types.js" */

/** @param {{ snapshot: Snapshot | null, status: Status | null, past: boolean }} shown */
export function report({ snapshot, status, past }) {
  const data = document.body.dataset;
  if (data.live !== String(!past)) data.live = String(!past);
  if (snapshot) {
    const { update, phase, epoch, minibatch, sequence } = snapshot.header;
    for (const [key, value] of Object.entries({ update, phase, epoch, minibatch, sequence })) {
      if (data[key] !== String(value)) data[key] = String(value);
    }
  } else {
    data.update = "0"; // nothing is drawn yet, which a script need not tell from the time before the first update
    for (const key of ["phase", "epoch", "minibatch", "sequence"]) delete data[key];
  }
  if (!status) delete data.state;
  else if (!past && !settled(snapshot, status)) {
    if (data.state === status.state) delete data.state; // it was so at another moment
  } else if (data.state !== status.state) data.state = status.state;
}

/**
 * A run at rest is shown only once the snapshot of its rest is.
 *
 * @param {Snapshot | null} snapshot
 * @param {Status} status
 */
export function settled(snapshot, status) {
  if (status.state !== "paused" && status.state !== "finished") return true;
  return status.sequence === null || (snapshot !== null && snapshot.header.sequence >= status.sequence);
}

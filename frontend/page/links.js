// The page and its address: what a link asks for is shown, and the address bar follows what is on show.

import { createAddress } from "../state/address.js";
import * as link from "../state/link.js";

/** @import { Page } from "../state/page.js" */

/** What of an address is a run's. */
const OF_A_RUN = ["recording", "env", "seed", "set"];

/**
 * @param {Page} page
 * @param {readonly string[]} panels names of all there are
 * @param {() => string | null} recording the one that is asked for
 * @param {() => string | null} beside the runs that are compared, by name
 * @param {() => string | null} returns how the returns of several runs are on show; null: they are not
 * @param {(wholePage: string | null) => void} showWay the way out of an embedded page; null where this is the whole one
 */
export function createLinks(page, panels, recording, beside, returns, showWay) {
  const { state, atHand, touch } = page;
  const isBare = () => document.body.hasAttribute("data-bare");

  /** The address of this view for somebody else. @param {boolean} bare */
  const addressOf = (bare) => link.write(atHand.state, panels, { bare, recording: atHand.state.recorded ? recording() : null, beside: beside() });

  /** The view, and the run at hand, or the one that a link has asked for as long as that is not settled. */
  const address = createAddress(page, () => {
    const query = link.writeView(state.view, panels, beside(), state.zoom);
    if (isBare()) query.set("controls", "hidden");
    const compared = returns();
    if (compared) query.set("returns", compared);
    showWay(isBare() ? `?${addressOf(false)}` : null);
    const asked = new URLSearchParams(location.search);
    const run = state.wanted || atHand.state.recorded || !atHand.state.run ? asked : link.writeRun(atHand.state.run, state.settings);
    for (const name of OF_A_RUN) run.getAll(name).forEach((value) => query.append(name, value));
    return query;
  });

  // What a link asks is settled once the run at hand is like that, however it became so.
  page.subscribe((topics) => {
    if (topics.includes("run") && state.wanted && atHand.state.run && link.differs(state.wanted, atHand.state) === null) state.wanted = null;
  });

  return {
    isBare,
    addressOf,
    /** Shows what the address asks for; what concerns the run is offered, and never done unasked. What does not fit comes back in words. */
    follow() {
      const { view, zoom, run, returns, refused } = link.read(new URLSearchParams(location.search), panels, state.settings);
      const { bare, ...choices } = view;
      Object.assign(state.view, choices);
      state.zoom = zoom;
      document.body.toggleAttribute("data-bare", bare === true);
      state.wanted = address.isOwn() ? null : run;
      return { returns, refused };
    },
    /** From now on the address bar follows. */
    start() {
      touch("view", "run");
      address.start();
    },
  };
}

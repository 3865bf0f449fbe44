// What opens over the page: help, a link to share, a new run, a branch of one, returns of many, and the list of runs.

import { createBranch } from "./run/branch.js";
import { createHelp } from "./explain/help.js";
import { createNewRun } from "./run/new-run.js";
import { createOpener } from "./run/opener.js";
import { createReturns } from "./compare/returns.js";
import { createRuns } from "./run/runs.js";
import { createShare } from "./run/share.js";
import { deleteKept, getComparison, getJson, getKeptRun, getShelf, getSweep } from "./net/http.js";
import { alone } from "./net/inlined.js";
import { askedFor, isOwnFile, keepFile } from "./source/file.js";
import { hasFinished } from "./state/ended.js";
import { hereAt } from "./state/lineage.js";

/** @import { createAnnouncer } from "./ui/announce.js" */
/** @import { createArrivals } from "./run/arrivals.js" */
/** @import { createBeginning } from "./run/beginning.js" */
/** @import { createCompanions } from "./source/companions.js" */
/** @import { Page } from "./state/page.js" */
/** @import { State, Theme } from "./types.js" */

/**
 * @param {Page} page
 * @param {object} of
 * @param {string[]} of.panelNames
 * @param {(bare: boolean) => URLSearchParams} of.address of the view
 * @param {() => Theme} of.theme
 * @param {ReturnType<typeof createAnnouncer>} of.announcer
 * @param {ReturnType<typeof createArrivals>} of.arrivals
 * @param {ReturnType<typeof createBeginning>} of.beginning
 * @param {ReturnType<typeof createCompanions>} of.companions
 * @param {(other: State) => void} of.takeOut of the comparison
 * @param {() => void} of.end the run at hand
 * @param {(order: Promise<unknown>) => void} of.say what goes wrong
 */
export function createSheets(page, { panelNames, address, theme, announcer, arrivals, beginning, companions, takeOut, end, say }) {
  const { state, touch } = page;
  const opener = createOpener((file) => say(keepFile(file).then((name) => location.assign(`?recording=${name}`))));
  const help = createHelp(document.body, panelNames, opener.button);
  const share = createShare(document.body, address, () => page.atHand.state.recorded && isOwnFile(askedFor()));
  const trial = { cancel: beginning.cancel, dismiss: beginning.dismiss, closed: () => beginning.toPage() };
  const newRun = createNewRun(document.body, state, {
    begin: (settings, beside) => beginning.try(() => arrivals.begin(settings, beside), "sheet"),
    ...trial,
  });
  const branch = createBranch(document.body, state, {
    begin: (wanted) => beginning.try(() => arrivals.takeUp(wanted), "sheet", wanted.beside === true),
    whole: getKeptRun,
    ...trial,
  });
  const returns = createReturns(document.body, state, {
    theme,
    here: () => getJson("api/runs"),
    kept: getShelf,
    compare: getComparison,
    planned: getSweep,
    moved: () => touch("view"),
    open: (run, here) => say(here ? arrivals.open(run) : arrivals.openKept(run)),
    failed: announcer.warn,
  });
  const runs = createRuns(state, {
    open: (run) => say(arrivals.open(run)),
    end,
    compare: (run) => say(companions.run(run)),
    part: (run) => state.others.filter((other) => other.run?.id === run).forEach(takeOut),
    compareRecorded: () => say(companions.recording("cartpole")),
    compareFile: (file) => say(companions.file(file)),
    describe: () => getJson("api/runs"),
    returns: alone() ? null : () => say(returns.open()),
    fork: () => say(branch.open({ run: state.run?.id ?? "", update: hereAt(state) })),
    kept: {
      list: getShelf,
      open: ({ id }) => say(arrivals.openKept(id)),
      compare: ({ id }) => say(companions.kept(id)),
      goOn: (run) => (hasFinished(run) ? say(branch.open({ run: run.id, resume: true })) : arrivals.goOn(run.id)),
      fork: ({ id }) => say(branch.open({ run: id })),
      remove: ({ id }) =>
        deleteKept(id).then(
          () => announcer.note(`Run ${id} is deleted.`),
          (error) => announcer.warn(error instanceof Error ? error.message : String(error)),
        ),
    },
  });

  return {
    help,
    share,
    newRun,
    branch,
    returns,
    runs,
    openNewRun: () => say(Promise.all([getJson("api/presets"), getJson("api/environments")]).then((tables) => newRun.open(...tables))),
    /** Whether one has the keys. */
    isOpen: () => [help, newRun, branch, returns, share].some((sheet) => sheet.isOpen()),
  };
}

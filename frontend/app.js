// The page: everything is made here, once, and connected.

import { createAnnouncer } from "./ui/announce.js";
import { createApply } from "./settings/apply.js";
import { createBar } from "./run/bar.js";
import { createBeginning } from "./run/beginning.js";
import { createBeside } from "./compare/beside.js";
import { createBranch } from "./run/branch.js";
import { createComparison } from "./compare/comparison.js";
import { createFormula } from "./explain/formula.js";
import { createGrid } from "./grid/grid.js";
import { createHelp } from "./explain/help.js";
import { connectIdeas } from "./ui/ideas.js";
import { createNarrator } from "./explain/narrator.js";
import { createNewRun } from "./run/new-run.js";
import { createNews } from "./run/news.js";
import { createNotices } from "./run/notices.js";
import { createOpener } from "./run/opener.js";
import { createOrders } from "./run/orders.js";
import { picturePage } from "./ui/picture.js";
import { createPipeline } from "./explain/pipeline.js";
import { createReturns } from "./compare/returns.js";
import { createRuns } from "./run/runs.js";
import { createShare } from "./run/share.js";
import { listenToKeys } from "./run/shortcuts.js";
import { createSkipLinks } from "./ui/skip.js";
import { createSliders } from "./settings/sliders.js";
import { createStage } from "./grid/stage.js";
import { createTimeline } from "./run/timeline.js";
import { createTogether } from "./run/together.js";
import { deleteKept, getComparison, getJson, getKeptRun, getShelf, getSweep, postRun } from "./net/http.js";
import { openSession } from "./net/session.js";
import { alone } from "./net/inlined.js";
import { nameOfTab, runOfTab } from "./net/tab.js";
import { panels } from "./panels/index.js";
import { createExamples } from "./learn/examples.js";
import { createGuide } from "./learn/guide.js";
import { createStagehand } from "./learn/stagehand.js";
import { createLinks } from "./page/links.js";
import { createLook } from "./page/look.js";
import { createScheduler } from "./page/scheduler.js";
import { loadTables } from "./page/start.js";
import { askedFor, isOwnFile, keepFile, loadRecording } from "./source/file.js";
import { createLive } from "./source/live.js";
import { AS_A_FILE, createRecording } from "./source/recording.js";
import { createCompanions } from "./source/companions.js";
import { isForgotten, underWay } from "./state/activity.js";
import { fullNameOf } from "./state/beside.js";
import { hasFinished, resumesAt } from "./state/ended.js";
import { hereAt } from "./state/lineage.js";
import { tellMotion } from "./state/motion.js";
import { createPage } from "./state/page.js";
import { createPointed } from "./state/pointed.js";
import { saveView } from "./state/view.js";
import { createZoom } from "./state/zoom.js";

/** @import { PacingChoices } from "./run/pacing.js" */
/** @import { NewRun, Source, State, Topic } from "./types.js" */

const page = createPage();
const { state, touch } = page;
const scheduler = createScheduler(page);
const announcer = createAnnouncer();
const zoom = createZoom(page);
const pointed = createPointed();
const narrator = createNarrator(page.atHand.state, announcer.say);

/** @param {string} id */
const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** For whoever has nothing to add to what was said. @param {Promise<unknown>} order */
const done = (order) => void order.catch(() => {});
const failed = (/** @type {unknown} */ error) => announcer.warn(error instanceof Error ? error.message : String(error));
/** For whoever says what goes wrong. @param {Promise<unknown>} order */
const say = (order) => void order.catch(failed);

// --- where the moments come from

const client = nameOfTab();
const live = createLive(page.atHand, {
  client,
  run: runOfTab(() => (page.atHand.state.recorded ? null : (page.atHand.state.run?.id ?? null))),
  heard: (message, before) => news.heard(message, before),
  failed: announcer.warn,
});
/** Of the run at hand: the server, or a recording in its place. @type {Source} */
let atHand = live;
const examples = createExamples(page);
/** Of what is on show. */
const source = () => examples.source() ?? atHand;
/** The runs that are compared with the one at hand; not while an example is on show. */
const companions = createCompanions(page, { client, failed: announcer.warn, ended: announcer.note, begun });
const together = createTogether(state, () => [source(), ...(examples.source() ? [] : companions.sources())], announcer.warn);
const beginning = createBeginning(page, live, announcer.warn);
const orders = createOrders(() => atHand, announcer.warn);
const news = createNews(page.atHand.state, { note: announcer.note, isOwn: beginning.isOwn, another: () => sliders.forget(), narrator });

/** Another run stands beside the one at hand. @param {Source} other */
function begun({ store }) {
  grid.tellWatch();
  announcer.say(`${fullNameOf(store.state)} is beside the run at hand.`);
}

/** It is compared no more. @param {State} other */
function takeOut(other) {
  announcer.say(`${fullNameOf(other)} is taken out of the comparison.`);
  companions.remove(other);
}

/** What runs on a server that was started anew. */
function showNew() {
  sliders.forget();
  examples.leave();
  companions.end();
  together.live();
  live.showNew();
  narrator.begun(state.run);
}

/** Instead of the run at hand, or beside it; then the page goes there. @param {Record<string, unknown>} settings @param {boolean} beside */
async function beginRun(settings, beside) {
  const at = { paused: state.status?.state !== "running", lease: state.lease.generation };
  const run = await postRun({ settings, ...at, ...(beside ? { beside } : { instead: state.run?.id ?? null }) });
  if (beside) await openRun(run);
}

/** Goes on with a run that is kept, or with a fork of one; then the page goes there. @param {Partial<NewRun>} wanted */
async function takeUp(wanted) {
  const run = await postRun(wanted);
  if (run !== page.atHand.state.run?.id && wanted.beside) await openRun(run);
}

/** From the newest state that was kept of it. @param {string} run */
const goOn = (run) => void beginning.try(() => takeUp({ beside: true, resume: run }), "page", true);

/** @param {string} run */
function openRun(run) {
  news.goesTo(run);
  return live.send("open", { run });
}

// --- what can be done

const actions = {
  ...together,
  health: () => grid.show(["Health"]),
  focusSetting: (/** @type {string} */ name) => ofPanels.focusSetting(name, null),
  /** Shows one or two panels large, on Stage; null leaves it. @param {string[] | null} names */
  stage: (names) => grid.stage(names),
  picture: () =>
    void picturePage().catch((error) => announcer.warn(`The picture could not be made: ${error instanceof Error ? error.message : error}`)),
  share: () => share.open(),
  guide: () => guide.choose(state.view.chapter === null ? 0 : null),
  apply: () => done(orders.redo()),
  keep: (/** @type {"old" | "new"} */ which) => say(source().keep(which).then(sliders.forget)), // what was moved is in use now, or put back
  restart: () => void beginning.restart({}),
  newRun: () => say(Promise.all([getJson("api/presets"), getJson("api/environments")]).then((tables) => newRunSheet.open(...tables))),
  toggleTheme: () => look.toggle(),
  help: () => help.toggle(),
  choosePacing(/** @type {Partial<PacingChoices>} */ choices) {
    Object.assign(state.view, choices);
    saveView(state.view);
    if ("pace" in choices) together.pace();
  },
};

const panelNames = panels.map(({ name }) => name);
const links = createLinks(
  page,
  panelNames,
  askedFor,
  companions.names,
  () => returns.arranged(),
  (way) => bar.setWholePage(way),
);

const OF_ANOTHER = "The sliders are of the run at hand. Go to the other run by the list under the name in the bar, and change it there.";

/** What panels ask for, on the side of a run beside the one at hand, or on that one's. */
const ofPanels = {
  /** @param {string[]} probes @param {string[]} beside */
  watch(probes, beside) {
    live.watch.want(probes);
    for (const { watch } of companions.sources()) watch.want(beside);
  },
  /** @param {number | null} environment @param {State | null} other */
  showEnvironment: (environment, other) => (other ? companions.of(other) : live)?.watch.from(environment),
  /** @param {string} name @param {State | null} other */
  focusSetting(name, other) {
    const why = other ? OF_ANOTHER : sliders.focus(name);
    if (why) announcer.note(why);
  },
  /** Where something has begun. @param {number} update @param {State | null} other */
  goTo: (update, other) => (other ? say(companions.of(other)?.travel.goTo(update, true) ?? Promise.resolve()) : together.goTo(update, true)),
};

/** @param {number | null} chapter */
function chooseChapter(chapter) {
  state.view.chapter = chapter;
  saveView(state.view);
  touch("view");
}

/** Leaves one thing at a time, what was entered last first. */
function escape() {
  if (grid.restore()) return;
  if (state.zoom) zoom.show(null);
  else if (state.view.chapter !== null) chooseChapter(null);
}

// --- what is drawn

document.body.append(announcer.element);
createSkipLinks(document.body, [
  ["Skip to the panels", () => document.querySelector("#panels .panel:not([hidden]) > header button")],
  ["Skip to the settings", () => document.querySelector("#settings input, #settings summary")],
]);
const opener = createOpener((file) => say(keepFile(file).then((name) => location.assign(`?recording=${name}`))));
const help = createHelp(document.body, panelNames, opener.button);
const share = createShare(document.body, links.addressOf, () => page.atHand.state.recorded && isOwnFile(askedFor()));
const newRunSheet = createNewRun(document.body, state, {
  begin: (settings, beside) => beginning.try(() => beginRun(settings, beside), "sheet"),
  cancel: beginning.cancel,
  dismiss: beginning.dismiss,
  closed: () => beginning.toPage(),
});
const branch = createBranch(document.body, state, {
  begin: (wanted) => beginning.try(() => takeUp(wanted), "sheet", wanted.beside === true),
  whole: getKeptRun,
  cancel: beginning.cancel,
  dismiss: beginning.dismiss,
  closed: () => beginning.toPage(),
});
const returns = createReturns(document.body, state, {
  theme: () => look.theme(),
  here: () => getJson("api/runs"),
  kept: getShelf,
  compare: getComparison,
  planned: getSweep,
  moved: () => touch("view"),
  open: (run, here) => say(here ? openRun(run) : postRun({ open: run }).then(openRun)),
  failed: announcer.warn,
});
const runs = createRuns(state, {
  open: (run) => say(openRun(run)),
  end: () => done(orders.order("end")),
  compare: (run) => say(companions.run(run)),
  part: (run) => state.others.filter((other) => other.run?.id === run).forEach(takeOut),
  compareRecorded: () => say(companions.recording("cartpole")),
  compareFile: (file) => say(companions.file(file)),
  describe: () => getJson("api/runs"),
  returns: alone() ? null : () => say(returns.open()),
  fork: () => say(branch.open({ run: state.run?.id ?? "", update: hereAt(state) })),
  kept: {
    list: getShelf,
    open: ({ id }) => say(postRun({ open: id }).then(openRun)),
    compare: ({ id }) => say(companions.kept(id)),
    goOn: (run) => (hasFinished(run) ? say(branch.open({ run: run.id, resume: true })) : goOn(run.id)),
    fork: ({ id }) => say(branch.open({ run: id })),
    remove: ({ id }) => deleteKept(id).then(() => announcer.note(`Run ${id} is deleted.`), failed),
  },
});
const beside = createBeside(part("beside"), state, {
  add: () => runs.open(),
  remove: (other) => (takeOut(other), runs.focus()),
  end: () => (companions.end(), runs.focus()),
  aligned: () => touch("view"),
  limits: together.limits,
});
const bar = createBar(part("bar"), state, actions, runs.root);
const look = createLook(state.view, (theme) => {
  bar.showTheme(theme.name);
  touch("theme");
});
bar.showTheme(look.theme().name);
const notices = createNotices(part("notices"), state, {
  takeControl: () => say(live.send("take_control")),
  restart: actions.restart,
  begin: ({ env, seed, settings }) =>
    void beginning.restart({ ...settings, ...(env === undefined ? {} : { env }), ...(seed === undefined ? {} : { seed }) }),
  adopt: ({ settings }) => done(orders.apply(settings)),
  showNew,
  cancel: beginning.cancel,
  dismiss: beginning.dismiss,
  goOn,
  resumesAt: (id) => getShelf().then(({ runs }) => resumesAt(runs.find((kept) => kept.id === id))),
  keep() {
    state.wanted = null;
    touch("run");
  },
});
const pipeline = createPipeline(part("pipeline"));
const comparison = createComparison(part("comparison"), {
  keep: actions.keep,
  theme: look.theme,
  setting: (name) => state.settings.find((row) => row.name === name),
  state,
  failed: announcer.warn,
});
const apply = createApply(part("apply"), actions.apply, beginning.cancel);
const guide = createGuide(part("guide"), state, page.atHand.state, {
  ...createStagehand({ atHand: () => atHand, examples, orders }),
  choose: chooseChapter,
  light: ({ panels, watch, staged = 2 }) => {
    grid.light(panels, staged);
    if (watch === "pipeline") scrollTo({ top: 0 });
  },
  unlight() {
    grid.unlight();
    touch("status"); // the bar shows the step size
  },
  say: announcer.note,
  select(sample) {
    state.selection = sample;
    touch("selection");
  },
  forget: () => sliders.forget(),
});
const timeline = createTimeline(part("timeline"), {
  goTo: together.goTo,
  live: together.live,
  theme: look.theme,
  redraw: () => redrawTimeline(),
  zoom: zoom.show,
  pointed,
});
const formula = createFormula(part("formula"), (idea, setting) => (setting ? ofPanels.focusSetting(setting, null) : grid.reveal(idea)));
const sliders = createSliders(
  part("settings"),
  (name, value) => orders.order("set", { name, value }),
  () => redrawSliders(),
  (values) => {
    state.preview = values;
    live.watch.also(values ? ["samples"] : []); // whichever panels are in view: what it says must not depend on them
    touch("preview");
  },
);

tellMotion(page);
/** What tells where the run is. @type {Topic[]} */
const WHERE = ["run", "status", "snapshot"];
scheduler.add({ needs: [...WHERE, "connection", "others"], draw: bar.draw });
scheduler.add({ needs: [...WHERE, "connection"], draw: notices.draw });
scheduler.add({ needs: ["connection", "run", "status"], draw: newRunSheet.draw });
scheduler.add({ needs: ["connection", "run", "status"], draw: branch.draw });
scheduler.add({ needs: ["run", "theme"], draw: comparison.draw });
scheduler.add({ needs: ["theme"], draw: returns.draw });
scheduler.add({ needs: [...WHERE, "connection", "others", "view"], draw: beside.draw, calm: 150 });
scheduler.add({ needs: [...WHERE, "view", "preview", "selection"], draw: guide.draw, calm: 250 });
scheduler.add({ needs: [...WHERE, "connection", "progress", "past"], draw: apply.draw });
scheduler.add({ needs: [...WHERE, "progress", "connection"], draw: pipeline.draw, calm: 150 });
scheduler.add({ needs: ["run", "status", "connection", "others"], draw: runs.draw });
const redrawTimeline = scheduler.add({ needs: [...WHERE, "series", "theme", "zoom"], draw: timeline.draw, calm: 150 });
scheduler.add({ needs: [...WHERE, "preview"], draw: formula.draw, calm: 150 });
const redrawSliders = scheduler.add({ needs: [...WHERE, "connection", "past"], draw: sliders.draw });
const grid = createGrid(part("panels"), panels, { page, scheduler, theme: look.theme, pointed, ...ofPanels, announce: announcer.say });
const stage = createStage(state, grid.toggleStage, () => (grid.arrange(), touch("view")));
bar.tools.prepend(grid.menu, stage.button);
scheduler.add({ needs: ["view", "run"], draw: stage.draw });
connectIdeas(document.body);
setInterval(countSeconds, 1000);
/** What says how long something takes, or when it is tried again. */
function countSeconds() {
  if (state.trial || notices.waitsForServer()) touch("connection");
  if (isForgotten(state.trial)) state.trial = null;
  if (underWay(state)) touch("progress");
}

listenToKeys({
  playOrPause: together.playOrPause,
  step: together.step,
  back: together.back,
  live: together.live,
  guide: actions.guide,
  help: actions.help,
  theme: actions.toggleTheme,
  stage: grid.toggleStage,
  number: grid.number,
  escape,
  blocked: () => links.isBare() || help.isOpen() || newRunSheet.isOpen() || branch.isOpen() || returns.isOpen() || share.isOpen(),
});

// --- start

if (!(await openSession())) {
  announcer.warn(
    "The link that you opened does not give control: it belongs to an earlier start of the server. You are watching; open the link printed in the terminal.",
  );
}
const recorded = askedFor();
if (recorded === null) live.connect();
await loadTables(page);
const { returns: comparing, refused } = links.follow();
if (refused.length) announcer.note(`Left out of the link, because it does not fit: ${refused.join("; ")}.`);
look.again();
grid.arrange();
links.start();
if (recorded !== null) {
  try {
    const recording = await loadRecording(recorded);
    Object.assign(page.atHand.state, AS_A_FILE);
    atHand = createRecording(page.atHand, recording);
    await atHand.travel.goTo(0);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    announcer.warn(alone() ? why : `${why} The run at hand is shown instead.`);
    atHand = live;
    if (!alone()) live.connect();
  }
}
companions.resume(failed);
if (comparing && !alone()) say(returns.open(comparing));

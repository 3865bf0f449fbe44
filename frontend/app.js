// The page: everything is made here, once, and connected.

import { createAnnouncer } from "./ui/announce.js";
import { createApply } from "./settings/apply.js";
import { createArrivals } from "./run/arrivals.js";
import { createBar } from "./run/bar.js";
import { createBeginning } from "./run/beginning.js";
import { createBeside } from "./compare/beside.js";
import { createComparison } from "./compare/comparison.js";
import { createFormula } from "./explain/formula.js";
import { createGrid } from "./grid/grid.js";
import { connectIdeas } from "./ui/ideas.js";
import { createNarrator } from "./explain/narrator.js";
import { createNews } from "./run/news.js";
import { createNotices } from "./run/notices.js";
import { createOfPanels } from "./grid/of-panels.js";
import { createOrders } from "./run/orders.js";
import { picturePage } from "./ui/picture.js";
import { createPipeline } from "./explain/pipeline.js";
import { listenToKeys } from "./run/shortcuts.js";
import { createSheets } from "./sheets.js";
import { createSkipLinks } from "./ui/skip.js";
import { createSliders } from "./settings/sliders.js";
import { createStage } from "./grid/stage.js";
import { createTimeline } from "./run/timeline.js";
import { createTogether } from "./run/together.js";
import { openSession } from "./net/session.js";
import { alone } from "./net/inlined.js";
import { nameOfTab, runOfTab } from "./net/tab.js";
import { panels } from "./panels/index.js";
import { createExamples } from "./learn/examples.js";
import { createGuide } from "./learn/guide.js";
import { createStagehand } from "./learn/stagehand.js";
import { connectParts } from "./page/drawn.js";
import { createLinks } from "./page/links.js";
import { createLook } from "./page/look.js";
import { createScheduler } from "./page/scheduler.js";
import { loadTables } from "./page/start.js";
import { askedFor, loadRecording } from "./source/file.js";
import { createLive } from "./source/live.js";
import { AS_A_FILE, createRecording } from "./source/recording.js";
import { createCompanions } from "./source/companions.js";
import { isForgotten, underWay } from "./state/activity.js";
import { fullNameOf } from "./state/beside.js";
import { tellMotion } from "./state/motion.js";
import { createPage } from "./state/page.js";
import { createPointed } from "./state/pointed.js";
import { saveView } from "./state/view.js";
import { createZoom } from "./state/zoom.js";

/** @import { PacingChoices } from "./run/pacing.js" */
/** @import { Source, State } from "./types.js" */

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
const together = createTogether(
  page,
  {
    sources: () => [source(), ...(examples.source() ? [] : companions.sources())],
    asked: () => !examples.source() && companions.asked(),
  },
  announcer.warn,
);
const beginning = createBeginning(page, live, announcer.warn);
const orders = createOrders(() => atHand, announcer.warn);
const arrivals = createArrivals(page, live, {
  goesTo: (run) => news.goesTo(run),
  leaves: () => guide.letGo(),
  tried: beginning.try,
});
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

// --- what can be done

const actions = {
  ...together,
  health: () => grid.show(["Health"]),
  focusSetting: (/** @type {string} */ name) => ofPanels.focusSetting(name, null),
  /** Shows one or two panels large, on Stage; null leaves it. @param {string[] | null} names */
  stage: (names) => grid.stage(names),
  picture: () =>
    void picturePage().catch((error) => announcer.warn(`The picture could not be made: ${error instanceof Error ? error.message : error}`)),
  share: () => sheets.share.open(),
  guide: () => guide.choose(state.view.chapter === null ? 0 : null),
  apply: () => done(orders.redo()),
  keep: (/** @type {"old" | "new"} */ which) => say(source().keep(which).then(sliders.forget)), // what was moved is in use now, or put back
  restart: () => void beginning.restart({}),
  newRun: () => sheets.openNewRun(),
  toggleTheme: () => look.toggle(),
  help: () => sheets.help.toggle(),
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

const ofPanels = createOfPanels({
  live,
  companions,
  goTo: (update) => together.goTo(update, true),
  focusSlider: (name) => sliders.focus(name),
  note: announcer.note,
  say,
});

/** @param {number | null} chapter */
function chooseChapter(chapter) {
  state.view.chapter = chapter;
  saveView(state.view);
  touch("view");
}

/** Leaves one thing at a time, what was entered last first. */
function escape() {
  if (announcer.dismiss() || grid.restore()) return;
  if (state.zoom) zoom.show(null);
  else if (state.view.chapter !== null) chooseChapter(null);
}

// --- what is drawn

document.body.append(announcer.element);
createSkipLinks(document.body, [
  ["Skip to the panels", () => document.querySelector("#panels .panel:not([hidden]) > header button")],
  ["Skip to the settings", () => document.querySelector("#settings input, #settings summary")],
]);
const sheets = createSheets(page, {
  panelNames,
  address: links.addressOf,
  theme: () => look.theme(),
  ...{ announcer, arrivals, beginning, companions, takeOut, say },
  end: () => done(orders.order("end")),
});
const { runs, returns } = sheets;
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
  open: (run) => say(arrivals.open(run)),
  cancel: beginning.cancel,
  dismiss: beginning.dismiss,
  goOn: arrivals.goOn,
  resumesAt: arrivals.resumesAt,
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
  redraw: () => redraw.timeline(),
  zoom: zoom.show,
  pointed,
});
const formula = createFormula(part("formula"), (idea, setting) => (setting ? ofPanels.focusSetting(setting, null) : grid.reveal(idea)));
const sliders = createSliders(
  part("settings"),
  (name, value) => orders.order("set", { name, value }),
  () => redraw.sliders(),
  (values) => {
    state.preview = values;
    live.watch.also(values ? ["samples"] : []); // whichever panels are in view: what it says must not depend on them
    touch("preview");
  },
);

tellMotion(page);
const redraw = connectParts(scheduler, { ...sheets, bar, notices, comparison, beside, guide, apply, pipeline, timeline, formula, sliders });
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
  blocked: () => links.isBare() || sheets.isOpen(),
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

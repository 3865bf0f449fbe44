// The page: everything is made here, once, and connected.

import { createAnnouncer } from "./ui/announce.js";
import { createApply } from "./settings/apply.js";
import { createBar } from "./run/bar.js";
import { createBeginning } from "./run/beginning.js";
import { createComparison } from "./compare/comparison.js";
import { createFormula } from "./explain/formula.js";
import { createGrid } from "./grid/grid.js";
import { createHelp } from "./explain/help.js";
import { connectIdeas } from "./ui/ideas.js";
import { createNarrator } from "./explain/narrator.js";
import { createNewRun } from "./run/new-run.js";
import { createNotices } from "./run/notices.js";
import { createOpener } from "./run/opener.js";
import { createOrders } from "./run/orders.js";
import { whyNoControl, whyNot } from "./ui/permission.js";
import { picturePage } from "./ui/picture.js";
import { createPipeline } from "./explain/pipeline.js";
import { createRuns } from "./run/runs.js";
import { createShare } from "./run/share.js";
import { listenToKeys } from "./run/shortcuts.js";
import { createSkipLinks } from "./ui/skip.js";
import { createSliders } from "./settings/sliders.js";
import { createStage } from "./grid/stage.js";
import { createTimeline } from "./run/timeline.js";
import { createCommands } from "./net/commands.js";
import { decode } from "./net/frame.js";
import { getJson, getMoment, getMoments, postRun } from "./net/http.js";
import { askedFor, isOwnFile, keepFile } from "./source/recording.js";
import { nameOfTab, openSession, session } from "./net/session.js";
import { PROTOCOL, Socket } from "./net/socket.js";
import { createWatch } from "./net/watch.js";
import { panels } from "./panels/index.js";
import { chartsSettled, loadCharts } from "./draw/plotly.js";
import { createExamples } from "./learn/examples.js";
import { createGuide, fitness } from "./learn/guide.js";
import { replay } from "./source/replay.js";
import { isAt, walk } from "./learn/scene.js";
import { isForgotten, underWay } from "./state/activity.js";
import { createAddress } from "./state/address.js";
import * as link from "./state/link.js";
import { runsOn, tellMotion } from "./state/motion.js";
import { createReceiver } from "./source/receive.js";
import { createScheduler } from "./page/scheduler.js";
import { createStore } from "./state/store.js";
import { applyTheme, onSystemTheme, themeAfter, themeName } from "./state/theme.js";
import { createTimeTravel, inThePast } from "./state/time-travel.js";
import { saveView } from "./state/view.js";

/** @import { PacingChoices } from "./run/pacing.js" */
/** @import { Topic } from "./types.js" */

const store = createStore();
const { state, touch } = store;
const scheduler = createScheduler(store, chartsSettled);
const receiver = createReceiver(store);
const announcer = createAnnouncer();
let travelAtHand = createTimeTravel({ ...store, state: store.atHand }, { list: getMoments, fetch: getMoment });
/** Not null where a recorded run is at hand. @type {Awaited<ReturnType<typeof replay>> | null} */
let recording = null;
const examples = createExamples(store);
/** What goes through the recorded run on show, if it is one. */
const player = () => examples.player() ?? recording;
const travel = () => examples.player()?.travel ?? travelAtHand;

/** @param {string} id */
const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

// --- connection

const tab = nameOfTab();

const socket = new Socket({
  greeting: () => ({
    type: "resume",
    protocol: PROTOCOL,
    client: tab,
    server_epoch: receiver.epoch(),
    run: state.run?.id ?? null,
    sequence: receiver.sequence(),
    session: session(),
  }),
  onOpen: () => watch.resend(),
  onMessage(message) {
    if (message.type === "ack") commands.settle(message);
    else if (message.type === "error") commands.settle(message) || announcer.warn(message.message);
    else if (message.type === "run") newRun(message);
    else if (message.type === "hello") hello(message);
    else receiver.message(message);
    if (state.connection.state === "outdated") socket.close();
    if (state.held) return;
    if (message.type === "change") narrator.changed(message);
    if (message.type === "state") narrator.moved();
  },
  onFrame(message) {
    try {
      receiver.frame(decode(message));
    } catch (error) {
      console.error("a frame could not be read:", error);
    }
  },
  onLost(retryAt, reason) {
    commands.abandon();
    if (state.connection.state === "outdated") return;
    state.connection = { state: "lost", retryAt, reason };
    touch("connection");
  },
});
const narrator = createNarrator(state, announcer.say);
const commands = createCommands((message) => socket.send(message));
const watch = createWatch((probes, environment) => void socket.send({ type: "watch", id: `watch-${++watches}`, probes, environment }));
let watches = 0;

/** @param {any} message */
function hello(message) {
  const before = state.snapshot && state.run?.id;
  receiver.message(message);
  const replaced = before && !state.held && state.run?.id !== before;
  if (replaced) announcer.note("A new run took the place of the one on show while the connection was lost.");
}

/** @param {any} message */
function newRun(message) {
  const replaced = state.snapshot !== null && !beginning.isOwn();
  receiver.message(message);
  if (state.held) return;
  if (replaced) announcer.note("A new run was begun by another page, in place of the one on show.");
  sliders.forget();
  narrator.begun(message.run);
}

/** What runs on a server that was started anew. */
function showNew() {
  sliders.forget();
  examples.leave();
  travel().live();
  receiver.showNew();
  narrator.begun(state.run);
}

// --- commands

const { order, rest, apply: applySettings, redo, done, takeControl } = createOrders(state, commands, announcer.warn);

const beginning = createBeginning(store, commands, announcer.warn);

/** @param {boolean} stepping */
function setStepping(stepping) {
  state.stepping = stepping;
  touch("status");
}

/** Looks at another moment, and says why where it cannot. @param {Promise<void>} journey */
const go = (journey) => void journey.catch((error) => announcer.warn(error.message));

/** Steps that are over in a moment; the others are watched like a run that plays. */
const SHORT = ["phase", "minibatch", "epoch", "update"];

const actions = {
  play() {
    const replayed = player();
    if (replayed) return go(replayed.play());
    travel().live();
    done(order("play", { pace: state.view.pace }));
  },
  pause: () => (player() ? player()?.pause() : done(order("pause"))),
  step() {
    const { stepSize: size, until } = state.view;
    const replayed = player();
    if (replayed) return go(replayed.step());
    if (inThePast(state)) return go(travel().forward(size));
    const short = SHORT.includes(size);
    if (short && whyNot(state, "step") === null) setStepping(true);
    order("step", size === "until" ? { size, until } : { size }).catch(() => setStepping(false));
  },
  health: () => grid.show(["Health"]),
  /** Shows one or two panels large, on Stage; null leaves it. @param {string[] | null} names */
  stage: (names) => grid.stage(names),
  picture: () => void picturePage().catch((error) => announcer.warn(`The picture could not be made: ${error instanceof Error ? error.message : error}`)),
  share: () => share.open(),
  guide: () => guide.choose(state.view.chapter === null ? 0 : null),
  apply: () => done(redo()),
  keep: (/** @type {"old" | "new"} */ which) => (examples.player() ? examples.decide() : done(order("keep", { which }).then(sliders.forget))), // what was moved is in use now, or put back
  back: () => go(travel().back(state.view.stepSize)),
  restart: () => void beginning.restart({}),
  newRun() {
    Promise.all([getJson("api/presets"), getJson("api/environments")]).then((tables) => newRunSheet.open(...tables), (error) => announcer.warn(error.message));
  },
  toggleTheme() {
    state.view.theme = themeAfter(themeName(state.view.theme));
    saveView(state.view);
    retheme();
  },
  help: () => help.toggle(),
  choosePacing(/** @type {Partial<PacingChoices>} */ choices) {
    Object.assign(state.view, choices);
    saveView(state.view);
    const plays = state.status?.playing && whyNoControl(state) === null;
    if ("pace" in choices && plays) commands.send("play", { lease: state.lease.generation, pace: state.view.pace }).catch((error) => announcer.warn(error.message));
  },
};

const panelNames = panels.map(({ name }) => name);
const isBare = () => document.body.hasAttribute("data-bare");

/** The address of this view for somebody else. @param {boolean} bare */
const addressOf = (bare) => link.write(store.atHand, panelNames, { bare, recording: store.atHand.recorded ? askedFor() : null });

/** The address bar: the view, and the run at hand, or the one that a link has asked for as long as that is not settled. */
const address = createAddress(store, () => {
  const query = link.writeView(state.view, panelNames);
  if (isBare()) query.set("controls", "hidden");
  bar.setWholePage(isBare() ? `?${addressOf(false)}` : null);
  const asked = new URLSearchParams(location.search);
  const run = state.wanted || state.recorded || !state.run ? asked : link.writeRun(state.run, state.settings);
  for (const name of ["recording", "env", "seed", "set"]) run.getAll(name).forEach((value) => query.append(name, value));
  return query;
});

/** Shows what the address asks for; what concerns the run is offered, and never done unasked. */
function followLink() {
  const { view, run, refused } = link.read(new URLSearchParams(location.search), panelNames, state.settings);
  const { bare, ...choices } = view;
  Object.assign(state.view, choices);
  document.body.toggleAttribute("data-bare", bare === true);
  if (refused.length) announcer.note(`Left out of the link, because it does not fit: ${refused.join("; ")}.`);
  retheme();
  grid.arrange();
  state.wanted = address.isOwn() ? null : run;
  touch("view", "run");
  address.start();
}

// What a link asks is settled once the run at hand is like that, however it became so.
store.subscribe((topics) => {
  if (topics.includes("run") && state.wanted && store.atHand.run && link.differs(state.wanted, store.atHand) === null) state.wanted = null;
});

/** @param {number | null} chapter */
function chooseChapter(chapter) {
  state.view.chapter = chapter;
  saveView(state.view);
  touch("view");
}

// --- what is drawn

document.body.append(announcer.element);
createSkipLinks(document.body, [
  ["Skip to the panels", () => document.querySelector("#panels .panel:not([hidden]) > header button")],
  ["Skip to the settings", () => document.querySelector("#settings input, #settings summary")],
]);
const opener = createOpener((file) => {
  keepFile(file).then((name) => location.assign(`?recording=${name}`), (error) => announcer.warn(error.message));
});
const help = createHelp(document.body, panelNames, opener.button);
const share = createShare(document.body, addressOf, () => state.recorded && isOwnFile(askedFor()));
/** Instead of the run at hand, or beside it; then the page goes there. @param {Record<string, unknown>} settings @param {boolean} beside */
async function beginRun(settings, beside) {
  const at = { paused: state.status?.state !== "running", lease: state.lease.generation };
  const run = await postRun({ settings, ...at, ...(beside ? { beside } : { instead: state.run?.id ?? null }) });
  if (beside) await commands.send("open", { run });
}

const newRunSheet = createNewRun(document.body, state, {
  begin: (settings, beside) => beginning.try(() => beginRun(settings, beside), "sheet"),
  cancel: beginning.cancel,
  dismiss: beginning.dismiss,
  closed: () => beginning.toPage(),
});
const runs = createRuns(state, {
  open: (run) => done(commands.send("open", { run })),
  end: () => done(order("end")),
  describe: () => getJson("api/runs"),
});
const bar = createBar(part("bar"), state, actions, runs.root);
const notices = createNotices(part("notices"), state, {
  takeControl,
  restart: actions.restart,
  begin: ({ env, seed, settings }) => void beginning.restart({ ...settings, ...(env === undefined ? {} : { env }), ...(seed === undefined ? {} : { seed }) }),
  adopt: ({ settings }) => done(applySettings(settings)),
  showNew,
  cancel: beginning.cancel,
  dismiss: beginning.dismiss,
  keep() {
    state.wanted = null;
    touch("run");
  },
});
const pipeline = createPipeline(part("pipeline"));
const comparison = createComparison(part("comparison"), {
  keep: actions.keep,
  theme: () => theme,
  symbol: (name) => state.settings.find((row) => row.name === name)?.symbol || name.replaceAll("_", " "),
  state,
  failed: announcer.warn,
});
const apply = createApply(part("apply"), actions.apply, beginning.cancel);
const guide = createGuide(part("guide"), state, store.atHand, {
  choose: chooseChapter,
  light: (panels, watch) => {
    grid.light(panels);
    if (watch === "pipeline") scrollTo({ top: 0 });
  },
  unlight: () => grid.unlight(),
  async showOwn(chapter, holds) {
    const { wanted, shows } = fitness(chapter, store.atHand);
    const moment = await travelAtHand.locate(wanted, shows).catch(() => null);
    if (!moment || !holds()) return false;
    examples.leave();
    await travelAtHand.show(moment);
    return true;
  },
  async showExample({ scene, shows }, example, holds) {
    await examples.show(example, (moment, last) => isAt(moment, scene, { epochs: last }), holds, (snapshot) => state.run !== null && shows(snapshot, state.run));
  },
  leave() {
    examples.leave();
    travelAtHand.live();
  },
  walk: ({ scene }, holds) =>
    walk(scene, state, holds, {
      async pause() {
        await order("pause");
        await rest();
      },
      async step(size) {
        await order("step", { size });
        await rest();
      },
    }),
  redo: (settings) => order("redo", { settings }),
  compare: (name) => examples.compare(name),
  keepOld: () => order("keep", { which: "old" }),
  apply: applySettings,
  select(sample) {
    state.selection = sample;
    touch("selection");
  },
  forget: () => sliders.forget(),
});
const timeline = createTimeline(part("timeline"), {
  goTo: (update) => go(travel().goTo(update)),
  live: () => travel().live(),
  theme: () => theme,
  redraw: () => redrawTimeline(),
});
const formula = createFormula(part("formula"), (idea, setting) => (setting ? sliders.focus(setting) : grid.reveal(idea)));
const sliders = createSliders(
  part("settings"),
  (name, value) => order("set", { name, value }),
  () => redrawSliders(),
  (values) => {
    state.preview = values;
    watch.also(values ? ["samples"] : []); // whichever panels are in view: what it says must not depend on them
    touch("preview");
  },
);

let theme = applyTheme(state.view.theme);
bar.showTheme(theme.name);
function retheme() {
  theme = applyTheme(state.view.theme);
  bar.showTheme(theme.name);
  touch("theme");
}
onSystemTheme(retheme);

tellMotion(store);
/** What tells where the run is. @type {Topic[]} */
const WHERE = ["run", "status", "snapshot"];
scheduler.add({ needs: [...WHERE, "connection"], draw: bar.draw });
scheduler.add({ needs: [...WHERE, "connection"], draw: notices.draw });
scheduler.add({ needs: ["connection", "run", "status"], draw: newRunSheet.draw });
scheduler.add({ needs: ["run", "theme"], draw: comparison.draw });
scheduler.add({ needs: [...WHERE, "view", "preview", "selection"], draw: guide.draw, calm: 250 });
scheduler.add({ needs: [...WHERE, "connection", "progress", "past"], draw: apply.draw });
scheduler.add({ needs: [...WHERE, "progress"], draw: pipeline.draw, calm: 150 });
scheduler.add({ needs: ["run", "status", "connection"], draw: runs.draw });
const redrawTimeline = scheduler.add({ needs: [...WHERE, "series", "theme"], draw: timeline.draw, calm: 150 });
scheduler.add({ needs: [...WHERE, "preview"], draw: formula.draw, calm: 150 });
const redrawSliders = scheduler.add({ needs: [...WHERE, "connection", "past"], draw: sliders.draw });
const grid = createGrid(part("panels"), panels, { store, scheduler, theme: () => theme, watch: watch.want, showEnvironment: watch.from, focusSetting: sliders.focus, goTo: (update) => go(travel().goTo(update)), announce: announcer.say });
const stage = createStage(state, grid.toggleStage);
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
  playOrPause: () => (runsOn(state) && !state.status?.pausing ? actions.pause() : actions.play()),
  step: actions.step,
  back: actions.back,
  live: () => travel().live(),
  guide: actions.guide,
  help: actions.help,
  theme: actions.toggleTheme,
  stage: grid.toggleStage,
  number: grid.number,
  escape: () => void grid.restore(),
  blocked: () => isBare() || help.isOpen() || newRunSheet.isOpen() || share.isOpen(),
});

// --- start

/** Charts come when the first picture has been painted, or when there is none for a while. */
async function addCharts() {
  const painted = new Promise((resolve) => {
    store.subscribe((topics) => topics.includes("snapshot") && state.snapshot && requestAnimationFrame(() => setTimeout(resolve)));
  });
  await Promise.race([painted, new Promise((resolve) => setTimeout(resolve, 1000))]);
  await loadCharts();
  touch("snapshot", "series", "theme");
}
void addCharts();

if (!(await openSession())) {
  announcer.warn("The link that you opened does not give control: it belongs to an earlier start of the server. You are watching; open the link printed in the terminal.");
}
const recorded = askedFor();
if (recorded === null) socket.connect();
for (;;) {
  try {
    [state.settings, state.metrics] = await Promise.all([getJson("api/settings"), getJson("api/metrics")]);
    break;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 2000)); // the socket says that the server is away
  }
}
touch("run");
followLink();
if (recorded !== null) {
  try {
    recording = await replay(recorded, store, receiver);
    travelAtHand = recording.travel;
  } catch (error) {
    announcer.warn(`${error instanceof Error ? error.message : error} The run at hand is shown instead.`);
    state.recorded = false;
    state.run = null;
    socket.connect();
  }
}

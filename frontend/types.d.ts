/**
 * The words that the page's modules share. What travels on the wire is in wire-types.d.ts, which is made from the code.
 *
 * Use in a module:  /** @import { State, Panel } from "../types.js" *\/
 */

import type { PointedAt } from "./state/pointed.js";
import type {
  AwaitedTold,
  Cause,
  Change,
  Doing,
  Evaluation,
  Header,
  Phase,
  PictureHeader,
  Quantity,
  Run,
  RunBrief,
  RunState,
  SettingValue,
  SnapshotHeader,
  StateTold,
  Step,
} from "./wire-types.js";

// ---------------------------------------------------------------------------------------------- wire

export type * from "./wire-types.js";

export type TypedArray = Uint8Array | Uint32Array | Int32Array | Float32Array | Float64Array;

export type SettingValues = { [name: string]: SettingValue | undefined };

export interface Frame<H extends Header = Header> {
  header: H;
  /** Views on the message's own bytes; the shape is `header.arrays[name].shape`. */
  arrays: { [name: string]: TypedArray | undefined };
}

/** Something that is looked for: a row of `GET api/health-checks`. */
export interface Check {
  name: string;
  title: string;
  threshold: string;
  metrics: string[];
  /** What is true where nothing is found. */
  otherwise: string;
}

/** A row of `GET api/settings`. */
export interface Setting {
  name: string;
  label: string;
  symbol: string;
  group: string;
  type: "float" | "int" | "choice" | "bool" | "text" | "sizes" | "object";
  default: SettingValue;
  minimum: number | null;
  maximum: number | null;
  /** The range that a slider offers where the permitted one is too wide to be useful. */
  slider: [number, number] | null;
  step: number | null;
  scale: "linear" | "log";
  unit: string;
  help: string;
  live: boolean;
  /** null ("off") is allowed. */
  optional: boolean;
  choices: string[] | null;
}

/** Settings under a name. */
export interface Preset {
  name: string;
  title: string;
  about: string;
  source: string;
  settings: Record<string, unknown>;
  /** What comes of it with seed 1. */
  expect: string;
  /** The extra that has to be installed first, in words. */
  missing: string | null;
}

/** A row of `GET api/environments`: an id that can be asked for. */
export interface KnownEnvironment {
  id: string;
  /** The extra that has to be installed first, in words. */
  missing: string | null;
}

export interface Metric {
  name: string;
  [key: string]: unknown;
}

// --------------------------------------------------------------------------------------------- state

/** One row of scalars per update. Row i is update `first + i`; a row still being fetched is NaN. */
export interface SeriesView {
  readonly length: number;
  readonly first: number;
  readonly columns: readonly string[];
  /** How many rows the server does not have any more: they stay NaN. */
  readonly forgone: number;
  /** Counts up with every change. */
  readonly revision: number;
  /** A view of exactly `length` values, valid until the next change; empty if there is no such column. */
  column(name: string): Float64Array;
  /** The rows of the updates of a span, as far as there are any; without one all. */
  rows(span: Span | null): { start: number; end: number };
  /** In which of the rows `start` to before `end` the lowest and the highest value of a column are; `start` twice where all are NaN. Quick, however many rows there are. */
  turns(name: string, start: number, end: number): { low: number; high: number };
  /** The lowest and the highest value in a span; [Infinity, −Infinity] where there is none. */
  extent(name: string, span?: Span | null): [number, number];
}

/** Updates from one to another, both included: what the charts over updates show of a run. */
export interface Span {
  from: number;
  to: number;
}

/** One row per finished episode, in order; columns update, step, episodic_return, episodic_length. */
export interface EpisodesView {
  readonly length: number;
  readonly revision: number;
  column(name: string): Float64Array;
  /** The rows of episodes that ended in a span; without one all. */
  rows(span: Span | null): { start: number; end: number };
  extent(name: string, span?: Span | null): [number, number];
}

export interface Snapshot extends Frame<SnapshotHeader> {
  /** No snapshot of this update is kept: made of its row of the series (state/unkept.js). */
  unkept?: Unkept;
}

/** The updates before and after one that is not kept of which snapshots are. */
export interface Unkept {
  before: number | null;
  after: number | null;
}

export interface Picture {
  header: PictureHeader;
  /** Decoded; null where there is none (`header.reason` says why), or it could not be read. */
  bitmap: Decoded | null;
}

/** What can be painted. Whoever lets go of it closes it: the browser does not collect all of it by itself. */
export type Decoded = ImageBitmap | VideoFrame;

export interface Connection {
  state: "connecting" | "open" | "lost" | "outdated";
  /** When the next attempt starts, on performance.now()'s clock; null while connected. */
  retryAt: number | null;
  /** Why the server has closed it, where it has said so. */
  reason?: string;
  /** It is open, and nothing has come for a while: nobody knows how things are now. */
  quiet?: boolean;
}

/** What the last `state` message said; of a recording, what it comes to. */
export type Status = Pick<StateTold, "state" | "update" | "phase" | "epoch" | "minibatch" | "sequence" | "pending" | "cause"> &
  Partial<Pick<StateTold, "gone" | "playing" | "pausing" | "pace" | "met" | "unwritten">>;

/** What takes its time now, and since when this page knows of it, on performance.now()'s clock. */
export interface Activity extends Doing {
  update: number;
  /** When it was last heard of. */
  at: number;
  since: number;
}

/** A new run that has to prove that it trains before it takes the place of the one at hand. */
export interface Trial {
  /** On performance.now()'s clock. */
  since: number;
  /** When the server last told of it; Infinity where this page asked for it, and learns how it ends. */
  heard: number;
  /** Why it did not begin; null while it is tried out. */
  refused: { message: string; detail: string | null } | null;
  /** What shows it: a notice, or the sheet that it was asked for in. */
  place: "page" | "sheet";
}

/** The server was started anew: what runs there now, while this page still shows what ended with the old one. */
export interface Held {
  run: Run | null;
  /** Its last message `state`, as it came. */
  status: any;
}

/** A moment of the past that is on show. */
export interface Past {
  /** Of the snapshot that tells it. */
  sequence: number;
  /** The update that was asked for, where neither a snapshot nor a row of it is there. */
  wanted?: number;
}

/** Something that the server has kept a snapshot of. */
export interface Moment {
  sequence: number;
  update: number;
  phase: Phase;
  epoch: number;
  minibatch: number;
}

/** What a step may go on until. */
export interface Until {
  quantity: Quantity;
  above: number | null;
}

export interface ViewChoices {
  theme: "system" | "light" | "dark" | "projector";
  hidden: string[];
  /** Names of panels; those that are not named follow in their usual order. */
  order: string[];
  maximised: string | null;
  /** All panels in a grid, or one or two of them as large as the window allows. */
  layout: "grid" | "stage";
  /** Names of the panels that are on Stage, or were there last. */
  stage: string[];
  stepSize: StepSize;
  until: Until;
  /** Phases a second; null: full speed. */
  pace: number | null;
  /** Of the guide, counted from 0; null: it is closed. */
  chapter: number | null;
  /** What stands side by side where runs are compared: the same update, or the same number of environment steps. */
  align: "update" | "steps";
  /** What a chapter of the guide has changed of the above as long as it is open, as its reader had it. */
  own?: { layout: "grid" | "stage"; stage: string[]; hidden: string[]; maximised: string | null; stepSize: StepSize } | null;
}

export type StepSize = Step["size"];

/** What belongs to a page, whichever runs it shows. */
export interface PageState {
  /** Of the whole server, the newest first. */
  runs: RunBrief[];
  settings: Setting[];
  metrics: Metric[];
  /** A new run that is tried out, or was refused; null: neither. */
  trial: Trial | null;
  view: ViewChoices;
  /** What the charts over updates show of a run; null: all of it. */
  zoom: Span | null;
  /** What the address asks of the run; null once that is settled. */
  wanted: { env?: string; seed?: number; settings: { [name: string]: SettingValue } } | null;
}

/** How a page stands to the server that a run comes from. */
export interface LinkState {
  connection: Connection;
  /** The script that the server was begun for, while there is no run of it. */
  awaited: Pick<AwaitedTold, "script" | "code" | "why" | "detail" | "lines"> | null;
  role: "controller" | "viewer" | null;
  lease: { holder: boolean; generation: number };
  /** Not null where what is on show ended with an earlier start of the server. */
  held: Held | null;
}

/** What is one run's own. */
export interface OwnState {
  run: Run | null;
  status: Status | null;
  /** This page asked for a step that is not done yet: the run is running, but will be at rest in a moment. */
  stepping: boolean;
  /** What is on show: the newest one, or a moment of the past. */
  snapshot: Snapshot | null;
  /** The newest one that has arrived. */
  newest: Snapshot | null;
  /** The newest end of an update that has arrived. */
  whole: Snapshot | null;
  /** A run that played was paused when its next update had only begun: state/whole.js. */
  interrupted: boolean;
  /** What is on show was recorded: nothing is trained, and there is no server to ask. */
  recorded: boolean;
  /** What the recording on show says of itself. */
  note: string | null;
  /** Not null while a moment of the past is on show. */
  past: Past | null;
  /** The cursor of the timeline is being moved, and what it stands for is on its way. */
  scrubbing: boolean;
  /** Two outcomes of the update at hand, of which one is to be chosen. */
  comparison: Frame | null;
  series: SeriesView;
  episodes: EpisodesView;
  changes: Change[];
  /** In the order of their updates. */
  evaluations: Evaluation[];
  picture: Picture | null;
  progress: Header | null;
  activity: Activity | null;
  /** Values of ε, c₁ and c₂ that were chosen and are not in use: what would the batch on show look like with them? */
  preview: Preview | null;
  /** The sample that somebody has pointed out. */
  selection: Selection | null;
  /** The runs that it is compared with, each of which has the rest of them here. */
  others: State[];
  /** Among those that are compared, from which it has its letter, its line and its colour: state/looks.js; 0: it is at hand. */
  place: number;
}

/** A run as a page shows it, with the page around it. */
export interface State extends OwnState, LinkState, PageState {}

/**
 * Where the moments of a run come from, and the ways through them. What cannot be done is refused with an Error that says
 * why in a sentence; `whyNot` says it beforehand.
 */
export interface Source {
  /** The run's state, which the source keeps up to date. */
  readonly store: import("./state/store.js").Store;
  /** Any moment that is kept. */
  readonly travel: import("./state/time-travel.js").TimeTravel;
  /** What panels want to be measured: of a live run it is from now on. */
  readonly watch: Pick<import("./net/watch.js").Watch, "want" | "also" | "from">;
  /** Why this cannot be done now; null where it can. */
  whyNot(action: import("./state/permission.js").Action): string | null;
  /** Goes on by itself, in the present. */
  play(): Promise<void>;
  pause(): Promise<void>;
  /** Goes on by the size that the view has chosen. */
  step(): Promise<void>;
  back(): Promise<void>;
  /** Of two outcomes of an update. */
  keep(which: "old" | "new"): Promise<void>;
  /** The view has another pace: a run that plays takes it at once. */
  pace(): Promise<void>;
  /** Anything else that is asked of the run, by its name in docs/protocol.md. */
  order(action: import("./state/permission.js").Action, fields?: object): Promise<void>;
  /** Resolves once all that was asked of the run is answered, and what came of it is in its state, or so many milliseconds are over. */
  settled(within?: number): Promise<void>;
  /** Its moments end here. */
  close(): void;
}

/** All three, those that were not moved as the update on show was made with them. */
export interface Preview {
  clip_range: number;
  /** ε⁺; null: as ε. */
  clip_range_high: number | null;
  /** c; null: there is none. */
  ratio_cap: number | null;
  value_coef: number;
  entropy_coef: number;
  /** β of the objective `kl_penalty`; null under the others, which have none. */
  kl_coef: number | null;
}

/** An environment by its number, and a step of the rollout. */
export interface Selection {
  environment: number;
  step: number;
}

/**
 * What a view can depend on.
 * preview: `preview`. selection: `selection`.
 * snapshot: `snapshot`. series: `series`, `episodes`, `evaluations`. picture: `picture`.
 * run: `run`, `changes`, `settings`, `metrics`, `comparison`. status: `status`, `stepping`.
 * past: `past`, `scrubbing`. motion: whether the run goes by too fast to be looked at closely, as state/motion.js tells.
 * theme: the resolved colours.
 * progress: `progress`, `activity`. connection: `connection`, `awaited`, `role`, `lease`, `held`, `trial`. view: `view`.
 * others: `others`, or something of a run that is one of them.
 */
export type Topic =
  | "snapshot"
  | "series"
  | "picture"
  | "run"
  | "status"
  | "past"
  | "motion"
  | "theme"
  | "progress"
  | "connection"
  | "view"
  | "preview"
  | "selection"
  | "others"
  | "zoom";

// -------------------------------------------------------------------------------------------- panels

/** Resolved CSS colours of the current theme (`rgb(…)` or `#…`), ready for a canvas or for Plotly. */
export interface Theme {
  name: "light" | "dark" | "projector";
  /** What sizes of type and widths of lines are multiplied with. */
  scale: number;
  ink: string;
  inkSoft: string;
  paper: string;
  panel: string;
  line: string;
  grid: string;
  accent: string;
  danger: string;
  policy: string;
  value: string;
  entropy: string;
  loss: string;
  advantage: string;
  clip: string;
  inside: string;
  held: string;
  pulledBack: string;
  /** The line colour of the hatching of samples that are not trained. */
  notTrained: string;
  /** The lines of runs that the one at hand is compared with, by their places. */
  other: string;
  third: string;
  fourth: string;
  evaluation: string;
  /** A font-family list. */
  font: string;
}

export interface PanelContext {
  theme(): Theme;
  /** A number for people: sensible digits, true minus sign, "–" where there is none. */
  number(value: number | null | undefined, digits?: number): string;
  /** A setting's symbol ("ε") or label, for marks such as "ε 0.2 → 0.3". */
  symbol(setting: string): string;
  /** The run goes on by itself: what is drawn now will be replaced in a moment. */
  readonly running: boolean;
  readonly reducedMotion: boolean;
  /** A steady range by its name: where other runs are drawn beside this one, all have it in common. */
  range(name: string): SharedRange;
  /** Asks for another draw with the newest state, although nothing it needs has changed. */
  redraw(): void;
  /** Points a sample out to everybody: the panel Sample shows it. null: none. */
  select(sample: Selection | null): void;
  /** Asks for the samples of this environment and those after it, where not all can be sent; null: those drawn by the seed. */
  showEnvironment(environment: number | null): void;
  /** Hands the focus to a setting's slider. */
  focusSetting(name: string): void;
  /** Shows the end of an update, or of the nearest one that is kept. */
  goTo(update: number): void;
  /** Which update somebody points at, in all charts over updates. */
  readonly pointed: PointedAt;
}

/** A range that stays where it is until the data leave it: draw/ranges.js. */
export interface SharedRange {
  /** The range to show [low, high] in; after `patience` draws one that has become too large is given up. */
  fit(low: number, high: number, patience?: number): readonly [number, number];
  /** Something else is shown from now on. */
  reset(): void;
}

export type Idea = "policy" | "value" | "entropy" | "clip" | "loss" | "advantage" | "ratio";
export type Need =
  "snapshot" | "series" | "picture" | "run" | "status" | "past" | "motion" | "theme" | "preview" | "selection" | "view" | "others" | "zoom";

/** What a drawing leaves out: in a word or two beside the title, and in a sentence. */
export interface Note {
  short: string;
  long: string;
}

export interface PanelView {
  needs: Need[];
  /** Called when something in `needs` changed, the panel is visible and ready() is true. */
  draw(state: State): void | Promise<unknown>;
  /** What the panel shows in one or two sentences, for those who cannot see it. */
  summary(state: State): string;
  /** The body has a new size; a draw follows. */
  resize(): void;
  /** What the drawing leaves out, in a few words: a long curve has fewer points than rows. */
  note?(state: State): Note[];
  /** What is drawn as a table, for panels without a chart; a chart's own points are its table. */
  table?(state: State): (string | number | null)[][];
  /** true, or what the panel waits for ("the first rollout"). */
  ready(state: State): true | string;
}

export interface Panel {
  /** The region's accessible name, exactly as the page promises it. */
  name: string;
  title: string;
  /** One line: what am I seeing? */
  hint: string;
  /** The same, where what is on show needs another one; null: it does not. */
  hintOf?(state: State): string | null;
  ideas: Idea[];
  /** All that it shows something of. */
  probes: string[];
  /** What it can do without, of its probes and of what is measured anyway. */
  extras?: string[];
  size?: "wide" | "normal";
  /** What it does with other runs: each is drawn, side by side, or they are laid over each other. Else it is of the run at hand only. */
  compares?: "beside" | "overlay";
  /** While a run goes on it is drawn at most once in so many milliseconds: of what moves by less than a pixel a refresh. */
  calm?: number;
  /** Whether a run is of a kind that it can never show anything of: then it stands last, no larger than what it says. */
  absent?(state: State): boolean;
  mount(body: HTMLElement, context: PanelContext): PanelView;
}

declare global {
  /** vendor/plotly.min.js, loaded by draw/plotly.js. Only what the panels use is described. */
  const Plotly: {
    newPlot(root: HTMLElement, data: object[], layout?: object, config?: object): Promise<unknown>;
    animate(root: HTMLElement, frame: object, options?: object): Promise<unknown>;
    react(root: HTMLElement, data: object[], layout?: object, config?: object): Promise<unknown>;
    relayout(root: HTMLElement, update: object): Promise<unknown>;
    restyle(root: HTMLElement, update: object, traces?: number | number[]): Promise<unknown>;
    update(root: HTMLElement, data: object, layout: object, traces?: number[]): Promise<unknown>;
    toImage(figure: object, options: object): Promise<string>;
    purge(root: HTMLElement): void;
    Icons: { [name: string]: object };
    Plots: { resize(root: HTMLElement): Promise<unknown> };
  };
}

export interface Kept {
  /** the first update whose end is kept; null where none is */
  oldest: number | null;
  /** moments that a step has passed, whose bytes are still to come */
  unmeasured: number;
  /** bytes of all snapshots */
  bytes: number;
  /** in bytes; the oldest snapshots make room */
  room: number;
}

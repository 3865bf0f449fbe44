// Made from the code by `python docs/generate.py`; do not edit.
// What travels between server and page: docs/protocol.md.

export type SettingValue = number | string | boolean | number[] | { [name: string]: any | undefined } | null;
export type Dtype = "uint8" | "uint32" | "int32" | "float32" | "float64";
export type Phase = "ready" | "rollout" | "advantages" | "loss" | "gradient" | "step" | "epoch" | "update";
export type Quantity = "episodic_return_mean" | "kl_k3" | "clip_fraction" | "not_finite";
export type RunState = "starting" | "running" | "paused" | "finished" | "stopped" | "failed" | "killed" | "out_of_memory" | "kept" | "deleted" | "stalled";
export type ErrorCode = "malformed" | "invalid" | "forbidden" | "conflict" | "throttled" | "failed" | "not_running" | "not_found";

/** Where an array lies in a frame. */
export interface ArraySpec {
  dtype: Dtype;
  shape: number[];
  offset: number;
}

/** Something that takes its time, and how far it is. */
export interface Doing {
  name: "collecting" | "redo" | "trial" | "starting" | "training" | "evaluating" | "measuring";
  done: number;
  of: number;
  /** How long the unit at hand has taken so far: of a rollout, the vector step. */
  seconds: number;
  /** The longest one so far. */
  longest: number;
}

/** Of every frame. */
export interface Header {
  /** That of the server. */
  protocol: number;
  kind: "snapshot" | "passing" | "series" | "picture" | "progress" | "comparison" | "run";
  /** Its identifier. */
  run: string;
  /** Counts up by one with every frame of this run; pictures, which another process draws, have numbers of their own from 0. */
  sequence: number;
  /** That the data belong to, counted from 1; 0 before the first rollout. */
  update: number;
  /** Nothing is done yet at `ready`. */
  phase: Phase;
  /** Position inside the update, counted from 1; 0 before the first. So of the next three. */
  epoch: number;
  /** 0 also in the first update of a loop that does not say how many there are; `minibatches` in its first epoch. */
  epochs: number;
  minibatch: number;
  minibatches: number;
  /** Name → number, or null where the quantity is not defined. */
  scalars: { [name: string]: number | null | undefined };
  /** Name → `{"dtype": "float32", "shape": [8, 128], "offset": 0}`. */
  arrays: { [name: string]: ArraySpec | undefined };
  /** Of a frame of kind progress: what takes its time now; null: nothing. */
  activity?: Doing | null;
}

/** A setting that is tried with another value: `to` that one, or the present one times `by`. */
export interface Try {
  setting: string;
  to?: SettingValue;
  by?: number;
}

/** Something that is wrong with the run, and what to do about it. */
export interface Finding {
  /** What kind of finding it is; one of those in docs/health.md. */
  name: string;
  title: string;
  severity: "error" | "warning" | "note";
  /** What happened, with its numbers. */
  summary: string;
  cause: string;
  remedy: string;
  /** The setting that the remedy speaks of. */
  setting: string | null;
  /** With which values the remedy is tried, the likeliest first. */
  tries?: Try[];
  /** The update at which it was first seen, without a break since. */
  since: number;
  /** The last update that it was seen in, where only what it left behind goes on. */
  until?: number | null;
  /** The name of the finding that this one follows from. */
  explained_by?: string | null;
}

/** When something was wrong with the run. */
export interface Spell {
  name: string;
  title: string;
  /** The gravest that it was. */
  severity: "error" | "warning" | "note";
  since: number;
  /** The last update of it; null: it goes on. */
  until: number | null;
}

/** Why a check can say nothing; `applies`: yet. */
export interface Silent {
  why: string;
  applies: boolean;
}

/** What has come of an update that was made again from what is kept of it. */
export interface MadeAgain {
  /** Whether it came to the very numbers of its row; null where there is no row. */
  same: boolean | null;
  /** Column → as kept, as it is now. */
  differing: { [name: string]: number[] | undefined };
}

/** Of a snapshot. What is optional is not in recordings of older versions. */
export interface SnapshotHeader extends Header {
  /** What histograms and scalars cover. */
  scope: "minibatch" | "rollout";
  /** The live settings that this update was made with: ε, c₂ and β as in force, annealed and adapted. */
  settings: { [name: string]: SettingValue | undefined };
  /** Of those three, the ones that were set to something else than what was in force: name → as set. */
  chosen?: { [name: string]: SettingValue | undefined };
  /** Whether `target_kl` has ended the epochs of this update; null where that is not known. */
  stopped_by_kl: boolean | null;
  /** Whether the environments of this rollout can be drawn, step by step. */
  pictured?: boolean;
  /** Why none are noted any more. */
  unpictured?: string | null;
  /** Environment steps collected so far in the run. */
  steps: number;
  /** Names of the columns of the array `minibatches`. */
  minibatch_columns?: string[];
  /** What a probe has to say in words: names of layers, of actions, of parts of an observation. */
  notes?: { [name: string]: any | undefined };
  /** Names of the probes that this moment was measured by. */
  measured?: string[];
  /** What went wrong with a probe, in a sentence: it is switched off for the rest of the run. */
  failed?: { [name: string]: string | undefined };
  /** Probe → a sentence, of those that need what this run's training loop cannot do or does not tell. */
  lacks?: { [name: string]: string | undefined };
  /** What is wrong with the run, in plain words. */
  findings?: Finding[];
  /** What has been wrong so far, the earliest first. */
  history?: Spell[];
  /** The checks that can say nothing, and why. */
  unknown?: { [name: string]: Silent | undefined };
  /** What the checks of the run's health look at. */
  health?: { [name: string]: number | undefined };
  /** Of a run that is shown from the disk: after which update findings, history and health were told; null: never. */
  judged_after?: number | null;
  /** Of a run that is shown from the disk, at the end of an update. */
  made_again?: MadeAgain;
  /** What the probes that are timed cost: seconds of the last look. */
  costs?: { [name: string]: number | undefined };
  /** What part of the time their last few looks took. */
  shares?: { [name: string]: number | undefined };
}

/** Of rows of the series. */
export interface SeriesHeader extends Header {
  columns: string[];
  /** The update of the first row. */
  first: number;
  /** The update has been made anew: its row takes the place of the one before. */
  amends?: boolean;
  episode_columns?: string[];
}

/** Of a picture. */
export interface PictureHeader extends Header {
  mime: string | null;
  /** Why there is no picture, in words: this environment cannot be rendered. */
  reason?: string;
}

/** Of two outcomes of one update. */
export interface ComparisonHeader extends Header {
  /** False: it is decided, or given up. */
  open: boolean;
  /** The live settings of the `old` and of the `new` outcome. */
  settings?: { [name: string]: { [name: string]: SettingValue | undefined } | undefined };
}

/** Why something is as it is: what happened, the evidence, and what to do. */
export interface Cause {
  summary: string;
  detail?: string | null;
  remedy?: string | null;
}

/** A setting took effect. */
export interface Change {
  /** The first update made with the new value. */
  update: number;
  name: string;
  old: SettingValue;
  new: SettingValue;
}

/** What the policy that an update left has achieved without chance, in environments of its own. */
export interface Evaluation {
  update: number;
  /** Of the training, up to there. */
  steps: number;
  /** Of the episodes' returns; so of the next two. Null where the environment failed. */
  mean: number | null;
  lowest: number | null;
  highest: number | null;
  episodes: number;
  /** How many of them were cut because they did not end; their return is the sum so far. */
  unfinished: number;
  /** Why there are none, in one line. */
  fault: string | null;
  /** Higher than all before it: its weights are kept. */
  best: boolean;
}

/** Where a run branched off from another one. */
export interface Parent {
  run: string;
  /** Before which it did: the first that is its own. */
  update: number;
}

/** What is known of a run on the disk that is shown without training. */
export interface Kept {
  /** How it ended; `interrupted` where it did not, and `running` where it goes on in another server. */
  state: string;
  cause: Cause | null;
  /** Its newest update. */
  last: number;
  /** The update that it would go on with; null where no state is kept. */
  resumes_at: number | null;
  parent: Parent | null;
}

/** A condition that came true: what a step of size `until` was to go on until. */
export interface Met {
  quantity: Quantity;
  above: number;
  value: number;
  update: number;
}

/** What a library calls one of our settings. */
export interface Called {
  /** As one writes it there, with {} for the value. */
  text: string;
  /** Its value is ours times this. */
  times: number;
  /** What it has in place of a number where it is off. */
  off: string;
}

/** Of a run whose training loop is somebody else's. */
export interface Attached {
  /** Whose it is, in words. */
  library: string;
  /** Settings that it takes from outside while it trains; the others are as it was begun with. */
  changeable: string[];
  /** Whether it can make an update a second time, with other settings. */
  repeats: boolean;
  /** Our settings, as its library calls them; empty where nobody knows. */
  called: { [name: string]: Called | undefined };
  /** The name of the program that it is in; empty where it has none, as in a notebook. */
  script: string;
  /** The settings that it has told, as they were when it began. */
  began: { [name: string]: SettingValue | undefined };
  /** How the loss that it trains on differs from L, in words; empty where it does not. */
  loss?: string;
  /** The lines that were put into its script to have it shown, in memory, and where; empty: none were. */
  inserted?: string;
  /** How many times `target_kl` the KL may be before it ends an update's epochs; null where nobody knows. */
  kl_margin?: number | null;
  /** Whether ε is the clip range of V as well, where V is clipped. */
  limits_values?: boolean;
}

/** Another run that branched off from this one. */
export interface Branch {
  run: string;
  /** Before which it did. */
  update: number;
}

/** A run went on from a state that was kept. */
export interface Resumption {
  /** The first update that it made then. */
  before: number;
  /** Why its environments began new episodes there; null where they went on to the same bits. */
  anew: string | null;
}

/** A run in the folder of runs, as `GET api/kept` has it. */
export interface KeptRunTold {
  id: string;
  /** Empty where the run cannot be read; so are other texts. */
  environment: string;
  seed: number | null;
  /** As a state of runs, what it is at, where a server has it and it has not finished, or how it ended; interrupted: nobody ended it, and no server has it any more; unreadable. Of a run that goes on in this server, its state. */
  state: string;
  /** It went on in this server; not where it is only shown. */
  here: boolean;
  /** Another server has it: it can neither go on here nor be deleted. */
  in_use: boolean;
  created: string;
  /** The newest with a row; 0 where there is none. */
  update: number;
  /** The update that it would go on with; null where no state is kept. */
  resumes_at: number | null;
  /** Bytes on the disk. */
  size: number;
  parent: Parent | null;
  /** The name of the sweep that it belongs to. */
  sweep: string | null;
  /** The settings that are varied in that sweep, as this run has them, its seed aside. */
  varied: { [name: string]: SettingValue | undefined };
  /** Of a training loop that is not ours, the program that it is in; else empty. */
  script: string;
  /** Its training loop is not ours: it can neither go on here nor be branched off from. */
  foreign: boolean;
  /** Why it cannot be read; empty where it can. */
  problem: string;
  /** The curve of the mean return: at most 32 values, evenly spread over the updates, the newest among them. */
  returns: (number | null)[];
}

/** The same, as `GET api/kept/{kept_id}` has it. */
export interface KeptRunWhole extends KeptRunTold {
  /** With which it was begun. */
  settings: { [name: string]: SettingValue | undefined };
  changes: Change[];
  /** Updates before which a state is kept, to go on or to branch off from, the earliest first. */
  states: number[];
}

/** The runs that are kept: the answer of `GET api/kept`. */
export interface Shelf {
  /** Where; null where this server keeps none. */
  folder: string | null;
  /** The newest first, at most 200. */
  runs: KeptRunTold[];
  /** How many older ones are there beyond those. */
  more: number;
}

/** A run of those that make up one curve. */
export interface Compared {
  id: string;
  seed: number | null;
  /** The last of its steps at which its return is known. */
  last: number;
  /** Its return at the last step of the group's curve. */
  final: number | null;
}

/** Runs that differ in nothing they learn by but the seed, and what they have achieved together. */
export interface ComparedGroup {
  environment: string;
  /** Those that are not the same in all groups. */
  settings: { [name: string]: SettingValue | undefined };
  /** That were made while they went on. */
  changes: Change[];
  /** Where they branched off from another run. */
  parent: Parent | null;
  /** One for each seed, in the order of the seeds. */
  runs: Compared[];
  /** The interquartile mean over the runs, of three and more; or their mean. */
  measure: "iqm" | "mean";
  /** Of the environment, as far as all of its runs have come; empty where there is none that they have in common. */
  steps: number[];
  /** At each of those steps. */
  values: number[];
  /** Where the 95 % interval begins, at each step by itself; null of a single run, and where SciPy is missing. */
  low: number[] | null;
  /** Where it ends. */
  high: number[] | null;
  /** The first quartile of its runs at each of those steps; null of fewer than three. */
  lower: number[] | null;
  /** The third one: between them is the middle half of the runs. */
  upper: number[] | null;
}

/** The return of one run over its own steps, at some of its updates. */
export interface ComparedCurve {
  /** Of the environment, rising: its first, its last, and others between them. */
  steps: number[];
  /** As measured there. */
  returns: number[];
}

/** A run that no curve is made of. */
export interface LeftOut {
  id: string;
  why: string;
}

/** Runs put together by their settings: the answer of `GET api/comparison`. */
export interface Comparison {
  /** In the order of the settings that differ. */
  groups: ComparedGroup[];
  /** Of each run that is in a group, by its identifier. */
  curves: { [name: string]: ComparedCurve | undefined };
  /** Names of the settings that are not the same in all groups. */
  differing: string[];
  left_out: LeftOut[];
  /** What is not installed, and what is not drawn for want of it: a sentence; null where nothing is missing. */
  missing: string | null;
}

/** One run of a sweep, begun or not. */
export interface PlannedRun {
  /** Of the settings that are varied, and its seed. */
  values: { [name: string]: SettingValue | undefined };
  /** Its identifier, once it has begun. */
  run: string | null;
}

/** What a sweep plans: the answer of `GET api/sweeps/{name}`. */
export interface SweepTold {
  name: string;
  /** The settings that are varied, in the order in which they were said, and the values of each. */
  vary: { [name: string]: SettingValue[] | undefined };
  /** As many as its longest run is to make, at least; null where one has no end. */
  steps: number | null;
  planned: PlannedRun[];
}

/** A run, as in `GET api/runs/{id}`. */
export interface Run {
  id: string;
  environment: string;
  /** Null where a training loop that is not ours has not told it. */
  seed: number | null;
  state: RunState;
  /** Its process has ended; what has been measured of it is there to be looked at. */
  gone: boolean;
  update: number;
  /** All, as they are now. */
  settings: { [name: string]: SettingValue | undefined };
  /** The newest 200. */
  changes: Change[];
  /** How many came before them. */
  changes_dropped?: number;
  /** The newest 1,000. */
  evaluations?: Evaluation[];
  /** Runs that branched off from this one. */
  forks?: Branch[];
  /** Updates at which it stopped playing: the newest 200. */
  pauses?: number[];
  /** Settings that wait for the next update. */
  pending?: { [name: string]: SettingValue | undefined };
  /** Of a run that is shown from the disk. */
  kept?: Kept;
  cause: Cause | null;
  /** Whether it is kept on disk. */
  stored?: boolean;
  /** What the disk says, while it does not take what is to be kept, or why none of it is; the run goes on. */
  unwritten: string | null;
  /** When, in the format of ISO 8601. */
  created: string;
  device: string;
  /** Of the environment; null where it has none, and while starting. */
  reward_threshold: number | null;
  /** The space, in words; null while starting. */
  observation: string | null;
  /** The space, in words; null while starting. */
  action: string | null;
  /** All that is at work between the bare environment and the training, from the inside out; null while starting. */
  wrappers?: string[] | null;
  /** Only where the training loop is not ours. Its settings are those that it tells. */
  attached?: Attached;
  /** Of the policy's distribution, where it has one; not there while starting. */
  max_entropy?: number | null;
  /** Of a fork; else null. */
  parent?: Parent | null;
  /** The name of the sweep that it belongs to. */
  sweep?: string | null;
  /** When it went on from a state that was kept, the earliest first. */
  resumed?: Resumption[];
}

/** A run, as the list `runs` has it. */
export interface RunBrief {
  id: string;
  environment: string;
  /** Null where a training loop that is not ours has not told it. */
  seed: number | null;
  state: RunState;
  /** Its process has ended; what has been measured of it is there to be looked at. */
  gone: boolean;
  update: number;
  created: string;
  /** The name of the sweep that it belongs to. */
  sweep: string | null;
  /** Of a training loop that is not ours, the program that it is in; else empty. */
  script: string;
  /** The curve of the mean return: at most 32 values, evenly spread over the updates, the newest among them. */
  returns: (number | null)[];
}

/** Of the greeting. */
export interface LeaseHeld {
  holder: boolean;
  generation: number;
}

/** The greeting, before the page has said anything. */
export interface Hello {
  type: "hello";
  protocol: number;
  /** New after each start of the server. */
  server_epoch: string;
  /** The newest one. */
  run: Run | null;
  /** `holder` is always false here: a message `lease` follows `resume`. */
  lease: LeaseHeld;
}

/** The first answer to `resume`. */
export interface RoleTold {
  type: "role";
  role: "controller" | "viewer";
}

/** The state of the run that the page looks at, whenever something of it changes. */
export interface StateTold {
  type: "state";
  run: string;
  state: RunState;
  /** Its process has ended; what has been measured of it is there to be looked at. */
  gone: boolean;
  update: number;
  phase: Phase;
  epoch: number;
  epochs: number;
  minibatch: number;
  minibatches: number;
  /** Of the snapshot that belongs to this state; null where there is none. */
  sequence: number | null;
  /** It goes on until it is told to stop, and not to the end of a step. */
  playing: boolean;
  /** Pause was heard; the run stands still as soon as its rollout is whole. */
  pausing: boolean;
  /** Phases a second in slow motion; null at full speed and at rest. */
  pace: number | null;
  /** Settings that wait for the next update. */
  pending: { [name: string]: SettingValue | undefined };
  cause: Cause | null;
  /** What the disk says, while it does not take what is to be kept, or why none of it is; the run goes on. */
  unwritten: string | null;
  /** Of a step of size `until` that has come to its condition, until the run goes on. */
  met: Met | null;
}

/** A setting of the run that the page looks at took effect. */
export interface ChangeTold extends Change {
  type: "change";
  run: string;
}

/** Policies of the run that the page looks at were evaluated; anew, where an update has been made anew. */
export interface EvaluationsTold {
  type: "evaluations";
  run: string;
  evaluations: Evaluation[];
}

/** The page looks at this run from now on: it opened it, came back to it, or it took the place of the one before. */
export interface RunTold {
  type: "run";
  run: Run;
}

/** All runs of the server, the newest first: after `resume`, and soon after the state of one of them changes. */
export interface RunsTold {
  type: "runs";
  runs: RunBrief[];
}

/** The script that the server was begun for, of which no run is shown yet; after `resume`, and when it changes. */
export interface AwaitedTold {
  type: "awaited";
  /** Its name. */
  script: string;
  /** That it has ended with; null while it runs. */
  code: number | null;
  /** Why nothing of it is shown, and what to do: for people; null where nothing speaks against it. */
  why: string | null;
  /** What stands behind that. */
  detail: string | null;
  /** What to put into the script to have it shown, and where; null where its source does not tell. */
  lines: string | null;
}

/** Who leads the run that the page looks at. */
export interface LeaseTold {
  type: "lease";
  /** This page does. */
  holder: boolean;
  /** Counts up whenever another tab does; commands carry it. */
  generation: number;
}

/** The message with this identifier was carried out. */
export interface Ack {
  type: "ack";
  id: string;
}

/** The message with this identifier was refused. */
export interface ErrorTold {
  type: "error";
  /** Null where the message had none. */
  id: string | null;
  code: ErrorCode;
  /** A sentence for people. */
  message: string;
  /** What stands behind it, such as a traceback's tail. */
  detail: string | null;
}

/** A sign of life, every 2 seconds. */
export interface HeartbeatTold {
  type: "heartbeat";
}

/** What the server says. */
export type Told = Hello | RoleTold | StateTold | ChangeTold | EvaluationsTold | RunTold | RunsTold | AwaitedTold | LeaseTold | Ack | ErrorTold | HeartbeatTold;

/** What a step may go on until: the first update in which the quantity passes the limit. */
export interface Until {
  quantity: Quantity;
  /** The limit: of the return it is enough by itself, the others have to exceed it; `not_finite` has none. */
  above?: number | null;
}

/** Where a run branches off from one that is kept. */
export interface Fork {
  run: string;
  /** Before this one, or before the nearest earlier one of which a state is kept; null: the newest. */
  update?: number | null;
}

/** The first message, within 10 seconds: starts the stream. Where another connection of this `client` is still open, that one is closed with 1008. */
export interface Resume {
  type: "resume";
  protocol: number;
  /** A random id of this tab: the same after a reload, another one in a copy of the tab. */
  client: string;
  server_epoch: string | null;
  /** The run to look at; null for the newest. */
  run: string | null;
  /** The last frame seen of it, or null: the page counts its identifiers anew. */
  sequence: number | null;
  /** The secret of `POST api/session`. */
  session?: string | null;
}

/** The answer to the server's. */
export interface Heartbeat {
  type: "heartbeat";
}

/** What this page looks at, of the run in whose room it is. Only the last word counts. All pages of a room get the same frames. What they want together is looked at five times a second at most. */
export interface Watch {
  type: "watch";
  id: string;
  /** The union of what its visible panels need. */
  probes: string[];
  /** The one from which on it wants samples, where a rollout has more than 4,096; null: environments drawn by the seed. That of the page that leads counts. */
  environment?: number | null;
}

/** This page wants to lead the run that it looks at. */
export interface TakeControl {
  type: "take_control";
  id: string;
}

/** Train on. */
export interface Play {
  type: "play";
  id: string;
  lease: number;
  /** Phases a second in slow motion; null: full speed. */
  pace?: number | null;
}

/** Stop at the next phase. */
export interface Pause {
  type: "pause";
  id: string;
  lease: number;
}

/** Go on to the end of the next phase, minibatch, epoch or update, of ten updates, or until something happens. */
export interface Step {
  type: "step";
  id: string;
  lease: number;
  size: "phase" | "minibatch" | "epoch" | "update" | "updates" | "until";
  /** Of the size `until`, and of no other. */
  until?: Until | null;
}

/** Change a live setting from the next update on. */
export interface Set {
  type: "set";
  id: string;
  lease: number;
  name: string;
  value: unknown;
}

/** Make the update that has just ended anew with other live settings, to compare. */
export interface Redo {
  type: "redo";
  id: string;
  lease: number;
  /** Empty: those that wait. */
  settings?: { [name: string]: unknown | undefined };
}

/** Which of the two outcomes to go on from. Until then `play`, `step` and `redo` are refused. */
export interface Keep {
  type: "keep";
  id: string;
  lease: number;
  /** With `old`, what was tried waits no longer, unless it was changed again meanwhile. */
  which: "old" | "new";
}

/** Give up a new run that has not proved yet that it trains, or else the second outcome that `redo` is computing. */
export interface Cancel {
  type: "cancel";
  id: string;
  lease: number;
}

/** A new run instead of this one, with its settings, the seed among them. */
export interface Restart {
  type: "restart";
  id: string;
  lease: number;
  /** Name → value, changed against those of this run; may be empty. */
  settings: { [name: string]: unknown | undefined };
}

/** Look at another run from now on: the page goes to its room, and takes no lease along. */
export interface Open {
  type: "open";
  id: string;
  /** One of the list `runs`, also one that has ended. */
  run: string;
}

/** End the run: its process goes, what is known of it stays, and so do its pages. */
export interface End {
  type: "end";
  id: string;
  lease: number;
}

/** Body of `POST api/runs`: a run `beside` the others, or else `instead` of one. At most one of `resume`, `fork` and `open` says that it is no new one. */
export interface NewRun {
  /** Changed against the defaults; of a run that goes on or branches off, against its own. */
  settings?: { [name: string]: unknown | undefined };
  /** Go on with this run, which is kept; live settings and `total_steps` may be others. */
  resume?: string | null;
  /** Branch off from a kept run; live settings, `seed` and `total_steps` may be others. */
  fork?: Fork | null;
  /** Show this run, which is kept, and train nothing; it has no settings of its own and ends no other. */
  open?: string | null;
  paused?: boolean;
  /** No other run ends for it. There are as many at once as the machine has cores, and two at least. */
  beside?: boolean;
  /** The run that is to end once the new one has shown that it trains; the newest, where none is named. */
  instead?: string | null;
  /** The generation of the lease of the run that is to end; may be null only where nobody leads it (else 403). */
  lease?: number | null;
}

/** Body of `POST api/session`. */
export interface Session {
  token: string;
}

/** What a page says. */
export type Said = Resume | Heartbeat | Watch | TakeControl | Play | Pause | Step | Set | Redo | Keep | Cancel | Restart | Open | End;

"""Writes the pages of docs/ that are made from the code's tables, and the page's constants and types.

`python docs/generate.py`
"""

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ppo_scope.diagnosis import checks
from ppo_scope.ppo import extras, presets, settings
from ppo_scope.wire import metrics

HERE = Path(__file__).parent
NOTE = "Made from the code by `python docs/generate.py`; do not edit.\n"
HEALTH = """A finding is an *error* (do not trust the run), a *warning* (it will hardly learn like this) or a *note*.
A warning is a note while the mean return is at its best, which is where it has kept nine tenths of its best rise, or
has reached the environment's reward threshold: such a run is not told that it cannot learn, unless α is 0. Of
findings with one cause the cause comes first, and what follows from it is listed below it, even where the cause was
an event that has passed. What has passed is remembered, since when until when. A check that knows nothing yet says
so, and so does one whose numbers mean nothing while another finding stands.

Causes may depend on what is seen: the texts below are those where nothing more is known.
"""
MEASURED = (
    "Measured on one machine. The same seed repeats its run to the bit there; another processor rounds otherwise, and\n"
    "so has other returns, and other updates at which something is said.\n"
)
UNSAID = """\
## What is no fault, and what cannot be seen

**γ = 1** is as it should be where episodes end by themselves. Nothing is said before 20 updates have brought none that
does, and then it is a note: with GAE's λ below 1 such a run may learn all the same. Pendulum as our preset has it, with
γ = 1 and 30 updates, came to −169 and −200, and with 0.99 to −175 and −184. It is a warning once V_targ grows.

**No end** is a note by itself: of a task that goes on by its nature, or where staying pays, it is how it should be.
It is a warning where every step costs the same, so that the end is all there is to find, and where the environment is
known to cut its episodes. A game may take ten thousand steps, so nothing is said before. Of a `Scope` that is handed
neither `dones` nor `truncated` no check speaks that looks at ends, or at what episodes return.

**γ that looks ahead too little** is not told: γ = 0.5 costs Acrobot and MountainCar most of what they learn, and
CartPole nothing, and no number of a rollout says beforehand which it will be. **λ = 0** is not told either.

**A bonus for entropy** is too large where it pulls as strongly as the advantages and the policy decides no further. A
run that is slowed down by it alone is not told of, and neither is a σ that stays where it is: CartPole gets by with
c₂ = 0.2, whose pull is 0.8 of that of L_PG, and one continuous action not with 0.05, whose pull is 0.3.

**An optimizer made anew** loses Adam's memory and hardly anything else, so it is a note. Returns of
Stable-Baselines3 with seeds 1, 2, 3, as usual and anew before each update: CartPole with 16 steps an update 192, 184,
166 and 200, 204, 188; with 80 steps 180, 176, 173 and 170, 161, 172; Pendulum −453, −361, −323 and −441, −378, −261.
It is seen of Stable-Baselines3, rsl_rl and scripts in one file; no other loop hands its optimizer over.

**A value clip** of 0.2, CleanRL's, on returns that nobody scales leaves V_old 40 to 90 times its width off V_targ, and
the critic learns no slower for it: on CartPole it explains a tenth of the variance with it and without it after 48
updates. Nothing is said before 200 widths. What it does to the policy is another matter. Acrobot by CleanRL's settings,
100,000 steps and seeds 1, 2, 3: −228, −460 and −198; −128, −119 and −119 without the value clip; −104, −111 and −103
with it and without the norm limit; −92, −87 and −84 with rewards that are scaled. V is off V_targ by half of its size
in all but the last of them, at update 40. What holds the policy back is the norm limit: of minibatches whose values the
clip holds it cuts off nothing, since the critic has no gradient there, and 99 % of the others. Adam remembers the long
gradients for 60 updates, and the weights go 8 % of the way of noise. It is told from update 74 on with seed 1, when
all are cut off, and with seed 2 from update 71, where the policy stands still; before, nothing tells it. CartPole is
told the same: it comes to 286 and 340, to 203 and 395 without the norm limit, and to 405 and 492 with scaled rewards.
With a value clip of 0.01, the default run with rewards as they are has V off V_targ by 84 % of its size in updates 11
to 20, and by 27 % without.

**A critic that is slow** is told as a useless one where V gains less than a fiftieth of V_targ in 10 updates, and then
α sets its pace, as a rule, and not the value clip. CleanRL's settings with one layer of 16 units, CartPole and 61,440
steps with seeds 1, 2, 3: V comes to an eighth of V_targ, explains nothing, and it is the same bit by bit without the
value clip. Returns are 67, 60 and 86; 106, 107 and 123 with rewards that are scaled, and 239, 233 and 245 with
α = 0.001. So the finding is true, and so is its advice.

**Rewards that are cut off or changed** can only be seen where the environment tells what an episode returned, as
Monitor and RecordEpisodeStatistics do below the wrapper that changes them, and where its end is one to the loop. So
nothing is said of games of Atari that end a life as an episode, or of a `Scope`, whose returns are summed up from
the very rewards. A factor between both is no fault, and neither is a reward for the way there: a note, at most.

**α.** That it comes to its end too early is known where a loop tells how far it goes: Stable-Baselines3, and scripts
whose `args` have `total_timesteps`. Elsewhere only an α of 0 is.

**A cut that is taken for an end** is what CleanRL's single files do, and a note there: it reaches about 1/(1 − γ)
steps back. So are **steps of a reset**, which they train on since Gymnasium 1.0: one sample of each episode.
**rsl_rl takes V(s_t)** for V of the state after, knowingly, and it is a note as long as it makes less than a quarter
of the variance of Â. Points on a line, cut after 20 steps, with seeds 1 to 5 and 150 updates: δ of a cut step is off by
0.21 to 0.27, where Â has a deviation of about 1, and by less than 0.02 in the mean. A step is paid 0.837, 0.837,
0.816, 0.885 and 0.876, and 0.848, 0.881, 0.834, 0.882 and 0.829 where V of the last state itself is taken.

**Observations** count as the first linear layer gets them, where a policy can be asked; of a `Scope` as they are
handed over. Pictures are not looked at. That one part of them varies a thousandth as much as another is a note:
nobody knows whether it matters. Saturated layers are seen in our own networks alone.

**A loss** of a PPO in one file is held against its terms at the first and the last minibatch of an update, in single
precision: beside returns in the thousands a mistake in L_PG is lost in the digits of L_VF.

**What changes acting and training alike** leaves no trace in r: a squashed action without the logarithm of its
slope, which cancels out; log π as the mean over an action's parts in place of the sum. Probabilities that are given to
a distribution as logits are seen at once where a `Scope` is handed them; elsewhere once the policy begins to decide and
comes up to the bound, since logits are known but for a number that is added to all. Where log π is not that of the
distribution, panels say that the policy cannot be asked.

**What is done outside of training** is not seen: a normaliser that moves in evaluation, or an evaluation without it.
**A shared network** in which the critic's gradient drowns the policy's shows in the panel Gradients; Health speaks of
it where the norm limit then starves the policy, or where V stays the same in every state: Pendulum with one body for
both, rewards as they are, 50 updates and seed 5 stays at −1,215, and comes to −159 with rewards × 0.01. The body's
second layer is saturated to 99.9 % after 20 updates, whatever the state.
"""
EXPECTED = """\
What each is for, and what to expect before Play is pressed. The curves are of one run each, with seed 1; other seeds
come to similar ends, at other times. The line is the return in training, as the panel *Episodic return* has it; the
triangles are evaluations, as `--eval-every` makes them: the same policy without chance, which is another number.
`python -m docs.curves` draws them from `docs/curves/*.json`, which `python -m docs.recordings` has trained for.
"""
FILES = """\
Tables saved from the page use these names; what is of single samples, states or layers has the names of the arrays
in docs/protocol.md. Every line begins with `env`, `seed` and `update` and ends with the settings that the update
was made with, `settings.clip_range` and so on. "Whole run as CSV" or "as JSONL", in the menus of the panels that
draw curves over updates, has every update's row with all of the columns below.
"""


def metrics_page() -> str:
    """Every number that is measured: what it is, over what it is taken, and what healthy looks like."""
    lines = [
        "# What is measured\n",
        NOTE,
        FILES,
        "| name | symbol | what it is | taken | healthy |",
        "|---|---|---|---|---|",
    ]
    for metric in metrics.METRICS:
        columns = (f"`{metric.name}`", metric.symbol, metric.definition, metric.aggregation, metric.healthy)
        lines.append(_row(columns))
    return "\n".join(lines) + "\n"


MOVING = """
## What moves by itself

**Schedules.** `anneal_learning_rate`, `anneal_clip_range` and `anneal_entropy_coef` multiply α, ε and c₂ by the share
of `total_steps` that is still to come when an update begins.

**β.** Under the objective `kl_penalty`, L_PG = −mean(r·Â) + β·mean KL(π_old‖π), with the exact KL between both
distributions at the states of the minibatch. After an update d is the mean KL over its rollout, under the weights
after the last step. With a target, β is halved where d < target/1.5 and doubled where d > 1.5·target: section 4 of
Schulman et al. 2017. The paper has no bounds; here β stays between 0.0001 and 10,000. `kl_coef` is where it begins,
and begins anew when it is set during the run.

**α.** `desired_kl` is what rsl_rl calls by this name, its default with `schedule="adaptive"`. The same: the exact
mean KL(π_old‖π) of each minibatch, before its step; α divided by 1.5 where it is above 2·desired_kl, multiplied by
1.5 where it is above 0 and below desired_kl/2; bounds of 1e-5 and 1e-2, which are settings here. Different: before
the first step of an update α stays, since π is still π_old and what rounding leaves of the KL says nothing; rows that
are no transitions do not count; `target_kl` works beside it, and the minibatch that ends an update has moved α
before. Since each update begins with a KL of 0, α rises at its first minibatches and falls at its last, as it does in
rsl_rl. `learning_rate` is where it begins, and begins anew when it is set during the run.
"""


def settings_page() -> str:
    """Every setting: symbol, default, bounds, when a change takes effect, and what it does."""
    lines = [
        "# Settings\n",
        NOTE,
        "| name | symbol | default | range | takes effect | what it does |",
        "|---|---|---|---|---|---|",
    ]
    for row in settings.table():
        effect = "at the next update" if row["live"] else "with a new run"
        lines.append(
            _row((f"`{row['name']}`", row["symbol"], _value(row["default"]), _range(row), effect, row["help"]))
        )
    return "\n".join(lines) + "\n" + MOVING


def presets_page() -> str:
    """Every preset: what it is for, what to expect of it, its settings, and where they come from."""
    noted = CURVES["recordings"]()
    lines = [
        "# Presets\n",
        NOTE,
        EXPECTED,
        "| preset | what it is for | what to expect, with seed 1 |",
        "|---|---|---|",
    ]
    for preset in presets.PRESETS:
        link = f"[`{preset.name}`](#{preset.name}-{_anchor(preset.title)})"
        lines.append(_row((link, preset.about, preset.expect)))
    for preset in presets.PRESETS:
        extra = next(iter(extras.needed(preset.settings)), None)  # which brings the others
        needs = f" Needs the extra `{extra.name}`." if extra else ""
        lines += [f"\n## `{preset.name}`: {preset.title}\n", f"{preset.about}{needs}\n"]
        lines += [f"    ppo-scope serve --preset {preset.name}\n"]
        if preset.name in noted:
            recording = noted[preset.name]
            lines += [f"![The return over the steps](curves/{preset.name}.svg)\n", _told(recording) + "\n"]
        lines += [f"Source: {preset.source}.\n"]
        lines += [f"    {_option(name, value)}" for name, value in preset.settings.items()]
    return "\n".join(lines) + "\n"


def _told(recording: dict[str, Any]) -> str:
    """A recording in words: what came of it, how far it goes, and how long it took."""
    steps, total = recording["steps"], recording["total"]
    part = "" if steps >= total else f" The run was recorded to {steps:,} of its {total:,} steps."
    seconds = recording["seconds"]
    time = f"{seconds:,} seconds" if seconds < 120 else f"{round(seconds / 60):,} minutes"
    return f"{CURVES['in_words'](recording)}{part} Training it took {time} of one processor core."


def _anchor(title: str) -> str:
    """As the heading's address has it: small letters, hyphens for spaces, nothing else."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")


def health_page() -> str:
    """Everything that the panel Health looks for: when it speaks, what it comes from, and what to do."""
    measured, elsewhere = (
        (HERE / f"health-{name}.md").read_text(encoding="utf-8") for name in ("measured", "elsewhere")
    )
    lines = ["# What the panel Health looks for\n", NOTE, HEALTH, UNSAID]
    lines += ["## How often it is right\n", MEASURED, measured, elsewhere]
    for check in checks.table():
        lines += [f"## {check['title']} (`{check['name']}`)\n", f"**Said when** {check['threshold']}.\n"]
        lines += [f"**Cause.** {check['cause']}\n", f"**Remedy.** {check['remedy']}\n"]
        if check["explains"]:
            lines.append(f"**Explains** {', '.join(f'`{name}`' for name in check['explains'])}.\n")
        if check["voids"]:
            names = ", ".join(f"`{name}`" for name in check["voids"])
            lines.append(f"**While it stands** nothing can be said of {names}, where they find nothing.\n")
    return "\n".join(lines)


def _option(name: str, value: Any) -> str:
    words = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{words}" if value else f"--no-{words}"
    return f"--{words} {json.dumps(value)}" if isinstance(value, dict) else f"--{words} {_value(value)}"


def _range(row: dict[str, Any]) -> str:
    if row["choices"]:
        words = ", ".join(row["choices"])
    elif row["minimum"] is not None or row["maximum"] is not None:
        words = " to ".join(f"{bound:g}" for bound in (row["minimum"], row["maximum"]) if bound is not None)
    else:
        words = {"bool": "on, off"}.get(row["type"], "")
    return f"{words}, or off" if row["optional"] else words


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _row(columns: tuple[str, ...]) -> str:
    return "| " + " | ".join(column.replace("|", r"\|") for column in columns) + " |"


def _files_of(script: str) -> dict[str, Callable[[], str]]:
    files: dict[str, Callable[[], str]] = runpy.run_path(str(HERE / script))["FILES"]
    return files


CURVES = runpy.run_path(str(HERE / "curves.py"))
"""What draws the curves of the presets, and says them in words."""
PAGES = {
    "health.md": health_page,
    "metrics.md": metrics_page,
    "presets.md": presets_page,
    "settings.md": settings_page,
    **_files_of("protocol.py"),
    **_files_of("wire.py"),
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")

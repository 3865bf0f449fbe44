"""GRPO of TRL on a tiny language model that is made here, of nothing that is downloaded; run as a program.

    python -m tests.attach.libraries.grpo_loop STEPS [--plain]

It is paid for the word "yes". Prints the digest of its weights. `--plain`: without the line that shows it.
"""

import hashlib
import sys
import tempfile

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

import ppo_scope
from tests.attach.libraries.tiny_model import GROUP, LONGEST, SEQUENCES, model, tokenizer


def yes(completions, **_):
    return [float(text.split().count("yes")) for text in completions]


def never_paid(completions, **_):
    return [1.0 for _ in completions]


def trainer(steps, *, reward=yes, **changed):
    torch.set_num_threads(1)  # beside busy cores an update took ten seconds with two, and half of one with one
    prompts = [{"prompt": f"is it {word}"} for word in ("good", "bad", "warm", "cold")] * 8
    given = {
        "output_dir": tempfile.mkdtemp(),
        "max_steps": steps,
        "per_device_train_batch_size": SEQUENCES // 2,
        "gradient_accumulation_steps": 1,
        "steps_per_generation": 2,
        "num_iterations": 2,
        "num_generations": GROUP,
        "max_completion_length": LONGEST,
        "learning_rate": 3e-3,
        "beta": 0.04,
        "loss_type": "bnpo",
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 4,
        "use_cpu": True,
        "disable_tqdm": True,
        "seed": 1,
    }
    arguments = GRPOConfig(**{**given, **changed})
    return GRPOTrainer(
        model=model(),
        reward_funcs=reward,
        args=arguments,
        train_dataset=Dataset.from_list(prompts),
        processing_class=tokenizer(),
    )


def digest(made):
    return hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in made.model.parameters())).hexdigest()


def main(steps, *, plain=False, reward=yes, options=None, **changed):
    """(the digest of the weights, what the trainer has logged)"""
    made = trainer(steps, reward=reward, **changed)
    if not plain:
        ppo_scope.watch(made, **(options or {}))
    made.train()
    return digest(made), made.state.log_history


if __name__ == "__main__":
    print(main(int(sys.argv[1]), plain="--plain" in sys.argv)[0])

"""verl's own training worker, loss and engine (FSDP2, on the CPU) on a tiny language model; run as a program.

    python -m tests.attach.libraries.verl_loop UPDATES [--plain | --clips LOW HIGH CAP]

What verl's trainer does around them with servers that generate on GPUs is done here in a few lines: tokens are drawn,
paid for the word "yes", and compared in groups by verl's own estimate. Prints the digest of its weights.
"""

import hashlib
import json
import os
import socket
import sys
import tempfile
import types
from functools import partial

import torch
from tensordict import TensorDict
from torch import distributed

from tests.attach.libraries.tiny_model import GROUP, LONGEST, SEQUENCES, model, tokenizer

os.environ |= {"VERL_PLATFORM": "cpu", "VERL_ENGINE_DEVICE": "cuda", "WG_BACKEND": "ray"}

from verl.plugin.platform.platform_cuda import PlatformCUDA
from verl.plugin.platform.platform_manager import PlatformRegistry

NOTHING = ("max_memory_allocated", "max_memory_reserved", "memory_allocated", "memory_reserved", "empty_cache")


@PlatformRegistry.register(platform="cpu")
class PlatformCPU(PlatformCUDA):
    """What verl asks of a device, for the processor, of which it knows none."""

    device_name = vendor_name = "cpu"
    device_module = types.SimpleNamespace(
        **dict.fromkeys(NOTHING, lambda *_: 0), is_available=lambda: False, mem_get_info=lambda *_: (1, 1)
    )

    def is_available(self):
        return True

    def current_device(self):
        return "cpu"

    def empty_cache(self):
        pass


PROMPTS = [f"is it {word}" for word in ("good", "bad", "warm", "cold")]
PROMPT = 3  # tokens of each
REFERENCE = 0.04  # β
CLIPS = "clip_ratio_low", "clip_ratio_high", "clip_ratio_c"


def alone():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    distributed.init_process_group("gloo")


def worker(place, external, **changed):
    from verl.trainer.config import CheckpointConfig
    from verl.workers.config import FSDPActorConfig, HFModelConfig
    from verl.workers.config.engine import FSDPEngineConfig, TrainingWorkerConfig
    from verl.workers.config.optimizer import FSDPOptimizerConfig
    from verl.workers.engine_workers import TrainingWorker
    from verl.workers.utils.losses import ppo_loss

    config = HFModelConfig(
        path=place,
        external_lib=external,
        override_config={"attn_implementation": "eager"},
        use_remove_padding=False,
        enable_gradient_checkpointing=False,
    )
    engine = FSDPEngineConfig(
        strategy="fsdp2",
        use_dynamic_bsz=False,
        micro_batch_size_per_gpu=4,
        infer_micro_batch_size_per_gpu=8,
        use_torch_compile=False,
        mixed_precision=dict.fromkeys(("param_dtype", "reduce_dtype", "buffer_dtype"), "fp32"),
    )
    made = TrainingWorker(
        TrainingWorkerConfig(
            model_type="language_model",
            model_config=config,
            engine_config=engine,
            optimizer_config=FSDPOptimizerConfig(lr=3e-3, total_training_steps=1000),
            checkpoint_config=CheckpointConfig(),
        )
    )
    made.reset()
    made.flops_counter = None  # which knows what GPUs promise
    given = {"use_kl_loss": True, "kl_loss_coef": REFERENCE, "entropy_coeff": 0.01, **changed}
    actor = FSDPActorConfig(strategy="fsdp2", ppo_micro_batch_size_per_gpu=4, rollout_n=GROUP, optim=None, **given)
    made.set_loss_fn(partial(ppo_loss, config=actor))
    return made


@torch.no_grad()
def drawn(module, words):
    """(tokens [B, PROMPT + LONGEST], mask of those that the policy has drawn [B, LONGEST])"""
    tokens = torch.tensor([words(text)["input_ids"] for text in PROMPTS]).repeat_interleave(GROUP, 0)
    mask = torch.ones(len(tokens), 0, dtype=torch.long)
    going = torch.ones(len(tokens), dtype=torch.bool)
    for _ in range(LONGEST):
        logits = module(input_ids=tokens).logits[:, -1]
        new = torch.where(going, torch.multinomial(logits.softmax(-1), 1)[:, 0], words.pad_token_id)
        tokens, mask = torch.cat([tokens, new[:, None]], 1), torch.cat([mask, going[:, None].long()], 1)
        going &= new != words.eos_token_id
    return tokens, mask


def batch(tokens, mask, words):
    """What verl's trainer hands to its workers."""
    from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage

    answers = tokens[:, PROMPT:]
    seen = torch.cat([torch.ones(len(tokens), PROMPT, dtype=torch.long), mask], 1)
    last = torch.arange(LONGEST) == mask.sum(1, keepdim=True) - 1
    paid = last * ((answers == words.convert_tokens_to_ids("yes")) * mask).sum(1, keepdim=True).float()
    groups = [place // GROUP for place in range(len(tokens))]
    advantages, _ = compute_grpo_outcome_advantage(paid, mask, groups)
    return TensorDict(
        {
            "prompts": tokens[:, :PROMPT],
            "responses": answers,
            "input_ids": tokens,
            "attention_mask": seen,
            "position_ids": (seen.cumsum(1) - 1).clamp(min=0),
            "response_mask": mask,
            "token_level_rewards": paid,
            "advantages": advantages,
        },
        batch_size=len(tokens),
    )


def main(updates, *, plain=False, **changed):
    """(the digest of the weights, what verl says of each update)"""
    from verl.utils import tensordict_utils
    from verl.workers.utils.padding import left_right_2_no_padding, no_padding_2_padding

    alone()
    place, words = f"{tempfile.mkdtemp()}/tiny-llama", tokenizer()
    model().save_pretrained(place)
    words.save_pretrained(place)
    made = worker(place, None if plain else "ppo_scope.attach.verl", **changed)
    torch.manual_seed(3)
    logs, first = [], None
    for _ in range(updates):
        with made.engine.eval_mode():
            given = batch(*drawn(made.engine.module, words), words)
        given = left_right_2_no_padding(given)
        tensordict_utils.assign_non_tensor(given, temperature=1.0, calculate_entropy=True, compute_loss=False)
        found = no_padding_2_padding(made.infer_batch(given.copy())["log_probs"], given) * given["response_mask"]
        given["old_log_probs"] = found
        first = found if first is None else first
        given["ref_log_prob"] = found - 0.1 * given["response_mask"]  # a reference that is everywhere as far away
        tensordict_utils.assign_non_tensor(
            given,
            mini_batch_size=SEQUENCES // 2,
            global_batch_size=SEQUENCES // 2,
            epochs=2,
            seed=42,
            dataloader_kwargs={"shuffle": True},
            compute_loss=True,
        )
        metrics = tensordict_utils.get(made.train_mini_batch(given), "metrics")
        logs.append({"reward": float(given["token_level_rewards"].sum(1).mean()), **metrics})
    weights = (one.full_tensor().numpy().tobytes() for one in made.engine.module.state_dict().values())
    digest = hashlib.sha256(b"".join(weights)).hexdigest()
    distributed.destroy_process_group()
    return digest, logs


if __name__ == "__main__":
    clips = dict(zip(CLIPS, map(float, sys.argv[3:]), strict=True)) if "--clips" in sys.argv else {}
    digest, logs = main(int(sys.argv[1]), plain="--plain" in sys.argv, **clips)
    print(json.dumps(logs, default=str))
    print(digest)

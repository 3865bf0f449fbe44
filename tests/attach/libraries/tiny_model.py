"""A tiny language model that is made here, of nothing that is downloaded."""

import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = [
    "<pad>",
    "<end>",
    "is",
    "it",
    "good",
    "bad",
    "warm",
    "cold",
    "yes",
    "no",
    "maybe",
    "never",
    "always",
    "so",
    "very",
    "today",
]
GROUP, SEQUENCES, LONGEST = 4, 16, 12


def tokenizer():
    vocabulary = {word: place for place, word in enumerate(WORDS)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<end>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<end>", bos_token="<end>", padding_side="left"
    )


def model():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1}
    made = LlamaForCausalLM(LlamaConfig(vocab_size=len(WORDS), max_position_embeddings=64, **sizes, **ids))
    place = Path(tempfile.mkdtemp(), "tiny-llama")
    made.save_pretrained(place)  # where the trainer finds it again, as the reference
    return LlamaForCausalLM.from_pretrained(place)

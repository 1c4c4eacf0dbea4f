"""The vocabulary as `AutoTokenizer` loads it: the same ids for the same lines, with the marks that the network expects around."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, processors

from axw.data.vocabulary import BOS, EOS, MASK, NAMES, PAD, UNK, Vocabulary
from axw.storage import json_to_bytes


def tokenizer_files(vocabulary: Vocabulary, before: tuple[int, ...], longest: int, *, masks: bool) -> dict[str, bytes]:
    """tokenizer.json and tokenizer_config.json. before: ids in front of every line;  masks: whether [MASK] is to be filled."""
    return {
        "tokenizer.json": tokenizer_json(vocabulary, before),
        "tokenizer_config.json": json_to_bytes(_config(longest, masks=masks)),
    }


def tokenizer_json(vocabulary: Vocabulary, before: tuple[int, ...]) -> bytes:
    """The tokenizer of the library `tokenizers`, which puts `before` in front of a line and EOS behind it."""
    tokenizer = Tokenizer.from_str(vocabulary.tokenizer_json().decode())
    marks = [(vocabulary.entries[i], i) for i in dict.fromkeys((*before, EOS))]
    first = " ".join(vocabulary.entries[i] for i in before)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {NAMES[EOS]}".strip(),
        pair=f"{first} $A {NAMES[EOS]} $B {NAMES[EOS]}".strip(),
        special_tokens=marks,
    )
    return bytes(tokenizer.to_str(pretty=True).encode())


def _config(longest: int, *, masks: bool) -> dict[str, Any]:
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": NAMES[PAD],
        "bos_token": NAMES[BOS],
        "eos_token": NAMES[EOS],
        "unk_token": NAMES[UNK],
        "model_max_length": longest,
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
    }
    if masks:
        config["mask_token"] = NAMES[MASK]
    return config

"""What Hugging Face's library answers with an exported folder, for the proof."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from axw.data.vocabulary import BOS, EOS, PAD
from axw.errors import ModelError
from axw.export.answers import Ids, Said, in_parts, padded
from axw.export.installed import installed


def loaded(folder: Path, auto: str) -> Any:
    """The model of the folder in `eval` mode, by the Auto class of this name. `ModelError` where a tensor did not fit."""
    transformers = installed("transformers")
    with warnings.catch_warnings(), _quiet(transformers.utils.logging):
        warnings.simplefilter("ignore")
        model, told = getattr(transformers, auto).from_pretrained(
            str(folder), local_files_only=True, output_loading_info=True, dtype=torch.float32
        )
    wrong = [name for what in ("missing_keys", "unexpected_keys", "mismatched_keys") for name in told.get(what) or ()]
    if wrong:
        raise ModelError(
            f"{len(wrong)} tensors did not find their place in {type(model).__name__}, such as {wrong[0]}.",
            f"In {str(folder)!r}.",
            "Report it: the export and this version of transformers do not fit.",
        )
    return model.eval()


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Inside, the library shows no bars and says nothing but errors."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


class HuggingFaceGuesses:
    """`AutoModelForMaskedLM` of a folder."""

    def __init__(self, folder: Path, pad: int = PAD) -> None:
        self.model, self.pad = loaded(folder, "AutoModelForMaskedLM"), pad

    @torch.no_grad()
    def log_p(self, ids: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(ids)
        logits = self.model(input_ids=given, attention_mask=(given != self.pad).long()).logits
        return np.asarray(torch.log_softmax(logits.float(), -1).numpy())


class HuggingFaceWrites:
    """`AutoModelForSeq2SeqLM` of a folder, by its own `generate`."""

    never = (PAD, BOS)

    def __init__(self, folder: Path) -> None:
        self.model = loaded(folder, "AutoModelForSeq2SeqLM")

    @torch.no_grad()
    def search(self, sources: Sequence[Ids], beam: int, most: int) -> list[Said]:
        found: dict[int, Said] = {}
        for index in in_parts(sources):
            given = torch.from_numpy(padded([sources[i] for i in index]))
            made = self.model.generate(
                input_ids=given,
                attention_mask=(given != PAD).long(),
                num_beams=beam,
                do_sample=False,
                max_new_tokens=most,
                **({"length_penalty": 0.0, "early_stopping": True} if beam > 1 else {}),
                suppress_tokens=list(self.never),
                return_dict_in_generate=True,
                output_scores=True,
            )
            logs = made.sequences_scores.tolist() if beam > 1 else [float("nan")] * len(index)
            for i, row, log_p in zip(index, made.sequences[:, 1:].tolist(), logs, strict=True):
                found[i] = Said(row[: row.index(EOS)] if EOS in row else row, log_p)
        return [found[i] for i in range(len(sources))]

    @torch.no_grad()
    def score(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[float]:
        found: dict[int, float] = {}
        for index in in_parts(sources):
            given = torch.from_numpy(padded([sources[i] for i in index]))
            said = torch.from_numpy(padded([[*targets[i], EOS] for i in index]))
            read = torch.cat([torch.full((len(index), 1), BOS), said[:, :-1]], 1)
            logits = self.model(input_ids=given, attention_mask=(given != PAD).long(), decoder_input_ids=read).logits
            logs = torch.log_softmax(logits.float(), -1).gather(2, said[..., None])[..., 0].double()
            real = torch.arange(said.shape[1]) < torch.tensor([[len(targets[i]) + 1] for i in index])
            found |= dict(zip(index, (logs * real).sum(1).tolist(), strict=True))
        return [found[i] for i in range(len(sources))]

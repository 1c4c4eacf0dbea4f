"""The tokenizer of a folder as a `ForeignVocabulary`, and which row of the foreign matrices each of its ids is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer  # type: ignore[attr-defined]
from torch import Tensor

from axw.data.foreign_vocabulary import ForeignVocabulary
from axw.data.vocabulary import NAMES
from axw.errors import ModelError
from axw.storage.disk import read_bounded

NONE = -1e4  # the score of an id that the foreign model does not have: its probability is 0 in float32
_MOST = 256 << 20


class Known(NamedTuple):
    """A vocabulary, and the foreign id of each of its ids, -1 where the foreign model has none."""

    vocabulary: ForeignVocabulary
    theirs: Tensor

    def rows(self, matrix: Tensor, missing: float = 0.0) -> Tensor:
        """The rows of a foreign matrix (V ...), in our order."""
        found = matrix[self.theirs.clamp_min(0)].clone()
        found[self.theirs < 0] = missing
        return found


def known(tokenizer: Tokenizer, names: dict[int, int], size: int, pieces: dict[str, int] | None = None) -> Known:
    """names: our id of a name -> their id. size: rows of their matrices. pieces: token -> their id; None: the tokenizer's."""
    given = tokenizer.get_vocab(with_added_tokens=True) if pieces is None else pieces
    called = {number: piece for piece, number in given.items()}
    taken = set(names.values())
    kept = [i for i in range(size) if i not in taken]
    vocabulary = ForeignVocabulary.make(
        tokenizer.to_str(),
        [called.get(i, f"<unused {i}>") for i in kept],
        {called[theirs]: ours for ours, theirs in reversed(names.items()) if theirs in called},
    )
    theirs = [names.get(i, -1) for i in range(len(NAMES))] + kept
    return Known(vocabulary, torch.tensor(theirs))


def read_tokenizer(path: Path, config: Path | None = None) -> Tokenizer:
    """tokenizer.json, or a BERT's vocab.txt. `ModelError` where there is neither, or it cannot be read."""
    where = f"In {str(path)!r}."
    try:
        if (path / "tokenizer.json").is_file():
            return Tokenizer.from_str(read_bounded(path / "tokenizer.json", _MOST).decode())
        if (path / "vocab.txt").is_file():
            return Tokenizer.from_str(
                BertWordPieceTokenizer(str(path / "vocab.txt"), lowercase=_lowercase(path)).to_str()
            )
    except Exception as error:  # the library raises plain Exception
        raise ModelError(
            f"The tokenizer cannot be read: {str(error)[:200]}", where, "Check that the folder is whole."
        ) from error
    raise ModelError(
        "The folder holds no tokenizer.json.",
        where,
        "In Python: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) writes it.",
    )


def _lowercase(path: Path) -> bool:
    config = path / "tokenizer_config.json"
    return bool(json.loads(config.read_text()).get("do_lower_case", True)) if config.is_file() else True


def id_of(tokenizer: Tokenizer, token: str, path: Path) -> int:
    """The id of a token that must be there. `ModelError`."""
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ModelError(
            f"The tokenizer has no token {token!r}.", f"In {str(path)!r}.", "Check that the folder is whole."
        )
    return int(found)

"""Several parsers as one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from axw.data.tree_file import TreeFile
from axw.data.trees import Tree
from axw.decoding import Ensemble
from axw.errors import UsageError
from axw.models.members import forced, of_one, same_vocabularies
from axw.models.text_model import Place
from axw.models.translation.lesson import Encoded, per_piece
from axw.models.trees.parser import ConstituencyParser, Sentence
from axw.models.units import Unit


class ParserEnsemble(ConstituencyParser):
    """Several parsers with the same vocabularies as one: the mean of what they hold likely.

    It parses and evaluates. What is one network's, `fit`, `save` and `attention`, is asked of a member.
    """

    def __init__(self, parsers: Sequence[ConstituencyParser]) -> None:
        same_vocabularies([parser._vocabularies for parser in parsers], "parsers", "trees", "In an ensemble.")
        super().__init__(parsers[0].settings)
        self.parsers = list(parsers)
        self._vocabularies = parsers[0]._vocabularies
        self._network = parsers[0].network

    def _begin(self, source: torch.Tensor) -> tuple[Any, Any]:
        parts = [parser._begin(source) for parser in self.parsers]
        return Ensemble([decoder for decoder, _ in parts]), tuple(state for _, state in parts)

    def _likelihood(self, pairs: Encoded) -> dict[str, float]:
        nats = -float(forced(self._begin, pairs.source, pairs.target).sum())
        return per_piece(nats, int((pairs.target.lengths + 1).sum()))

    def attention(
        self, sentence: Sentence, tree: Tree | str | None = None, unit: Unit = "words"
    ) -> dict[str, np.ndarray]:
        raise self._of_one("has no A of its own", "attention")

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        raise self._of_one("is no model of its own", "save")

    def fit(
        self,
        trees: Iterable[Tree | str] | TreeFile,
        valid: Iterable[Tree | str] | None = None,
        place: Place | None = None,
    ) -> ConstituencyParser:
        raise self._of_one("cannot be trained as one", "fit")

    def _of_one(self, why: str, name: str) -> UsageError:
        return of_one(len(self.parsers), "parsers", why, name)

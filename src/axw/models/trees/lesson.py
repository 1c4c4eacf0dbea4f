"""What a parser learns from: sentences and their trees as pairs of a translator's lesson, and the F1 of its own trees."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from axw.data.trees import Tree
from axw.data.vocabulary import Vocabulary
from axw.decoding import SearchSettings
from axw.errors import UsageError
from axw.measures.brackets import summarise_brackets
from axw.models.members import Begin
from axw.models.shelf import Shelf
from axw.models.text_model import Lesson
from axw.models.translation.lesson import Encoded, Spelling, translation_lesson
from axw.models.trees.ids import encode_trees, encode_trees_stream
from axw.models.trees.settings import ParserSettings
from axw.models.trees.writing import score_trees, write_trees
from axw.models.words.masked_words import MaskedLanguageModel
from axw.networks.masked_words import MaskedWords
from axw.networks.transformer import Transformer

_WATCHED = 500  # validation trees that are parsed at each evaluation, at most


def parser_lesson(
    settings: ParserSettings,
    vocabularies: tuple[Vocabulary, Vocabulary],
    train: Collection[Tree],
    valid: Sequence[Tree],
    network: nn.Module,
    shelf: Shelf,
) -> Lesson:
    """The lesson of a translator into brackets. Watched: its loss, and f1 in percent of the trees that it writes greedily."""
    source, target = vocabularies
    held = Encoded(source.encode([text_of(tree) for tree in valid]), encode_trees(target, valid, settings.leaves))
    spelled = _spelling(settings, source, target, train, shelf)
    lesson = translation_lesson(settings.as_translation(), spelled, held, network)
    if lesson.evaluate is None:
        return lesson
    likelihood = lesson.evaluate
    watched = list(valid[:: -(-len(valid) // _WATCHED)])
    words, ids = [tree.words() for tree in watched], source.encode([text_of(tree) for tree in watched])
    greedy = greedy_search(settings)

    def evaluate(model: nn.Module) -> dict[str, float]:
        found = write_trees(begins(model), ids, words, target, greedy, settings.leaves)
        summary = summarise_brackets(score_trees(watched, [parses[0].tree for parses in found]))
        return {**likelihood(model), "f1": 100 * summary.f1}

    return lesson._replace(evaluate=evaluate)


def greedy_search(settings: ParserSettings) -> SearchSettings:
    """The search of the settings with a beam of 1."""
    return replace(settings.search, beam=1, nbest=1, temperature=None, top_k=None, top_p=None)


def begins(network: Any) -> Begin:
    """How the network begins to write: a decoder and its first state."""

    def begin(source: torch.Tensor) -> tuple[Any, Any]:
        with torch.no_grad():
            return network, network.start(network.encode(source.to(network.projection.device)))

    return begin


def text_of(tree: Tree) -> str:
    """The words of the tree as a line."""
    return " ".join(tree.words())


class TreeLines:
    """The words of each tree as a line."""

    def __init__(self, trees: Collection[Tree]) -> None:
        self._trees = trees

    def __len__(self) -> int:
        return len(self._trees)

    def __iter__(self) -> Iterator[str]:
        return map(text_of, self._trees)


def _spelling(
    settings: ParserSettings, source: Vocabulary, target: Vocabulary, trees: Collection[Tree], shelf: Shelf
) -> Spelling:
    """The pairs of each epoch: the trees stay, the words are spelled anew where `subword_dropout` asks for it."""
    lines = TreeLines(trees)
    written = shelf.keep("trees", partial(encode_trees_stream, target, trees, settings.leaves))
    if not settings.subword_dropout:
        fixed = Encoded(shelf.keep("words", partial(source.encode_stream, lines)), written)
        return lambda epoch: fixed
    sampler = source.sampler(lines, partial(shelf.keep_anew, "numbers-of-words"))

    def drawn(epoch: int) -> Encoded:
        words = sampler.draw_stream(settings.subword_dropout, (settings.train.seed, epoch, 0))
        return Encoded(shelf.keep_anew("words", words), written)

    return drawn


_SAME = (
    *("d_model", "layers", "heads", "d_k", "d_v", "d_ff", "feedforward", "bias", "score", "positions"),
    *("norm", "norm_place", "window", "normalize"),
)


def start_from(network: nn.Module, settings: ParserSettings, words: MaskedLanguageModel) -> None:
    """Give the network the embedding and the encoder of a masked-word model. `UsageError` where it is built otherwise."""
    other, mine = words.settings.network, settings.transformer
    apart = [name for name in _SAME if getattr(other, name) != getattr(mine, name)]
    if apart:
        got = ", ".join(f"{name} is {getattr(mine, name)}, there {getattr(other, name)}" for name in apart)
        changes = " ".join(f"--set transformer.{name}={getattr(other, name)}" for name in apart)
        raise UsageError(f"The masked-word model is built otherwise: {got}.", "In pretrained.", f"Set {changes}")
    taught, given = cast(Transformer, network), cast(MaskedWords, words.network)
    taught.embed_source.load_state_dict(given.embed.state_dict())
    taught.encoder.load_state_dict(given.encoder.state_dict())

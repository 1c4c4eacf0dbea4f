"""What a parser learns from: sentences and their trees as pairs of a translator's lesson, and the F1 of its own trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import nn

from axw.data.sentences import Sentences
from axw.data.trees import Tree
from axw.data.vocabulary import Vocabulary
from axw.decoding import SearchSettings
from axw.errors import UsageError
from axw.measures.brackets import summarise_brackets
from axw.models.text_model import Lesson
from axw.models.translation.lesson import Encoded, Spelling, translation_lesson
from axw.models.trees.ids import encode_trees
from axw.models.trees.settings import ParserSettings
from axw.models.trees.writing import Begin, score_trees, write_trees
from axw.models.words.masked_words import MaskedLanguageModel
from axw.networks.masked_words import MaskedWords
from axw.networks.transformer import Transformer

_WATCHED = 500  # validation trees that are parsed at each evaluation, at most


def parser_lesson(
    settings: ParserSettings,
    vocabularies: tuple[Vocabulary, Vocabulary],
    train: Sequence[Tree],
    valid: Sequence[Tree],
    network: nn.Module,
) -> Lesson:
    """The lesson of a translator into brackets. Watched: its loss, and f1 in percent of the trees that it writes greedily."""
    source, target = vocabularies
    held = Encoded(source.encode([text_of(tree) for tree in valid]), encode_trees(target, valid, settings.leaves))
    spelled = _spelling(settings, source, [text_of(tree) for tree in train], target, train)
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
            return network, network.start(network.encode(source))

    return begin


def text_of(tree: Tree) -> str:
    """The words of the tree as a line."""
    return " ".join(tree.words())


def _spelling(
    settings: ParserSettings, source: Vocabulary, lines: Sequence[str], target: Vocabulary, trees: Sequence[Tree]
) -> Spelling:
    """The pairs of each epoch: the trees stay, the words are spelled anew where `subword_dropout` asks for it."""
    written = encode_trees(target, trees, settings.leaves)
    if not settings.subword_dropout:
        fixed = Encoded(source.encode(lines), written)
        return lambda epoch: fixed
    sampler = source.sampler(lines)

    def drawn(epoch: int) -> Encoded:
        words: Sentences = sampler.draw(settings.subword_dropout, (settings.train.seed, epoch, 0))
        return Encoded(words, written)

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

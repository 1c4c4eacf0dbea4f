"""From sentences to trees: one search for the best trees over exactly the words of each sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from axw.data.batches import pad
from axw.data.brackets import Leaves, bracketing, from_tokens
from axw.data.sentences import Sentences
from axw.data.trees import Tree
from axw.data.vocabulary import EOS, Vocabulary
from axw.decoding import SearchSettings, search
from axw.decoding.decoder import device_of
from axw.measures.brackets import BracketRules, SentenceScore, score_sentences
from axw.models.members import Begin
from axw.models.trees.constraint import TreeConstraint, TreeLimits
from axw.models.trees.ids import tree_tokens
from axw.models.trees.settings import check_search

RULES = BracketRules(tags_of="gold")  # whose tags say which words are not scored: those of the treebank
_MOST_AT_ONCE = 64  # sentences beside each other
_MOST_ROWS = 60_000  # tokens that all their hypotheses may come to, at three for a word


class Parse(NamedTuple):
    """One tree for a sentence, its score as the search compares them, and its log-probability."""

    tree: Tree
    score: float
    log_probability: float


def write_trees(
    begin: Begin,
    source: Sentences,
    words: Sequence[Sequence[str]],
    target: Vocabulary,
    settings: SearchSettings,
    leaves: Leaves,
) -> list[list[Parse]]:
    """The `settings.nbest` best trees over each sentence, best first; source: the sentences' ids, words: the same as texts."""
    check_search(settings)
    meant, limits = tree_tokens(target), TreeLimits(spare=settings.max_constant)
    rules: TreeConstraint | None = None
    settings = replace(settings, never=())  # the rules say it all
    counts = np.array([len(sentence) for sentence in words], dtype=np.int64)
    order = np.argsort(
        -counts, kind="stable"
    )  # the longest first: where there is not enough memory, it is known at once
    answers: list[list[Parse]] = [[] for _ in words]
    start = 0
    while start < len(order):
        rows = settings.beam * (3 * int(counts[order[start]]) + 1)
        index = order[start : start + max(1, min(_MOST_AT_ONCE, _MOST_ROWS // rows))]
        start += len(index)
        decoder, state = begin(torch.from_numpy(pad(source, index, after=(EOS,))))
        rules = rules or TreeConstraint(meant, limits, device_of(state))
        over = rules.over(torch.from_numpy(counts[index]))
        lengths = counts[index].tolist()
        found = search(decoder, state, settings, source_lengths=lengths, allow=over, numbers=index.tolist())
        for i, hypotheses in zip(index, found, strict=True):
            for best in hypotheses:
                tokens = [target.entries[token] for token in best.ids]
                tree = from_tokens(tokens, words[i], leaves=leaves)
                answers[i].append(Parse(tree, best.score, best.log_probability))
    return answers


def score_trees(gold: Sequence[Tree], parsed: Sequence[Tree]) -> list[SentenceScore]:
    """The brackets of each parse against the treebank's, counted as EVALB counts them, the treebank's tags deciding."""
    return score_sentences(map(bracketing, gold), map(bracketing, parsed), RULES)

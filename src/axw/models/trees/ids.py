"""Trees as ids: the vocabulary of brackets, and what the ids mean to the search and to the network."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from axw.data.brackets import Leaves, bracket_tokens, label_inventory, linearise, treebank_word
from axw.data.sentences import Sentences
from axw.data.trees import Tree
from axw.data.vocabulary import EOS, NAMES, UNK, Vocabulary
from axw.data.words import BLANKS, between_blanks
from axw.errors import DataError
from axw.models.trees.constraint import TreeTokens
from axw.networks.tree_walk import TreeRoles

_CHUNK = 20_000  # trees that are turned into ids at a time


def tree_vocabulary(trees: Collection[Tree], leaves: Leaves) -> Vocabulary:
    """A bracket is an extra token; what stands for a word, XX or its tag, is a piece."""
    brackets = bracket_tokens(label_inventory(trees))
    if not brackets:
        what = "There is no constituent but tags in the trees."
        raise DataError(what, "In the training trees.", "Give trees: (S (NN words))")

    def words() -> Iterator[list[str]]:
        return ([token for token in tokens if token[0] not in "()"] for tokens in _written(trees, leaves))

    size = len(NAMES) + len(brackets) + len({word for line in words() for word in line})
    return Vocabulary.learn((" ".join(line) for line in words()), size, kind="words", extra=brackets)


def encode_trees(vocabulary: Vocabulary, trees: Iterable[Tree], leaves: Leaves) -> Sentences:
    """The tokens of each tree as ids; <unk> for a label that the training trees do not have."""
    return Sentences.join(encode_trees_stream(vocabulary, trees, leaves))


def encode_trees_stream(vocabulary: Vocabulary, trees: Iterable[Tree], leaves: Leaves) -> Iterator[Sentences]:
    """`encode_trees` for trees that outgrow memory: some thousand at a time, in order."""
    ids = {entry: i for i, entry in enumerate(vocabulary.entries)}
    written = _written(trees, leaves)
    while chunk := list(islice(written, _CHUNK)):
        yield Sentences.of([[ids.get(token, UNK) for token in tokens] for tokens in chunk])


def _written(trees: Iterable[Tree], leaves: Leaves) -> Iterator[list[str]]:
    """The tokens of each tree; `DataError` names the tree that cannot be written so."""
    for number, tree in enumerate(trees, 1):
        try:
            yield linearise(tree, leaves)
        except DataError as error:
            raise DataError(error.what, f"tree {number}: {repr(tree)[:80]}", error.todo) from error


def tree_tokens(vocabulary: Vocabulary) -> TreeTokens:
    """Where brackets and words stand in a vocabulary of `tree_vocabulary`."""
    extra = vocabulary.extra
    opens = [i for name, i in extra.items() if name.startswith("(")]
    closes = [extra[f"){name[1:]}"] for name in extra if name.startswith("(")]
    return TreeTokens(opens, closes, list(vocabulary.piece_ids), EOS, vocabulary.size)


def tree_roles(source: Vocabulary, target: Vocabulary) -> TreeRoles:
    """What the network has to know of the ids of both vocabularies."""
    tokens = tree_tokens(target)
    return TreeRoles(word_beginnings(source).tolist(), tokens.opens, tokens.closes, tokens.words)


def word_beginnings(vocabulary: Vocabulary) -> np.ndarray:
    """The ids (k,) that begin a word, names such as the end among them: those that do so between two letters."""
    letter = int(vocabulary.encode(["a"])[0][-1]) if vocabulary.kind == "bpe" else vocabulary.first
    ids = np.arange(vocabulary.size)
    around = np.full(vocabulary.size, letter)
    numbers = vocabulary.word_numbers(np.stack([around, ids, around], 1))
    return np.flatnonzero(numbers[:, 1] > numbers[:, 0])


def words_of_sentence(sentence: str | Sequence[str], where: str) -> list[str]:
    """The words of a sentence, as trees hold them: a text is cut at blanks; ( is -LRB-. `DataError` where there is none.

    A list may hold blanks inside its words no more than a tree may.
    """
    words = between_blanks(sentence) if isinstance(sentence, str) else list(sentence)
    wrong = next((word for word in words if not word or any(blank in word for blank in BLANKS)), None)
    if not words or wrong is not None:
        what = "The sentence has no word." if not words else f"The word {str(wrong)[:60]!r} is empty or holds a blank."
        raise DataError(what, where, "Give the words of a sentence with blanks between them.")
    return [treebank_word(word) for word in words]

"""`ConstituencyParser`: sentences in, trees over exactly their words out; trained on the user's own trees."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import nn

from axw.data.batches import pad
from axw.data.brackets import check_words, label_inventory, linearise, normalise
from axw.data.tree_file import TreeFile
from axw.data.trees import Tree
from axw.data.vocabulary import BOS, EOS, Vocabulary
from axw.decoding import SearchSettings
from axw.errors import DataError, UsageError, did_you_mean
from axw.learning import TrainSettings, fingerprint_of_bytes, to_dict
from axw.measures.brackets import SentenceScore, summarise_brackets
from axw.models.run_vocabularies import vocabulary_lines
from axw.models.shelf import Shelf
from axw.models.text_card import text_card
from axw.models.text_model import Lesson, Place, TextModel
from axw.models.translation.lesson import Encoded, likelihood
from axw.models.trees.ids import encode_trees, tree_roles, tree_vocabulary, words_of_sentence
from axw.models.trees.lesson import TreeLines, begins, parser_lesson, start_from, text_of
from axw.models.trees.settings import ParserSettings
from axw.models.trees.writing import Parse, score_trees, write_trees
from axw.models.units import Unit
from axw.models.words.masked_words import MaskedLanguageModel
from axw.networks.luong import LuongNetwork
from axw.networks.transformer import Transformer
from axw.networks.tree_transformer import TreeTransformer

_HELD_OUT, _MOST_HELD_OUT = 20, 500  # where no validation trees are given, every 20th tree is one
_CHUNK = 1024  # sentences that are sorted by length before they are parsed
Sentence = str | Sequence[str]
"""A text whose words have blanks between them, as a treebank cuts them, or the list of its words."""


class TreeData(NamedTuple):
    """The trees that are learned from, and those that the training is watched on, in normal form."""

    train: Collection[Tree]
    valid: list[Tree]


class ConstituencyParser(TextModel[ParserSettings, TreeData]):
    """p(y | x) = prod_t softmax(E h_t): y the tree of the sentence x, written as brackets (Vaswani et al. 2017, section 6.3).

    Every answer is a whole tree over exactly the words of its sentence: nothing else may be said.

    >>> p = ConstituencyParser().fit(axw.data.read_trees("train.mrg"))          # doctest: +SKIP
    >>> p.parse(["The cat sat ."])[0].to_string()                               # doctest: +SKIP
    """

    kind = "trees"
    settings_class = ParserSettings

    def fit(
        self,
        trees: Iterable[Tree | str] | TreeFile,
        valid: Iterable[Tree | str] | None = None,
        place: Place | None = None,
    ) -> ConstituencyParser:
        """Learn from trees, in brackets or as `Tree`, in any form: see `normalise`. `valid` is watched; without it, every 20th
        tree is held out for that. A `TreeFile` may be larger than memory: it is read tree by tree.

        Raises `DataError` where a tree is empty or ill-formed, or where there is none.
        """
        self._fit(_data(trees, valid), place or Place())
        return self

    # ---------------------------------------------------------------------------------------------------------- parsing

    def parse(
        self, sentences: Iterable[Sentence], *, beam: int | None = None, search: SearchSettings | None = None
    ) -> list[Tree]:
        """One tree for each sentence, in order.

        beam     hypotheses that are followed at once, where `search` is not given;  search: see `SearchSettings`
        Raises `DataError` for a sentence without words. A sentence has the same tree alone and beside others, up to ties that
        rounding decides.
        """
        return [best[0].tree for best in self.hypotheses(sentences, beam=beam, search=search)]

    def hypotheses(
        self, sentences: Iterable[Sentence], *, beam: int | None = None, search: SearchSettings | None = None
    ) -> Iterator[list[Parse]]:
        """The `search.nbest` best trees of each sentence, best first, as they are made."""
        settings = self.settings.search if search is None else search
        settings = settings if beam is None else replace(settings, beam=beam, nbest=min(settings.nbest, beam))
        source, target = self._sides()
        if isinstance(sentences, str):
            raise UsageError("The sentences are one text; allowed: several.", "In parse.", "Give a list: [sentence].")
        numbered = ((f"sentence {i}", sentence) for i, sentence in enumerate(sentences, 1))
        while chunk := list(islice(numbered, _CHUNK)):
            words = [words_of_sentence(sentence, where) for where, sentence in chunk]
            ids = source.encode([" ".join(one) for one in words])
            yield from write_trees(self._begin, ids, words, target, settings, self.settings.leaves)

    def _begin(self, source: torch.Tensor) -> tuple[Any, Any]:
        """What the search steps with, and its first state; several networks are one decoder."""
        return begins(self.network)(source)

    # -------------------------------------------------------------------------------------------------------- measuring

    def scores(
        self, trees: Iterable[Tree | str], *, beam: int | None = None, search: SearchSettings | None = None
    ) -> list[SentenceScore]:
        """The brackets of the parser's trees against these, sentence by sentence, as EVALB counts them: see `axw.measures`."""
        gold = normal(trees, "the trees")
        return score_trees(gold, self.parse([tree.words() for tree in gold], beam=beam, search=search))

    def evaluate(self, trees: Iterable[Tree | str], *, beam: int | None = None) -> dict[str, float]:
        """f1, precision, recall, exact, no_crossing in percent, crossing brackets a sentence, the loss of a token; with tags,
        also tag_accuracy in percent. See `BracketSummary`."""
        gold = normal(trees, "the trees")
        return {**measures_of(self.scores(gold, beam=beam), self.settings.leaves), **self.likelihood(gold)}

    def likelihood(self, trees: Iterable[Tree | str]) -> dict[str, float]:
        """loss (nats per token of the trees as they should be written) and perplexity."""
        gold, (source, target) = normal(trees, "the trees"), self._sides()
        return self._likelihood(
            Encoded(source.encode(map(text_of, gold)), encode_trees(target, gold, self.settings.leaves))
        )

    def _likelihood(self, pairs: Encoded) -> dict[str, float]:
        return likelihood(self.network, pairs)

    def attention(
        self, sentence: Sentence, tree: Tree | str | None = None, unit: Unit = "words"
    ) -> dict[str, np.ndarray]:
        """A between the words of the sentence: name of the layer -> (h n n), row i what word i reads.

        "encoder 1" and on: the words among themselves; "cross 1" and on: what the decoder reads in the step that writes word i.
        Pieces of a word that is read are added up, of a word that reads averaged; the end of the sentence is left out.
        unit="pieces": "encoder" layers (h, pieces, pieces) and "cross" layers (h, words, pieces) as they are; a guided decoder
        reads words alone, and its "cross" layers are left out.
        tree   what is written; None: the best tree. Raises `DataError` where its words are not those of the sentence.
        """
        words = words_of_sentence(sentence, "the sentence")
        if tree is None:
            best = self.parse([words])[0]
        else:
            best = normal([tree], "the tree")[0]
            check_words(best, words)
        source, target = self._sides()
        pieces = source.encode([" ".join(words)])
        written = encode_trees(target, [best], self.settings.leaves)
        network: Any = self.network
        found = network.attention(
            torch.from_numpy(pad(pieces, [0], after=(EOS,))), torch.from_numpy(pad(written, [0], before=(BOS,)))
        )
        number, guided = source.word_numbers(pieces[0]), self.settings.architecture == "guided"
        if unit == "pieces":
            number = np.arange(len(number))
        together = (number[:, None] == np.arange(int(number.max()) + 1)).astype(np.float64)  # (pieces n)
        tokens = linearise(best, self.settings.leaves)
        steps = [t for t, token in enumerate(tokens) if token[0] not in "()"]  # the row before a token writes it
        answers = {}
        for name, A in ((name, A[0].double().numpy()) for name, A in found.items()):
            if name.startswith("encoder"):
                answers[name] = (together / together.sum(0)).T @ A[:, : len(number), : len(number)] @ together
            elif name.startswith("cross") and not guided:
                answers[name] = A[:, steps, : len(number)] @ together
            elif name.startswith("cross") and unit == "words":
                answers[name] = A[:, steps, : len(words)]
        return answers

    def word_attention(
        self, sentence: Sentence, word: int, layer: str | None = None, tree: Tree | str | None = None
    ) -> np.ndarray:
        """(n,) what word number `word`, from 0, reads of each word: the mean over the heads of `layer` (None: the last of the
        encoder, or of the decoder where the encoder has none), added up to 1 over the words."""
        found = self.attention(sentence, tree)
        if not found:
            raise UsageError("This network has no attention.", "attention", "Train one that has.")
        names = [name for name in found if name.startswith("encoder")] or list(found)
        layer = names[-1] if layer is None else layer
        if layer not in found:
            raise UsageError(f"There is no layer {layer!r}. {did_you_mean(layer, found)}", "attention")
        A = found[layer].mean(0)
        if not 0 <= word < len(A):
            raise UsageError(f"word is {word}; allowed: 0 to {len(A) - 1}.", "attention", "Count the words from 0.")
        return np.asarray(A[word] / max(A[word].sum(), 1e-30))

    # ------------------------------------------------------------------------------------------- what the base asks for

    def _sides(self) -> tuple[Vocabulary, Vocabulary]:
        """The vocabularies of words and of brackets."""
        _ = self.network
        return self._vocabularies["source"], self._vocabularies["target"]

    def _learn_vocabularies(self, data: TreeData) -> dict[str, Vocabulary]:
        s = self.settings
        target = tree_vocabulary(data.train, s.leaves)
        if s.pretrained is not None:
            return {"source": MaskedLanguageModel.load(s.pretrained).vocabulary, "target": target}
        lines = vocabulary_lines(TreeLines(data.train))
        return {"source": Vocabulary.learn(lines, s.vocabulary, kind=s.pieces), "target": target}

    def _make_network(self, vocabularies: Mapping[str, Vocabulary]) -> nn.Module:
        s, source, target = self.settings, vocabularies["source"], vocabularies["target"]
        if s.architecture == "luong":
            return LuongNetwork(s.luong, source.size, target.size, seed=s.train.seed)
        if s.architecture == "transformer":
            return Transformer(s.transformer, source.size, target.size, seed=s.train.seed)
        roles = tree_roles(source, target)
        return TreeTransformer(s.transformer, source.size, target.size, roles, seed=s.train.seed)

    def _lesson(self, data: TreeData, network: nn.Module, shelf: Shelf) -> Lesson:
        if self.settings.pretrained is not None:
            start_from(network, self.settings, MaskedLanguageModel.load(self.settings.pretrained))
        sides = self._vocabularies["source"], self._vocabularies["target"]
        return parser_lesson(self.settings, sides, data.train, data.valid, network, shelf)

    def _train_settings(self) -> TrainSettings:
        return self.settings.train

    def _fingerprint(self, data: TreeData) -> str:
        end = [Tree("", ())]
        return fingerprint_of_bytes(repr(tree).encode() for trees in data for tree in chain(trees, end))

    def _facts(self, data: TreeData) -> dict[str, Any]:
        sizes = {"training trees": len(data.train), "validation trees": len(data.valid)}
        labels = len(label_inventory(data.train))
        return {"data": {**sizes, "labels": labels, "pieces": self._vocabularies["source"].size}}

    def _card(self) -> str:
        return text_card(
            "A constituency parser",
            "It writes the tree of a sentence, over exactly its words, in the manner of its training trees.",
            ["axw parse THIS_FOLDER < sentences"],
            self.network,
            to_dict(self.settings),
            self.facts,
        )


def measures_of(scores: Sequence[SentenceScore], leaves: str) -> dict[str, float]:
    """What is printed of a corpus: shares in percent."""
    found = summarise_brackets(scores)
    names = ("f1", "precision", "recall", "exact", "no_crossing", *(("tag_accuracy",) if leaves == "tags" else ()))
    return {**{name: 100 * getattr(found, name) for name in names}, "crossing": found.crossing}


def normal(trees: Iterable[Tree | str], where: str) -> list[Tree]:
    """The trees in normal form. `DataError` names the one that is empty or ill-formed, and where there is none."""
    found = list(_normalised(trees, where))
    if not found:
        raise DataError("There is no tree.", where, "Give trees in brackets: (S (NP (NN cats)) (VP (VBP sit)))")
    return found


def _normalised(trees: Iterable[Tree | str], where: str) -> Iterator[Tree]:
    for number, tree in enumerate(trees, 1):
        try:
            yield normalise(Tree.from_string(tree) if isinstance(tree, str) else tree)
        except DataError as error:
            raise DataError(error.what, f"tree {number} of {where}, {error.where}", error.todo) from error


class SomeTrees:
    """The trees of a file in normal form but every `step`-th (None: all), read anew each time."""

    def __init__(self, file: TreeFile, step: int | None) -> None:
        self._file, self._step = file, step

    def __len__(self) -> int:
        return len(self._file) - (len(self._file) // self._step if self._step else 0)

    def __iter__(self) -> Iterator[Tree]:
        found = enumerate(_normalised(self._file, "the training trees"), 1)
        return (tree for i, tree in found if self._step is None or i % self._step)

    def __contains__(self, tree: object) -> bool:
        return any(tree == each for each in self)


def _data(trees: Iterable[Tree | str] | TreeFile, valid: Iterable[Tree | str] | None) -> TreeData:
    if isinstance(trees, TreeFile) and trees.held is None:
        step = None if valid is not None else max(_HELD_OUT, len(trees) // _MOST_HELD_OUT)
        held = valid if step is None else islice(trees, step - 1, None, step)
        return TreeData(SomeTrees(trees, step), normal(cast("Iterable[Tree | str]", held), "the validation trees"))
    train = normal(trees, "the training trees")
    if valid is not None:
        return TreeData(train, normal(valid, "the validation trees"))
    step = max(_HELD_OUT, len(train) // _MOST_HELD_OUT)
    return TreeData([tree for i, tree in enumerate(train, 1) if i % step], train[step - 1 :: step])

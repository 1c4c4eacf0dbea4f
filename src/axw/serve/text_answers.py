"""Lines of text: words for [MASK], translations, trees, classes; and which word reads which."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from axw.data.brackets import normalise
from axw.data.trees import Tree
from axw.data.vocabulary import Vocabulary
from axw.errors import AxwError
from axw.models.leave_one_out import class_words_left_out
from axw.models.translation.readings import readings
from axw.models.translation.strange_lines import strange_note
from axw.models.units import Unit, units_of
from axw.models.words.filled import TOKEN
from axw.networks.masked_words import MaskedWords
from axw.serve.filling import fill_many
from axw.serve.limits import BEAM, EXPLAINED_PIECES, EXPLAINED_WORDS, MASKS, PIECES, WORDS
from axw.serve.refusals import Refusal


class LineItem(NamedTuple):
    """A line, and what it was turned into where that is asked about."""

    line: str
    target: str | None = None


class FillKey(NamedTuple):
    """What lines share that are filled beside each other."""

    top: int
    order: str


class SearchKey(NamedTuple):
    """What lines share that are searched for beside each other."""

    beam: int | None
    nbest: int


class LookKey(NamedTuple):
    """How an answer is explained: whether with pictures, and in words or in the pieces that the network reads."""

    pictures: bool = False
    unit: Unit = "words"


def checked(item: LineItem, vocabulary: Vocabulary, words: int = WORDS, most: int = PIECES) -> str:
    """The line, where it is no longer than the server takes. Raises `Refusal`: too_long."""
    for text in (item.line, item.target or ""):
        count = len(text.split())
        if count > words:
            raise Refusal("too_long", "It is counted in words.", limit=words, got=count)
        pieces = int(vocabulary.encode([text]).lengths[0])
        if pieces > most:
            raise Refusal("too_long", "It is counted in pieces of words.", limit=most, got=pieces)
    return item.line


def sort_out(
    items: Sequence[LineItem], vocabulary: Vocabulary, answers: list[Any], words: int = WORDS, pieces: int = PIECES
) -> list[int]:
    """The places of the lines that can be asked; refusals go into `answers`."""
    fit = []
    for i, item in enumerate(items):
        try:
            checked(item, vocabulary, words, pieces)
            fit.append(i)
        except Refusal as refusal:
            answers[i] = refusal
    return fit


def to_explain(items: Sequence[LineItem], vocabulary: Vocabulary, answers: list[Any], unit: Unit) -> list[int]:
    """`sort_out`, where the answer grows with the square of the words, or of the pieces."""
    return sort_out(items, vocabulary, answers, EXPLAINED_WORDS, PIECES if unit == "words" else EXPLAINED_PIECES)


class WordsAnswers:
    """A masked-word model."""

    def __init__(self, model: Any) -> None:
        self.model, self.filler = model, model.filler()
        self.explains = isinstance(model.network, MaskedWords)

    def fill(self, key: FillKey, items: Sequence[LineItem]) -> list[Any]:
        """{"text", "masks": guesses and what was attended to, "cut", "notes"} for each line."""
        answers: list[Any] = [None] * len(items)
        fit = []
        for i in sort_out(items, self.model.vocabulary, answers):
            if (masks := items[i].line.count(TOKEN)) <= MASKS:
                fit.append(i)
            else:
                answers[i] = Refusal("too_long", f"It is counted in {TOKEN}.", limit=MASKS, got=masks)
        found = fill_many(self.filler, [items[i].line for i in fit], key.top, key.order)
        for i, filled in zip(fit, found, strict=True):
            if isinstance(filled, Refusal):
                answers[i] = filled
                continue
            told = filled.to_json()
            chances = [guess["probability"] for mask in told["masks"] for guess in mask["guesses"]]
            cut = told.pop("pieces_not_read")
            del told["schema"], told["line"]
            answers[i] = {**told, "cut": cut} if all(map(math.isfinite, chances)) else Refusal("not_finite")
        return answers

    def explain(self, key: LookKey, items: Sequence[LineItem]) -> list[Any]:
        """{"source", "target": the words, "reads"[i][j]: what word i of target reads of word j of source}: the same words; or
        the pieces of words, where the key says so."""
        answers: list[Any] = [None] * len(items)
        for i in to_explain(items, self.model.vocabulary, answers, key.unit):
            ids = self.model.vocabulary.encode([items[i].line], mask_token=TOKEN)[0]
            if not len(ids):
                answers[i] = Refusal("unusable", "The line has no words.")
                continue
            try:
                _, found = self.model.attention(items[i].line)
            except AxwError as error:
                answers[i] = Refusal("unusable", error.what)
                continue
            names, numbers = units_of(self.model.vocabulary, ids, key.unit)
            A = np.mean([A.mean(0)[1:-1, 1:-1] for A in found.values()], axis=0)
            together = (numbers[:, None] == np.arange(len(names))).astype(np.float64)
            reads = (together / np.maximum(together.sum(0), 1)).T @ A @ together
            answers[i] = matrix(names, names, reads)
        return answers


class TranslationAnswers:
    """A translator."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.explains = bool(readings(model.settings))

    def translate(self, key: SearchKey, items: Sequence[LineItem]) -> list[Any]:
        """{"text", "score", "finished", "others": the next best, "cut", "notes"} for each line."""
        source = self.model._sides("forward")[0]
        answers: list[Any] = [None] * len(items)
        fit = sort_out(items, source, answers)
        lines = [items[i].line for i in fit]
        search = bounded(self.model.settings.search, key)
        longest = self.model.settings.longest
        for i, line, found in zip(fit, lines, self.model.hypotheses(lines, search=search), strict=True):
            ids = source.encode([line])
            cut = max(0, int(ids.lengths[0]) - longest)
            notes = strange_note(source, ids)
            if cut:
                notes.append(f"longer than the {longest} pieces that the model reads at once: translated in parts")
            best = [{"text": each.text, "score": each.score, "finished": each.finished} for each in found]
            first = best[0] if best else {"text": "", "score": 0.0, "finished": True}
            if not all(math.isfinite(each["score"]) for each in best):
                answers[i] = Refusal("not_finite")
                continue
            if not first["finished"]:
                notes.append("the end was not said within the longest length: the translation is cut there")
            answers[i] = {**first, "others": best[1:], "cut": cut, "notes": notes}
        return answers

    def explain(self, key: LookKey, items: Sequence[LineItem]) -> list[Any]:
        """{"source", "target", "reads"}: what each word of the translation reads of each word of the line."""
        answers: list[Any] = [None] * len(items)
        for i in to_explain(items, self.model._sides("forward")[0], answers, key.unit):
            target = items[i].target
            if target is None:
                found = self.model.hypotheses(
                    [items[i].line], search=bounded(self.model.settings.search, SearchKey(None, 1))
                )
                target = next((each[0].text for each in found if each), "")
            said = " ".join(target.split()[:EXPLAINED_WORDS])
            if key.unit == "pieces":
                other = self.model._sides("forward")[1]
                said = other.decode(other.encode([said])[0][:EXPLAINED_PIECES])
            one = self.model.alignment(items[i].line, said, unit=key.unit)
            answers[i] = matrix(one.source, one.target, one.soft)
        return answers


class TreeAnswers:
    """A parser."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def parse(self, key: SearchKey, items: Sequence[LineItem]) -> list[Any]:
        """{"tree": in brackets, "score", "notes"} for each sentence."""
        answers: list[Any] = [None] * len(items)
        fit = self._with_words(items, answers, WORDS)
        search = bounded(self.model.settings.search, key)
        lines = [items[i].line for i in fit]
        for i, found in zip(fit, self.model.hypotheses(lines, search=search), strict=True):
            finite = math.isfinite(found[0].score)
            told = {"tree": found[0].tree.to_string(), "score": found[0].score, "notes": []}
            answers[i] = told if finite else Refusal("not_finite")
        return answers

    def explain(self, key: LookKey, items: Sequence[LineItem]) -> list[Any]:
        """{"source", "target": the words, "reads"}: the last layer of words among themselves, or else of the decoder."""
        answers: list[Any] = [None] * len(items)
        most = PIECES if key.unit == "words" else EXPLAINED_PIECES
        for i in self._with_words(items, answers, EXPLAINED_WORDS, most):
            try:
                tree = tree_of(self.model, items[i])
            except Refusal as refusal:
                answers[i] = refusal
                continue
            found = self.model.attention(items[i].line, tree, key.unit)
            names = [name for name in found if name.startswith("encoder")] or list(found)
            if not names:
                answers[i] = Refusal("not_offered", "This network has no attention.")
                continue
            A, read = found[names[-1]].mean(0), tree.words()
            if key.unit == "pieces":
                source = self.model._sides()[0]
                read = source.pieces(source.encode([" ".join(read)])[0])
            asked = read if len(A) == len(read) else tree.words()
            answers[i] = matrix(read, asked, A / np.maximum(A.sum(-1, keepdims=True), 1e-30))
        return answers

    def _with_words(self, items: Sequence[LineItem], answers: list[Any], words: int, pieces: int = PIECES) -> list[int]:
        fit = sort_out([LineItem(item.line) for item in items], self.model._sides()[0], answers, words, pieces)
        for i in fit:
            line = items[i].line
            if not line.split() or "(" in line or ")" in line:
                answers[i] = Refusal("unusable", "Give words with blanks between them; brackets as -LRB- and -RRB-.")
        return [i for i in fit if answers[i] is None]


def tree_of(model: Any, item: LineItem) -> Tree:
    """The tree that is asked about, or else the parser's own, found quickly. Raises `Refusal`: unusable."""
    if item.target is None:
        found: Tree = model.parse([item.line], search=bounded(model.settings.search, SearchKey(1, 1)))[0]
        return found
    try:
        tree = normalise(Tree.from_string(item.target))
    except AxwError as error:
        raise Refusal("unusable", f"The target is no tree: {error.what}") from None
    if tree.words() != item.line.split():
        raise Refusal("unusable", "The target is a tree over other words than those of the line.")
    return tree


class SentenceAnswers:
    """A classifier of lines."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, key: Hashable, items: Sequence[LineItem]) -> list[Any]:
        """{"prediction", "probabilities", "notes"} for each line."""
        answers: list[Any] = [None] * len(items)
        fit = sort_out(items, self.model.vocabulary, answers)
        classes = list(self.model.classes)
        for i, values in zip(fit, self.model.predict_proba([items[i].line for i in fit]), strict=True):
            chances = dict(zip(classes, map(float, values), strict=True))
            told = {"prediction": classes[int(values.argmax())], "probabilities": chances, "notes": []}
            answers[i] = told if np.isfinite(values).all() else Refusal("not_finite")
        return answers

    def explain(self, key: LookKey, items: Sequence[LineItem]) -> list[Any]:
        """{"source": the words, "lost": what log p of the likeliest class loses without each}, in nats."""
        answers: list[Any] = [None] * len(items)
        for i in to_explain(items, self.model.vocabulary, answers, key.unit):
            if not items[i].line.split():
                answers[i] = Refusal("unusable", "The line has no words.")
                continue
            words, lost = class_words_left_out(self.model, items[i].line, key.unit)
            finite = bool(np.isfinite(lost).all())
            told = {"source": words, "lost": np.round(lost, 4).tolist(), "notes": []}
            answers[i] = told if finite else Refusal("not_finite")
        return answers


def bounded(search: Any, key: SearchKey) -> Any:
    """The model's own search with the beam that is asked for, and never more than the server's."""
    beam = max(key.nbest, min(search.beam, BEAM) if key.beam is None else key.beam)
    return replace(search, beam=beam, nbest=key.nbest)


def matrix(source: Sequence[str], target: Sequence[str], reads: np.ndarray) -> Any:
    """The words of both sides, and a row for each word that reads; four digits are what a picture shows."""
    if not np.isfinite(reads).all():
        return Refusal("not_finite")
    return {"source": list(source), "target": list(target), "reads": np.round(reads, 4).tolist(), "notes": []}

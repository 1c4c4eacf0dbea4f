"""Lines to classes: `SentenceClassifier` on the vectors of a model as they are, `FineTunedClassifier` trains all weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from axw.data.batches import batches_by_length, pad
from axw.data.sentences import Sentences
from axw.data.vocabulary import BOS, EOS, Vocabulary
from axw.data.words import several
from axw.errors import DataError, UsageError
from axw.learning import Measured, TrainSettings, cross_entropy, fingerprint_of_bytes, to_dict
from axw.models.lazy import Lazy
from axw.models.shelf import Shelf
from axw.models.text_card import text_card
from axw.models.text_model import Lesson, Place, TextModel
from axw.models.words.classifier_settings import SentencesSettings
from axw.models.words.labelled_lines import SentencesData, classes_of, labelled, parted, same_number
from axw.models.words.masked_words import MaskedLanguageModel
from axw.models.words.measures import AROUND
from axw.networks.masked_words import MaskedWords
from axw.networks.sentence_classes import SentenceClasses


class SentenceClassifier(ClassifierMixin, BaseEstimator):
    """softmax(v W + b), v = `model.vectors(lines)` as they are: logistic regression on frozen vectors, in scikit-learn's manner.

    model   a fitted `MaskedLanguageModel`;  C   inverse strength of the ridge penalty on W
    """

    def __init__(self, model: MaskedLanguageModel, C: float = 1.0) -> None:
        self.model, self.C = model, C

    def fit(self, X: Sequence[str], y: Sequence[Any]) -> Self:
        """X: the lines; y: a label each. Raises `DataError` where their numbers differ, or there is one class only."""
        classes = classes_of(list(several(X)), [str(label) for label in y], "the training text")
        self.logistic_ = LogisticRegression(C=self.C, max_iter=1000).fit(self._vectors(X), np.asarray(y))
        self.classes_ = self.logistic_.classes_
        self.n_classes_ = len(classes)
        return self

    def predict(self, X: Sequence[str]) -> np.ndarray:
        """(n,) the likeliest class of each line."""
        check_is_fitted(self)
        return cast(np.ndarray, self.logistic_.predict(self._vectors(X)))

    def predict_proba(self, X: Sequence[str]) -> np.ndarray:
        """(n, classes) in the order of `classes_`."""
        check_is_fitted(self)
        return cast(np.ndarray, self.logistic_.predict_proba(self._vectors(X)))

    def _vectors(self, X: Sequence[str]) -> np.ndarray:
        return self.model.vectors(list(several(X)))


class SentenceBatch(NamedTuple):
    """ids (b n) and the number of the class of each line (b,)."""

    ids: Tensor
    classes: Tensor


class FineTunedClassifier(TextModel[SentencesSettings, SentencesData]):
    """softmax(mean(h) W + b), h the rows of a masked-word model's encoder, all of whose weights are trained on.

    base   the masked-word model to go on from; a classifier that is loaded has none
    """

    kind = "sentences"
    settings_class = SentencesSettings

    def __init__(self, settings: SentencesSettings | None = None, base: MaskedLanguageModel | None = None) -> None:
        super().__init__(settings)
        self.base = base

    def fit(
        self,
        lines: Sequence[str],
        labels: Sequence[Any],
        valid: tuple[Sequence[str], Sequence[Any]] | None = None,
        place: Place | None = None,
    ) -> FineTunedClassifier:
        """Learn from a label for each line; `valid` is watched. Without it, every 10th line of a class is held out for that.

        A label is kept as its text: 1 is "1".

        Raises `DataError` where there are other numbers of lines and labels, or one class only; `UsageError` without a base, or
        with one that is no encoder or has other settings.
        """
        data = parted(labelled(lines, labels), None if valid is None else labelled(*valid))
        self.settings = replace(self.settings, classes=classes_of(*data.train, "the training text"))
        unknown = sorted(set(data.valid.labels) - set(self.classes))
        if unknown:
            raise DataError(
                f"The validation text has the label {unknown[0]!r}, which no training line has.",
                "In the validation labels.",
                f"Use the labels of the training text: {', '.join(self.classes[:10])}.",
            )
        self._encoder()
        self._fit(data, place or Place())
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, sorted: the columns of `predict_proba`. None before `fit`."""
        return self.settings.classes

    def predict_proba(self, lines: Sequence[str]) -> np.ndarray:
        """(n, classes) in the order of `classes`."""
        return self.probabilities(self.vocabulary.encode(several(lines)))

    def probabilities(self, ids: Sentences) -> np.ndarray:
        """(n, classes) of lines that are ids already; the first `longest` - 2 of each are read."""
        return _probabilities(self.network, self._shortened(ids), len(self.classes))

    @property
    def vocabulary(self) -> Vocabulary:
        """The pieces that the model knows. `UsageError` before `fit`."""
        _ = self.network
        return self._vocabularies["vocabulary"]

    def predict(self, lines: Sequence[str]) -> list[str]:
        """The likeliest label of each line."""
        return [self.classes[i] for i in self.predict_proba(lines).argmax(1)]

    def evaluate(self, lines: Sequence[str], labels: Sequence[Any]) -> dict[str, float]:
        """loss: nats per line; accuracy. `DataError` for a label that was not learned."""
        return self._measures(self.predict_proba(lines), self._numbers(lines, labels))

    def _measures(self, p: np.ndarray, classes: np.ndarray) -> dict[str, float]:
        chosen = p[np.arange(len(p)), classes]
        return {
            "loss": float(-np.log(np.maximum(chosen, 1e-300)).mean()),
            "accuracy": float((p.argmax(1) == classes).mean()),
        }

    def _numbers(self, lines: Sequence[str], labels: Sequence[Any]) -> np.ndarray:
        same_number(lines, labels, "the labels")
        places, labels = {label: place for place, label in enumerate(self.classes)}, [str(label) for label in labels]
        unknown = sorted(set(labels) - set(places))
        if unknown:
            todo = f"Use the labels that it learned: {', '.join(self.classes[:10])}."
            raise DataError(f"The model does not know the label {unknown[0]!r}.", "In the labels.", todo)
        return np.array([places[label] for label in labels], np.int64)

    def _encode(self, vocabulary: Vocabulary, lines: list[str]) -> Sentences:
        """The first `longest` - 2 pieces of each line."""
        return self._shortened(vocabulary.encode(lines))

    def _shortened(self, ids: Sentences) -> Sentences:
        return Sentences.of([sentence[: self.settings.longest - AROUND] for sentence in ids])

    # ------------------------------------------------------------------------------------------- what the base asks for

    def _encoder(self) -> MaskedWords:
        """The network to go on from."""
        network = None if self.base is None else self.base.network
        if not isinstance(network, MaskedWords):
            raise UsageError(
                "A classifier goes on from a masked-word model of task 'words'; got "
                f"{'none' if network is None else 'one that fills spans'}.",
                "In FineTunedClassifier.",
                "Give base=MaskedLanguageModel.load(run).",
            )
        if network.settings != self.settings.network:
            raise UsageError(
                "The settings of the network are not those of the base.",
                "In FineTunedClassifier.",
                "Give SentencesSettings(network=base.settings.network).",
            )
        return network

    def _learn_vocabularies(self, data: SentencesData) -> dict[str, Vocabulary]:
        return {"vocabulary": cast(MaskedLanguageModel, self.base).vocabulary}

    def _make_network(self, vocabularies: Mapping[str, Vocabulary]) -> nn.Module:
        s, size = self.settings, vocabularies["vocabulary"].size
        network = SentenceClasses(s.network, size, len(self.classes), seed=s.train.seed)
        if self.base is not None:
            known = dict(self._encoder().named_parameters())
            with torch.no_grad():
                for name, parameter in network.named_parameters():
                    if name in known:
                        parameter.copy_(known[name])
        return network

    def _lesson(self, data: SentencesData, network: nn.Module, shelf: Shelf) -> Lesson:
        s, vocabulary = self.settings, self._vocabularies["vocabulary"]
        (train, classes), (valid, asked) = (
            (self._encode(vocabulary, part.lines), self._numbers(part.lines, part.labels)) for part in data
        )

        def at(ids: Sentences, numbers: np.ndarray, index: np.ndarray) -> SentenceBatch:
            padded = pad(ids, index, before=(BOS,), after=(EOS,))
            return SentenceBatch(torch.from_numpy(padded), torch.from_numpy(numbers[index]))

        def batches(epoch: int) -> Sequence[SentenceBatch]:
            index = batches_by_length(train.lengths + AROUND, s.batch_tokens, seed=s.train.seed, epoch=epoch)
            return Lazy(len(index), lambda i: at(train, classes, index[i]))

        def loss(model: nn.Module, batch: SentenceBatch) -> Measured:
            return cross_entropy(model(batch.ids), batch.classes)

        def evaluate(model: nn.Module) -> dict[str, float]:
            return self._measures(_probabilities(model, valid, len(self.classes)), asked)

        return Lesson(network, loss, batches, evaluate if len(valid) else None)

    def _train_settings(self) -> TrainSettings:
        return self.settings.train

    def _fingerprint(self, data: SentencesData) -> str:
        whole = hashlib.sha256()
        for name, parameter in self._encoder().named_parameters():
            whole.update(name.encode() + parameter.detach().contiguous().numpy().tobytes())
        text = (line.encode() for part in data for side in part for line in (f"{len(side)} lines", *side))
        return fingerprint_of_bytes([whole.digest(), *text])

    def _facts(self, data: SentencesData) -> dict[str, Any]:
        sizes = {"training lines": len(data.train.lines), "validation lines": len(data.valid.lines)}
        return {"data": sizes}

    def _card(self) -> str:
        return text_card(
            "A classifier of lines",
            f"It says to which of {len(self.classes)} classes a line belongs.",
            ["axw predict THIS_FOLDER lines.txt"],
            self.network,
            to_dict(self.settings),
            self.facts,
        )


@torch.no_grad()
def _probabilities(network: nn.Module, ids: Sentences, classes: int) -> np.ndarray:
    """(n, classes) softmax of the scores, many lines at a time."""
    found, device = np.zeros((len(ids), classes)), next(network.parameters()).device
    for index in batches_by_length(ids.lengths + AROUND, 8192, seed=0, epoch=0, noise=0.0):
        scores = network(torch.from_numpy(pad(ids, index, before=(BOS,), after=(EOS,))).to(device))
        found[index] = torch.softmax(scores.double(), -1).cpu().numpy()
    return found

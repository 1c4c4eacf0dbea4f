"""Smoothing: Y = sum over voices of A X W, with each A made of powers of what is given, and the voices chosen by held-out rows.

The memory is every row that is known, with a label or without: rows without one lend their columns and their place in the
relation. A few rows with labels, those of `validation`, are not learned from: they say which of many descriptions of a row pay
(`smoothing_views`), how strong the penalty is, and whether the classes are as common among all rows as among the learned ones.
What is chosen is a mean of linear models, so it is one linear model: of X, with an A for each of its voices.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedKFold

from axw.errors import DataWarning
from axw.learning.few_labels import class_shares, log_losses, log_ratio, ridges, temperatures, vote
from axw.models.tables.problem import TableRows
from axw.models.tables.smoothing_ground import Ground, described, directions, finished, ground_of
from axw.models.tables.smoothing_views import Form, View, candidates, commonness, forms_of
from axw.relations import Relation
from axw.relations.keys import itself, objects

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
FEW = 1_000
SUREST = 0.5
MOST_KEPT = 100_000_000
MOST_COMPARED = 8_000  # rows among which the nearest are looked for: beyond it that takes longer than all the rest


class Voice(NamedTuple):
    """One view that was chosen: its centre (p,) and W (p c)."""

    view: View
    centre: np.ndarray
    W: np.ndarray


class Smoothed(NamedTuple):
    """The answer of the solver: forms of the columns by `View.common`, directions (m r) of "names" by relation, voices, b (c)."""

    forms: dict[float, Form]
    names: dict[int, np.ndarray]
    voices: tuple[Voice, ...]
    b: np.ndarray
    held_out: np.ndarray
    """(m c): outputs for the rows that chose, NaN for all others"""
    chosen: tuple[tuple[str, float], ...]
    """what each voice describes, and its share in the vote"""


class Lesson(NamedTuple):
    """classes (c c) one-hot, codes (m,) with -1 for no label, weight (m,), and the places of the rows that are learned from."""

    classes: np.ndarray
    codes: np.ndarray
    weight: np.ndarray
    learned: np.ndarray

    def Y(self, places: np.ndarray) -> np.ndarray:  # noqa: N802  the letter of the equation
        return np.asarray(self.classes[self.codes[places]])

    def among(self, some: np.ndarray) -> Lesson:
        """The same for the rows at the rising places `some` alone, all learned rows among them."""
        return Lesson(self.classes, self.codes[some], self.weight[some], np.searchsorted(some, self.learned))


class SmoothingStep:
    """Describe, solve, vote; and the outputs of rows that ask."""

    labels = False  # of other rows: what is read along a relation is columns

    def __init__(self, relations: Sequence[Relation], penalty: float | None) -> None:
        self.relations = tuple(relations)
        self.penalties = PENALTIES if penalty is None else (penalty,)

    def solve(self, rows: TableRows, codes: np.ndarray, weight: np.ndarray, held: np.ndarray, seed: int) -> Smoothed:
        """codes (m,) of the classes, -1 without a label; weight (m,); held (m,) True where a label chooses and is not learned."""
        learned = np.flatnonzero((codes >= 0) & ~held & (weight > 0))
        lesson = Lesson(np.eye(int(codes.max()) + 1), codes, weight, learned)
        folds = _folds(codes, learned, np.flatnonzero(held & (codes >= 0)), seed)
        told = np.concatenate([rest for _, rest in folds])
        often = commonness(rows.X)
        found = candidates(often, len(self.relations), len(rows.X) <= MOST_COMPARED)
        forms = forms_of(rows.X, dict.fromkeys(view.common for view in found), often, seed)
        ground = ground_of(self.relations, forms, directions(self.relations, rows), rows, rows)
        answers: list[np.ndarray] = []
        centres: dict[View, np.ndarray] = {}
        kept: dict[View, np.ndarray] = {}
        # Only rows with a label choose: all others are finished for the few views that are chosen.
        some = np.unique(np.concatenate([learned, told]))
        few, parts = lesson.among(some), [(np.searchsorted(some, a), np.searchsorted(some, b)) for a, b in folds]
        for view, Z in described(found, ground):
            centres[view] = Z.mean(0)
            answers.append(self._held_out(finished(view, Z[some], centres[view]), few, parts))
            if sum(part.size for part in kept.values()) < MOST_KEPT:
                kept[view] = Z.astype(np.float32)
        outputs = np.concatenate(answers)
        T = temperatures(outputs, codes[told])
        shares = vote(outputs / T[:, None, None], codes[told])
        held_out = np.einsum("k,knc->nc", shares / T, outputs)
        # The vote is of calibrated answers; where held-out rows are all right, they would have it surer without end.
        whole = max(SUREST, float(temperatures(held_out[None], codes[told])[0]))
        by_view = (shares / T / whole).reshape(len(found), len(self.penalties))
        picked = {view: share for view, share in zip(found, by_view, strict=True) if share.any()}
        again = [view for view in picked if view not in kept]
        blocks = itertools.chain(
            ((view, kept[view].astype(np.float64)) for view in picked if view in kept),
            described(again, ground) if again else (),
        )
        voices, b, everyone = self._voices(blocks, picked, lesson, centres)
        move = _move(everyone, held_out / whole, lesson, told)
        answer = np.full((len(rows.X), len(b)), np.nan)
        answer[told] = held_out / whole + move
        forms = {voice.view.common: ground.forms[voice.view.common] for voice in voices}
        names = {v.view.relation: ground.names[v.view.relation] for v in voices if v.view.kind == "names"}
        chosen = self._told(picked, shares, found)
        return _one_output(Smoothed(forms, names, voices, b + move, answer, chosen))

    def outputs(self, fitted: Smoothed, asking: TableRows, memory: TableRows) -> np.ndarray:
        """(n c) for rows that ask; a row that is in the memory gets what it has there."""
        ground, places = self.ground(fitted, asking, memory)
        total = np.tile(fitted.b, (len(ground.X), 1))
        voices = {voice.view: voice for voice in fitted.voices}
        for view, Z in described(list(voices), ground):
            total += finished(view, Z, voices[view].centre) @ voices[view].W
        return np.asarray(total[places])

    def ground(self, fitted: Smoothed, asking: TableRows, memory: TableRows) -> tuple[Ground, np.ndarray]:
        """Who asks whom, and the places (n,) of the asking rows on it: on that of the memory itself where all are remembered."""
        places = itself(asking.rows.ids, memory.rows.ids)
        known = len(places) and (places >= 0).all() and _unchanged(asking, memory.take(places))
        asks = memory if known else asking
        ground = ground_of(self.relations, fitted.forms, fitted.names, asks, memory)
        return ground, places if known else np.arange(len(asking.X))

    # -- choosing ----------------------------------------------------------------------------------------------------------

    def _held_out(self, Z: np.ndarray, lesson: Lesson, folds: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """(penalties, held-out rows, c)"""
        parts = []
        for inside, rest in folds:
            lines = ridges(Z[inside], lesson.Y(inside), self.penalties, lesson.weight[inside])
            parts.append(Z[rest] @ lines.W + lines.b[:, None, :])
        return np.concatenate(parts, axis=1)

    def _voices(
        self,
        blocks: Iterable[tuple[View, np.ndarray]],
        picked: dict[View, np.ndarray],
        lesson: Lesson,
        centres: dict[View, np.ndarray],
    ) -> tuple[tuple[Voice, ...], np.ndarray, np.ndarray]:
        """The mean of the chosen lines, one W for each view; b (c); and what they answer all rows (m c)."""
        voices, b = [], np.zeros(len(lesson.classes))
        everyone = np.zeros((len(lesson.codes), len(b)))
        for view, block in blocks:
            Z = finished(view, block, centres[view])
            lines = ridges(Z[lesson.learned], lesson.Y(lesson.learned), self.penalties, lesson.weight[lesson.learned])
            W = np.einsum("p,pdc->dc", picked[view], lines.W)
            voices.append(Voice(view, centres[view], W))
            b += picked[view] @ lines.b
            everyone += Z @ W
        return tuple(voices), b, everyone + b

    def _told(self, picked: Iterable[View], shares: np.ndarray, found: list[View]) -> tuple[tuple[str, float], ...]:
        names = [relation.name for relation in self.relations]
        by_view = shares.reshape(len(found), len(self.penalties)).sum(1)
        told = [(view.words(names), float(by_view[found.index(view)])) for view in picked]
        return tuple(sorted(told, key=lambda line: -line[1]))


def _move(everyone: np.ndarray, held_out: np.ndarray, lesson: Lesson, told: np.ndarray) -> np.ndarray:
    """What b moves by (c,) to how common the classes are among all known rows, as far as that helps the held-out ones."""
    weight = lesson.weight[lesson.learned]
    base = np.bincount(lesson.codes[lesson.learned], weight, len(lesson.classes)) / weight.sum()
    moves = []
    for strength in STRENGTHS:
        share = class_shares(everyone, base, strength=strength)
        moves.append(strength * log_ratio(share, base))
    losses = log_losses(np.stack([held_out + move for move in moves]), lesson.codes[told])
    return moves[int(losses.argmin())]


def _unchanged(asking: TableRows, remembered: TableRows) -> bool:
    """The rows that ask are what is remembered of them, in columns and keys."""
    now, then = asking.rows.columns, remembered.rows.columns
    # As objects: a key column of a table that was read from a file may be of another type, and holds the same keys.
    keys = all(objects(now[name]).equals(objects(then[name])) for name in then.columns)
    return keys and np.array_equal(asking.X, remembered.X)


def _one_output(fitted: Smoothed) -> Smoothed:
    """Two classes are one output, the log-odds of the second."""
    if len(fitted.b) != 2:
        return fitted
    voices = tuple(voice._replace(W=voice.W[:, 1:] - voice.W[:, :1]) for voice in fitted.voices)
    held_out = fitted.held_out[:, 1:] - fitted.held_out[:, :1]
    return fitted._replace(voices=voices, b=fitted.b[1:] - fitted.b[:1], held_out=held_out)


def _folds(codes: np.ndarray, learned: np.ndarray, held: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(learned, held out) places: the rows of `validation` where there are, else folds of the rows with a label."""
    if len(held):
        lost = int((~np.isin(codes[held], codes[learned])).sum())
        if lost:
            text = (
                f"{lost} of {len(held)} validation rows are of a class that no learned row has: it is never answered."
            )
            warnings.warn(text, DataWarning)
        return [(learned, held)]
    count = np.bincount(codes[learned])[codes[learned]]
    alone, several = learned[count < 2], learned[count >= 2]  # the only label of a class is always learned from
    if not len(several):
        warnings.warn(
            "Every class has one label, so that the settings are chosen on the rows learned from.", DataWarning
        )
        return [(learned, learned)]
    split = StratifiedKFold(min(5, int(count[count >= 2].min())), shuffle=True, random_state=seed)
    parts = split.split(np.zeros(len(several)), codes[several])
    found = [(np.sort(np.concatenate([several[a], alone])), several[b]) for a, b in parts]
    return found if len(learned) <= FEW else found[:1]

"""The proof of an export: what another program says is what the trained network says, or the export is refused.

fp32   the same ids, greedily and with a beam, and log p per piece within 1e-4
int8   BLEU of the greedy and of the beam's translations within 0.1 of the network's own
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from axw.data.vocabulary import MASK, PAD, Vocabulary
from axw.errors import GateError, UsageError
from axw.export.answers import Guesses, OurGuesses, Said, Writes, in_parts, ours, padded
from axw.export.questions import Questions, Subject
from axw.measures.translation import bleu_chrf

SCORES, BLEU = 1e-4, 0.1
_MORE = 10  # ids that a target may have more than twice its source


@dataclass(frozen=True)
class Proof:
    """What was compared, and how near the two came.

    lines        that both were asked;  beam: hypotheses of the search (None: hidden words were guessed)
    difference   the greatest between two log p per piece (None: int8, whose scores may differ)
    bleu         of the network and of its export, greedily and with the beam (None: fp32)
    """

    target: str
    precision: str
    lines: int
    beam: int | None
    difference: float | None
    bleu: dict[str, tuple[float, float]] | None

    def to_json(self) -> dict[str, Any]:
        return {"schema": "axw.proof/1", **asdict(self)}

    def __str__(self) -> str:
        asked = f"{self.lines:,} lines"
        if self.bleu is not None:
            parts = [f"{how} BLEU {mine:.2f} here, {theirs:.2f} there" for how, (mine, theirs) in self.bleu.items()]
            return f"proved on {asked}: {'; '.join(parts)}"
        how = (
            "the same first guesses"
            if self.beam is None
            else f"the same pieces, greedily and with a beam of {self.beam}"
        )
        return f"proved on {asked}: {how}; log p per piece within {self.difference:.1e}"


def prove(given: Subject, program: Any, asked: Questions, target: str, *, int8: bool, beam: int) -> Proof:
    """Ask both. `GateError` says where they part."""
    if given.guesses:
        return _prove_guesses(given, program, asked, target)
    return _prove_writing(given, program, asked, target, int8=int8, beam=beam)


def check_questions(given: Subject, asked: Questions, *, int8: bool) -> None:
    """`UsageError` where an int8 export could not be proved with these lines."""
    if int8 and given.guesses:
        raise UsageError(
            "int8 is for translators, whose BLEU can be compared; allowed for a masked-word model: fp32.",
            "--int8",
            "Leave --int8 away.",
        )
    if int8 and asked.references is None:
        raise UsageError(
            "The proof of int8 compares BLEU, and there are no references for the lines.",
            "--int8",
            "Give them: --lines SOURCE --references TARGET.",
        )


def _prove_guesses(given: Subject, program: Guesses, asked: Questions, target: str) -> Proof:
    mine, worst = OurGuesses(given.network), 0.0  # type: ignore[arg-type]
    for index in in_parts(asked.sources):
        ids = padded([asked.sources[i] for i in index])
        one, other = mine.log_p(ids), program.log_p(ids)
        if one.shape != other.shape or not np.isfinite(other).all():
            raise _parted(target, f"it gave an array of shape {other.shape}, not finite numbers of {one.shape}.")
        for i, row, a, b in zip(index, ids, one, other, strict=True):
            for place in np.flatnonzero(row == MASK):
                first, second = int(a[place].argmax()), int(b[place].argmax())
                if first != second and abs(a[place, first] - a[place, second]) > SCORES:
                    names = given.source.pieces([first, second])
                    raise _parted(target, f"line {i + 1}, piece {place + 1}: {names[0]!r} here, {names[1]!r} there.")
            difference = float(np.abs(a - b)[row != PAD].max())
            worst = max(worst, difference)
            if difference > SCORES:
                raise _parted(
                    target, f"line {i + 1}: log p of a piece differs by {difference:.1e}, above {SCORES:.0e}."
                )
    return Proof(target, "fp32", len(asked.sources), None, worst, None)


def _prove_writing(given: Subject, program: Writes, asked: Questions, target: str, *, int8: bool, beam: int) -> Proof:
    mine = ours(given.network, program.never)
    most = 2 * max(map(len, asked.sources)) + _MORE
    found: dict[str, tuple[list[Said], list[Said]]] = {}
    for how, width in (("greedy", 1), (f"beam {beam}", beam)):
        found[how] = tuple(each.search(asked.sources, width, most) for each in (mine, program))  # type: ignore[assignment]
    if int8:
        return _prove_bleu(given, asked, target, found, beam)
    worst = 0.0
    for how, (one, other) in found.items():
        _same_ids(given.target, target, how, one, other)
        forced = program.score(asked.sources, [said.ids for said in one])
        logs = mine.score(asked.sources, [said.ids for said in one])
        lengths = [len(said.ids) + 1 for said in one]
        worst = max(worst, _same_scores(target, how, logs, forced, lengths))
        if how != "greedy":
            logs, theirs = [said.log_p for said in one], [said.log_p for said in other]
            worst = max(worst, _same_scores(target, how, logs, theirs, lengths))
    return Proof(target, "fp32", len(asked.sources), beam, worst, None)


def _same_ids(vocabulary: Vocabulary, target: str, how: str, one: Sequence[Said], other: Sequence[Said]) -> None:
    for line, (a, b) in enumerate(zip(one, other, strict=True), 1):
        if list(a.ids) != list(b.ids):
            here, there = vocabulary.decode(_known(a.ids, vocabulary)), vocabulary.decode(_known(b.ids, vocabulary))
            place = next(
                (i for i, (x, y) in enumerate(zip(a.ids, b.ids, strict=False)) if x != y), min(len(a.ids), len(b.ids))
            )
            raise _parted(target, f"line {line}, {how}, from piece {place + 1} on: {here!r} here, {there!r} there.")


def _known(ids: Sequence[int], vocabulary: Vocabulary) -> list[int]:
    return [i for i in ids if 0 <= i < vocabulary.size]


def _same_scores(target: str, how: str, one: Sequence[float], other: Sequence[float], lengths: Sequence[int]) -> float:
    """The greatest difference of two log p, each over the number of its pieces, the end among them."""
    worst = 0.0
    for line, (a, b, pieces) in enumerate(zip(one, other, lengths, strict=True), 1):
        a, b = a / pieces, b / pieces
        if not abs(a - b) <= SCORES:
            where = f"line {line}, {how}: log p per piece is {a:.6f} here, {b:.6f} there"
            raise _parted(target, f"{where}; allowed: within {SCORES:.0e}.")
        worst = max(worst, abs(a - b))
    return worst


def _prove_bleu(
    given: Subject, asked: Questions, target: str, found: dict[str, tuple[list[Said], list[Said]]], beam: int
) -> Proof:
    assert asked.references is not None
    bleu: dict[str, tuple[float, float]] = {}
    measure: Callable[[list[Said]], float] = lambda said: (  # noqa: E731
        bleu_chrf([given.target.decode(each.ids) for each in said], asked.references)[0].value  # type: ignore[arg-type]
    )
    for how, (one, other) in found.items():
        bleu[how] = measure(one), measure(other)
        if abs(bleu[how][0] - bleu[how][1]) > BLEU:
            raise _parted(
                target, f"{how}: BLEU is {bleu[how][0]:.2f} here, {bleu[how][1]:.2f} there; allowed: within {BLEU}."
            )
    return Proof(target, "int8", len(asked.sources), beam, None, bleu)


def _parted(target: str, where: str) -> GateError:
    return GateError(
        f"The export does not say what the model says: {where}",
        f"In the proof of the export to {target}.",
        "Nothing was written. Export to another target, or in fp32.",
    )

"""A translator whose search is run by CTranslate2: `axw translate --engine ctranslate2`.

It knows the length penalty |Y|^alpha, and returns no more hypotheses than the beam is wide. So it is asked for log P, with an
alpha so small that it divides by 1: then it goes on, as our search may, until `beam` hypotheses are whole, and these are put in
our order here. In its last step, the T-th, more may have become whole than it returns. What it left out has a log P of at most
the least that it returned, and at most T ids, so that its score is at most that log P / lp(T). A sentence whose n best are not
all above that, or which has reached its limit, is searched again by our own search.

It leaves out ids that are never said before it makes probabilities, so that its log P is a little greater than ours: by about as
much as the model holds the padding and the start id likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from axw.data.sentences import Sentences
from axw.data.vocabulary import EOS, NAMES
from axw.decoding import Hypothesis, SearchSettings, length_penalty
from axw.errors import UsageError
from axw.export import ctranslate
from axw.export.installed import installed
from axw.export.questions import subject
from axw.models.translation.many import Job
from axw.models.translation.translator import Translator
from axw.networks.products import Precision
from axw.storage import write_folder
from axw.storage.foreign import remove_tree, scratch_folder

COMPUTE = {"fp32": "float32", "int8": "int8_float32"}
_DIVIDES_BY_ONE = 1e-8  # |Y| to this power is 1 in float32; at 0 it would end before `beam` hypotheses are whole
_SLACK = 1e-4  # of a log P, for rounding


class CTranslate2Translator(Translator):
    """The same translator; what follows is found by CTranslate2, one thread, weights of 32 bits or 8.

    Raises `UsageError` for a network that it cannot hold, and for settings with which it would not give the same answers.
    """

    def __init__(self, base: Translator, precision: Precision) -> None:
        super().__init__(base.settings)
        self._become(base)
        self.precision = precision
        if precision not in COMPUTE:
            raise _refused(f"precision is {precision}; CTranslate2 is asked for {', '.join(COMPUTE)}.")
        given = subject(self)
        if wrong := ctranslate.faults(given):
            raise _refused(f"CTranslate2 cannot hold this network: {' '.join(wrong)}")
        program = installed("ctranslate2")
        scratch = scratch_folder()
        try:
            write_folder(scratch / "model", ctranslate.files(given), meta={})
            folder = str(scratch / "model")
            self.program: Any = program.Translator(folder, compute_type=COMPUTE[precision], intra_threads=1)
        finally:
            remove_tree(scratch)
        self.source, self.target = given.source.entries, given.target.entries
        self.number = {entry: i for i, entry in enumerate(self.target)}

    def check(self, search: SearchSettings, precision: Precision) -> None:
        """As in `Translator`."""
        wrong = [
            *(["temperature is set"] if search.temperature is not None else []),
            *([f"{n} is set" for n in ("coverage", "min_length", "no_repeat_ngram") if getattr(search, n)]),
        ]
        if wrong:
            raise _refused(f"CTranslate2 would not give the same answers: {', '.join(wrong)}.")

    def prepare(self, precision: Precision) -> None:
        """Nothing: what CTranslate2 does once is done."""

    def _decoders(self, precision: Precision = "fp32", *, fast: bool = False) -> list[Any]:
        return super()._decoders(fast=fast)

    def _search(
        self,
        decoders: Sequence[Any],
        ids: Sentences,
        index: np.ndarray,
        settings: SearchSettings,
        prefix: Sentences | None,
        numbers: list[int],
    ) -> list[list[Hypothesis]]:
        """One call for all, with the greatest of their length limits; who comes to his own is searched again."""
        self.check(settings, self.precision)
        if prefix is not None:
            raise _refused("CTranslate2 is not asked for prefixes here.")
        limits = [int(settings.max_factor * (ids.lengths[i] + 1)) + settings.max_constant for i in index]
        sources = [[self.source[piece] for piece in (*ids[int(i)].tolist(), EOS)] for i in index]
        made = self._made(sources, settings, max(limits))
        found = [_sure(own, settings, limit) for own, limit in zip(made, limits, strict=True)]
        unsure = [place for place, own in enumerate(found) if own is None]
        if unsure:
            again = super()._search(decoders, ids, index[unsure], settings, None, [numbers[i] for i in unsure])
            for place, own in zip(unsure, again, strict=True):
                found[place] = own
        return [own or [] for own in found]

    def _made(self, sources: list[list[str]], settings: SearchSettings, limit: int) -> list[list[Hypothesis]]:
        alone = _alone(settings, limit)
        made = self.program.translate_batch(
            sources,
            beam_size=settings.beam,
            num_hypotheses=1 if alone else settings.beam,
            length_penalty=0 if alone else _DIVIDES_BY_ONE,
            max_decoding_length=limit,
            min_decoding_length=0,
            max_input_length=0,
            return_scores=True,
            return_end_token=True,
            suppress_sequences=[[NAMES[i]] for i in settings.never],
        )
        return [
            [self._hypothesis(*each, settings) for each in zip(one.hypotheses, one.scores, strict=True)] for one in made
        ]

    def _hypothesis(self, tokens: list[str], log_probability: float, settings: SearchSettings) -> Hypothesis:
        said = tuple(self.number[token] for token in tokens)
        ended = bool(said) and said[-1] == settings.end
        score = log_probability / _penalty(settings, len(said))
        return Hypothesis(said[:-1] if ended else said, score, log_probability, ended)


def _alone(settings: SearchSettings, limit: int) -> bool:
    """Whether the likeliest hypothesis is the best, so that no other is asked for."""
    plain = _penalty(settings, 1) == _penalty(settings, limit) == 1.0
    return settings.beam == 1 or (settings.nbest == 1 and plain)


def _sure(found: list[Hypothesis], settings: SearchSettings, limit: int) -> list[Hypothesis] | None:
    """The n best, best first; None where one that was not returned may be among them, or the limit was reached."""
    if not all(hypothesis.finished and len(hypothesis.ids) < limit for hypothesis in found):
        return None
    ordered = sorted(found, key=lambda hypothesis: -hypothesis.score)[: settings.nbest]
    if len(found) < settings.beam or settings.beam == 1:
        return ordered
    longest = max(len(hypothesis.ids) for hypothesis in found) + 1
    least = min(hypothesis.log_probability for hypothesis in found)
    return ordered if ordered[-1].score > (least + _SLACK) / _penalty(settings, longest) else None


def _penalty(settings: SearchSettings, length: int) -> float:
    return length_penalty(settings.length_penalty, settings.alpha, length)


def load(job: Job) -> CTranslate2Translator:
    """The translator of the job. `UsageError` for several models."""
    if len(job.models) > 1:
        raise _refused("--with averages several models, which CTranslate2 does not.")
    return CTranslate2Translator(Translator.load(Path(job.models[0])), job.precision)


def _refused(what: str) -> UsageError:
    return UsageError(what, "--engine ctranslate2", "Use --engine torch, or ask for what both do.")

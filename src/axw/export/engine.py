"""A translator whose search is run by CTranslate2: `axw translate --engine ctranslate2`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from axw.data.sentences import Sentences
from axw.data.vocabulary import EOS, NAMES
from axw.decoding import Hypothesis, SearchSettings
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


class CTranslate2Translator(Translator):
    """The same translator; what follows is found by CTranslate2, one thread, weights of 32 bits or 8.

    CTranslate2 compares hypotheses by log P alone or over |Y|^alpha, and not by ((5 + |Y|) / 6)^alpha, so that its answers are
    the same for greedy search and where there is no length penalty. Raises `UsageError` for anything else, and for a network
    that it cannot hold.
    """

    def __init__(self, base: Translator, precision: Precision) -> None:
        super().__init__(base.settings)
        self._vocabularies, self._network, self.facts = base._vocabularies, base.network, base.facts
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
        same = (
            search.beam == 1
            or search.length_penalty == "none"
            or (search.length_penalty == "gnmt" and not search.alpha)
        )
        wrong = [
            *([] if same else [f"length_penalty is {search.length_penalty} with a beam"]),
            *(["temperature is set"] if search.temperature is not None else []),
            *([f"{n} is set" for n in ("coverage", "min_length", "no_repeat_ngram") if getattr(search, n)]),
        ]
        if wrong:
            raise _refused(f"CTranslate2 would not give the same answers: {', '.join(wrong)}.")

    def _decoders(self, precision: Precision = "fp32", *, fast: bool = False) -> list[Any]:
        return [self.network]

    def _search(
        self,
        decoders: Sequence[Any],
        ids: Sentences,
        index: np.ndarray,
        settings: SearchSettings,
        prefix: Sentences | None,
        first: int,
    ) -> list[list[Hypothesis]]:
        """Sentences of one length limit at a time, since a call has one."""
        self.check(settings, self.precision)
        if prefix is not None:
            raise _refused("CTranslate2 is not asked for prefixes here.")
        most = [int(settings.max_factor * (ids.lengths[i] + 1)) + settings.max_constant for i in index]
        found: list[list[Hypothesis]] = [[] for _ in index]
        for limit in sorted(set(most)):
            places = [place for place, own in enumerate(most) if own == limit]
            sources = [[self.source[i] for i in (*ids[int(index[place])].tolist(), EOS)] for place in places]
            for place, made in zip(places, self._made(sources, settings, limit), strict=True):
                found[place] = made
        return found

    def _made(self, sources: list[list[str]], settings: SearchSettings, limit: int) -> list[list[Hypothesis]]:
        # It counts ids without the end; a sentence at the limit has not said it.
        made = self.program.translate_batch(
            sources,
            beam_size=settings.beam,
            num_hypotheses=settings.nbest,
            length_penalty=0,
            max_decoding_length=limit,
            min_decoding_length=0,
            max_input_length=0,
            return_scores=True,
            return_end_token=True,
            suppress_sequences=[[NAMES[i]] for i in settings.never],
        )
        answers = []
        for one in made:
            hypotheses = []
            for tokens, score in zip(one.hypotheses, one.scores, strict=True):
                said = [self.number[token] for token in tokens]
                ended = bool(said) and said[-1] == settings.end
                hypotheses.append(Hypothesis(tuple(said[:-1] if ended else said), score, score, ended))
            answers.append(hypotheses)
        return answers


def load(job: Job) -> CTranslate2Translator:
    """The translator of the job. `UsageError` for several models."""
    if len(job.models) > 1:
        raise _refused("--with averages several models, which CTranslate2 does not.")
    return CTranslate2Translator(Translator.load(Path(job.models[0])), job.precision)


def _refused(what: str) -> UsageError:
    return UsageError(what, "--engine ctranslate2", "Use --engine torch, or ask for what both do.")

"""Which engine translates fastest with the same answers: `axw translate --engine auto`."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from axw.errors import AxwError, DataWarning
from axw.export.engine import CTranslate2Translator
from axw.export.engine import load as load_ctranslate2
from axw.export.installed import is_installed
from axw.models.translation.many import Job

_SOME = 64  # lines that each engine is measured on
_CLEARLY = 0.95  # of PyTorch's time, below which another engine is taken


class Choice(NamedTuple):
    """The job with what loads its translator, that translator, and a line that says why it was taken."""

    job: Job
    translator: Any
    why: str


def fastest(job: Job, translator: Any, lines: Sequence[str], clock: Callable[[], float] = time.perf_counter) -> Choice:
    """CTranslate2 where it gives the same translations of some of these lines in less time, else PyTorch.

    job, translator   for PyTorch;  lines: the first of those that are to be translated, of which every so many are asked
    clock             seconds

    PyTorch without a measurement: where another precision, several models or prefixes are asked for, CTranslate2 is not
    installed, cannot hold the network, or would not search as the settings say.
    """
    if not is_installed("ctranslate2"):
        return Choice(job, translator, "torch: CTranslate2 is not installed (pip install 'axw[export]')")
    if job.precision != "fp32":
        return Choice(job, translator, f"torch: {job.precision} is not the same in CTranslate2")
    if job.prefix is not None:
        return Choice(job, translator, "torch: CTranslate2 is not asked for prefixes here")
    try:
        other = load_ctranslate2(job)
        other.check(job.search, job.precision)
    except AxwError as error:
        return Choice(job, translator, f"torch: {error.what}")
    return _measured(job, translator, other, list(lines[:: max(1, len(lines) // _SOME)][:_SOME]), clock)


def _measured(
    job: Job, translator: Any, other: CTranslate2Translator, some: list[str], clock: Callable[[], float]
) -> Choice:
    found, taken = [], []
    for each in (translator, other):
        _answers(each, job, some[: _SOME // 4])  # what is done once is not measured
        begin = clock()
        found.append(_answers(each, job, some))
        taken.append(clock() - begin)
    ours, theirs = (len(some) / max(seconds, 1e-9) for seconds in taken)
    if found[0] != found[1]:
        return Choice(job, translator, "torch: CTranslate2 gives another translation of one of the first lines")
    if taken[1] < _CLEARLY * taken[0]:
        why = f"ctranslate2: {theirs:.0f} lines a second on one core, PyTorch {ours:.0f}; the same translations"
        return Choice(job._replace(load=load_ctranslate2), other, why)
    return Choice(job, translator, f"torch: {ours:.0f} lines a second on one core, CTranslate2 {theirs:.0f}")


def _answers(translator: Any, job: Job, lines: list[str]) -> list[list[tuple[int, ...]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # it comes when the lines are translated
        made = list(translator.hypotheses(lines, search=job.search, precision=job.precision, direction=job.direction))
    return [[translation.ids for translation in own] for own in made]

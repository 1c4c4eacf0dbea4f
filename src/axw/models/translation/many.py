"""Many lines on all cores: processes of one thread each, in the order of the lines.

A network of this size leaves nothing for a second thread to do at each of its small products; a second process halves the time.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain, islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal, NamedTuple

from axw.decoding import SearchSettings
from axw.errors import AxwError, DataWarning, ResourceError, UsageError
from axw.models.translation.answers import Translation
from axw.networks.products import Precision

PART = 512  # lines that are sorted by length and translated together, and that one process is given at once
_WORTH = 4  # parts from which on starting processes pays
MANY = 2048  # lines from which on it pays to measure which engine is the fastest
_AHEAD = 4  # parts for each process that may wait for an earlier one
_MOST_PROCESSES = 1024


def load(job: Job) -> Any:
    """The translator of the job; of several models, their ensemble."""
    from axw.models.translation.ensemble import TranslatorEnsemble
    from axw.models.translation.translator import Translator

    loaded = [Translator.load(path) for path in job.models]
    return loaded[0] if len(loaded) == 1 else TranslatorEnsemble(loaded)


class Job(NamedTuple):
    """What is to be done with each line.

    models   their folders;  search, precision, dictionary, direction: as `Translator.hypotheses` takes them
    prefix   what each translation begins with, a text for each line, or None
    load     a function of a module that makes the translator, in each process anew
    """

    models: tuple[Path, ...]
    search: SearchSettings
    precision: Precision = "fp32"
    dictionary: Mapping[str, str] | None = None
    prefix: tuple[str, ...] | None = None
    direction: Literal["forward", "backward"] = "forward"
    load: Callable[[Job], Any] = load


class Part(NamedTuple):
    """lines, and the translations of each."""

    lines: list[str]
    answers: list[list[Translation]]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def translate_parts(
    job: Job, translator: Any, lines: Iterable[str], *, processes: int = 1, first: int = 0
) -> Iterator[Part]:
    """The lines in parts of `PART`, each as soon as it and all before it are translated.

    translator  what `job.load` gave: it answers alone where there are few lines or one process
    processes   how many translate beside each other, each with one thread and a copy of the models
    first       the number of the first line, which samples depend on

    Raises `UsageError` for a number of processes that makes no sense, `ResourceError` where one of them was killed.
    """
    if not 1 <= processes <= _MOST_PROCESSES:
        raise UsageError(
            f"processes is {processes}; allowed: 1 to {_MOST_PROCESSES}.",
            "In translating.",
            f"Use {cores()}, the cores here.",
        )
    parts = _parts(iter(lines))
    begin = list(islice(parts, _WORTH)) if processes > 1 else []
    if len(begin) < _WORTH:
        for number, part in enumerate(chain(begin, parts)):
            if number == 1:
                translator = _laid_out(translator, job.precision)
            yield Part(part, _answers(translator, job, part, first))
            first += len(part)
        return
    translator.prepare(job.precision)  # what is compiled once is compiled here, and not by each of them
    with _workers(job, processes) as workers:
        yield from _in_order(workers, chain(begin, parts), first)


def _laid_out(translator: Any, precision: Precision) -> Any:
    """The translator with weights that are laid out once and not for each part, where it is one that searches here."""
    from axw.models.translation.ensemble import TranslatorEnsemble
    from axw.models.translation.laid_out import LaidOutTranslator
    from axw.models.translation.translator import Translator

    return (
        LaidOutTranslator(translator, precision) if type(translator) in (Translator, TranslatorEnsemble) else translator
    )


def _parts(lines: Iterator[str]) -> Iterator[list[str]]:
    while part := list(islice(lines, PART)):
        yield part


def _answers(translator: Any, job: Job, part: list[str], first: int) -> list[list[Translation]]:
    prefix = None if job.prefix is None else job.prefix[first : first + len(part)]
    if prefix is not None and len(prefix) < len(part):
        raise UsageError(
            f"There are {first + len(prefix)} prefixes for more lines; allowed: one for each line.", "In prefix."
        )
    return list(
        translator.hypotheses(
            part,
            search=job.search,
            precision=job.precision,
            dictionary=job.dictionary,
            prefix=prefix,
            direction=job.direction,
            first=first,
        )
    )


# ------------------------------------------------------------------------------------------------------ other processes


def _work(job: Job, channel: Connection) -> None:
    """A process: loads the models, then answers part by part until nobody asks."""
    import torch

    from axw.learning.allocator import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(1)
    try:
        translator = _laid_out(job.load(job), job.precision)
        while True:
            number, lines, first = channel.recv()
            with warnings.catch_warnings(record=True) as met:
                warnings.simplefilter("always", DataWarning)
                answers = _answers(translator, job, lines, first)
            told = [str(one.message) for one in met if issubclass(one.category, DataWarning)]
            channel.send((number, answers, told))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # whoever asked is gone
    except AxwError as error:
        with suppress(OSError):
            channel.send((-1, error, []))


@contextmanager
def _workers(job: Job, processes: int) -> Iterator[dict[Connection, Any]]:
    context = mp.get_context("spawn")  # torch's threads do not survive a fork
    found: dict[Connection, Any] = {}
    try:
        with _ctrl_c_ignored():  # Ctrl-C is for whoever asks; it ends the others
            for _ in range(processes):
                here, there = context.Pipe()
                process = context.Process(target=_work, args=(job, there), daemon=True)
                process.start()
                there.close()
                found[here] = process
        yield found
    finally:
        for channel, process in found.items():
            channel.close()
            process.terminate()
            process.join()


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    """Processes that are started inside inherit it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _in_order(workers: Mapping[Connection, Any], parts: Iterator[list[str]], first: int) -> Iterator[Part]:
    waiting: deque[int] = deque()  # numbers of the parts that were given out, in order
    given: dict[int, list[str]] = {}
    done: dict[int, list[list[Translation]]] = {}
    free, number, most = list(workers), 0, _AHEAD * len(workers)
    while True:
        while free and len(waiting) < most and (part := next(parts, None)) is not None:
            _send(workers, free.pop(), (number, part, first))
            given[number] = part
            waiting.append(number)
            number, first = number + 1, first + len(part)
        while waiting and waiting[0] in done:
            now = waiting.popleft()
            yield Part(given.pop(now), done.pop(now))
        if not waiting:
            return
        for channel in wait(list(workers)):
            answered, answers, told = _receive(workers, channel)  # type: ignore[arg-type]
            for message in told:
                warnings.warn(message, DataWarning, stacklevel=2)
            done[answered] = answers
            free.append(channel)  # type: ignore[arg-type]


def _send(workers: Mapping[Connection, Any], channel: Connection, message: Any) -> None:
    try:
        channel.send(message)
    except OSError:
        raise _killed(workers[channel]) from None


def _receive(workers: Mapping[Connection, Any], channel: Connection) -> Any:
    try:
        message = channel.recv()
    except (EOFError, OSError):
        raise _killed(workers[channel]) from None
    if isinstance(message[1], AxwError):
        raise message[1]
    return message


def _killed(process: Any) -> ResourceError:
    process.join(10)
    return ResourceError(
        f"One of the processes that translate ended with code {process.exitcode}.",
        "While translating.",
        "There may have been too little memory: use fewer with --processes, or a narrower beam.",
    )

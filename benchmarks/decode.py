"""How fast a Transformer decodes on a CPU: axw beside CTranslate2, Hugging Face `generate` and JoeyNMT, in one run.

    python benchmarks/decode.py --peer-python PYTHON
    python benchmarks/decode.py --peer-python PYTHON --model RUN --source FILE --reference FILE

The first: d 256, 3 + 3 layers, 4 heads, feed-forward 1024, vocabulary 8000, random weights; sources of 20 words, and exactly
20 words out; about 5 minutes. The second: real sentences with a trained model, in axw and exported to CTranslate2, with BLEU.
Each engine lives in a process of its own; "x 2" are two processes of one thread each, both measured at once, and their sum. The
engines take turns; a figure is words out in a second, at the median of all times that a batch was decoded. PYTHON is one with
the peers, PyTorch and axw in it; what it lacks is left out, and said below the table. `--joeynmt-python` and so on name other
ones. Last come the limits of this machine, for one thread: what the products of a step would take at the rate that PyTorch's own
product of that kind reaches here, one product after the other, as a step does. `--only axw,int8` and `--cells 1x1,64x5` measure
some engines and some cells. `--operations` counts what a step starts, which needs no idle machine. The tables are Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from threading import Timer
from typing import Any

from axw.cli.allocating import library, preloading

HERE = Path(__file__).parent
CELLS = [(1, 1), (1, 5), (64, 1), (64, 5)]
WAYS = [  # engine, processes, threads of each
    ("JoeyNMT fp32", 1, 2),
    ("Hugging Face fp32", 1, 2),
    ("CTranslate2 fp32", 1, 1),
    ("CTranslate2 int8", 1, 1),
    ("CTranslate2 fp32", 2, 1),
    ("CTranslate2 int8", 2, 1),
    ("axw plain", 1, 1),
    ("axw PyTorch fp32", 1, 1),
    ("axw PyTorch int8", 1, 1),
    ("axw fp32", 1, 1),
    ("axw bf16", 1, 1),
    ("axw int8", 1, 1),
    ("axw fp32", 2, 1),
    ("axw bf16", 2, 1),
    ("axw int8", 2, 1),
]


NOT_REAL = ("axw plain", "axw PyTorch fp32", "axw PyTorch int8")
REAL_WAYS = [way for way in WAYS if way[0].startswith(("CTranslate2", "axw")) and way[0] not in NOT_REAL]
PATIENCE = 120  # seconds that an answer may take


class Absent(Exception):
    """An engine that could not begin, or ended: its last words."""


class Worker:
    """A process of `decode_worker.py`, or of another file here. `Absent` where it does not begin or answer."""

    def __init__(self, python: str, engine: str, settings: dict[str, Any], file: str = "decode_worker.py") -> None:
        command = [python, str(HERE / file), engine, json.dumps(settings)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(settings["threads"]), "HF_HUB_OFFLINE": "1"}
        if engine.startswith("axw"):  # as `axw translate` starts
            environment = preloading(environment, library()) or environment
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )

    def begin(self) -> None:
        self._line()

    def ask(self, **question: Any) -> None:
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        return json.loads(self._line())

    def _line(self) -> str:
        timer = Timer(PATIENCE, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        if timer.finished.is_set():
            raise Absent(f"it took more than {PATIENCE} seconds")
        timer.cancel()
        if not line:
            raise Absent((self.process.stderr.read().strip().splitlines() or ["nothing was said"])[-1])
        return line

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def name_of(engine: str, count: int, threads: int) -> str:
    return f"{engine}, {threads} thread{'s' * (threads > 1)}" + (f" x {count}" if count > 1 else "")


def asked(
    ways: list[tuple[str, int, int]],
    options: argparse.Namespace,
    settings: dict[str, Any],
    file: str,
    questions: list[dict],
) -> tuple[dict[str, list[list[list[Any]]]], dict[str, str]]:
    """Of each way and each question the answers of its processes, turn by turn; and why an engine is left out."""
    found: dict[str, list[list[list[Any]]]] = {name_of(*way): [[] for _ in questions] for way in ways}
    absent: dict[str, str] = {}
    for turn in range(options.turns):
        for engine, count, threads in ways:
            if engine in absent or not wanted(engine, options):
                continue
            print(f"turn {turn + 1}: {name_of(engine, count, threads)}", file=sys.stderr)
            python = python_of(engine, options)
            workers: list[Worker] = []
            try:
                for _ in range(count):
                    workers.append(Worker(python, engine, {**settings, "threads": threads}, file))
                for worker in workers:
                    worker.begin()
                for place, question in enumerate(questions):
                    for part, worker in enumerate(workers):
                        worker.ask(**question, part=part, parts=count)
                    found[name_of(engine, count, threads)][place].append([worker.answer() for worker in workers])
            except (Absent, OSError) as why:
                absent[engine] = str(why)
            finally:
                for worker in workers:
                    worker.close()
    return found, absent


def wanted(name: str, options: argparse.Namespace) -> bool:
    """Whether an engine is asked for: its name holds one of `--only`, or all are."""
    return not options.only or any(part in name for part in options.only.split(","))


def cells_of(text: str) -> list[tuple[int, int]]:
    """Batch and beam of each cell: 1x1,64x5."""
    known = {f"{batch}x{beam}": (batch, beam) for batch, beam in CELLS}
    if wrong := [cell for cell in text.split(",") if cell not in known]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r} is no cell; allowed: {','.join(known)}")
    return [known[cell] for cell in text.split(",")]


def python_of(engine: str, options: argparse.Namespace) -> str:
    peer = engine.split()[0].lower()
    if peer == "axw":
        return sys.executable
    return getattr(options, f"{'huggingface' if peer == 'hugging' else peer}_python") or options.peer_python


def measured(
    options: argparse.Namespace, settings: dict[str, Any]
) -> tuple[dict[str, list[float | None]], dict[str, str]]:
    """Words a second of each way in each cell, None where there is no figure; and why an engine is left out."""
    questions = [{"batch": batch, "beam": beam, "seconds": options.seconds} for batch, beam in options.cells]
    found, absent = asked(WAYS, options, settings, "decode_worker.py", questions)

    def rate(batch: int, turns: list[list[list[float]]]) -> float | None:
        sums = [sum(batch * settings["words"] / statistics.median(taken) for taken in turn) for turn in turns]
        return statistics.median(sums) if sums else None

    rates = {
        name: [rate(batch, turns) for (batch, _), turns in zip(options.cells, cells, strict=True)]
        for name, cells in found.items()
    }
    return rates, absent


def real_sentences(options: argparse.Namespace) -> None:
    """Words out a second and BLEU on the user's own sentences; of two processes, each has every second line."""
    from axw.data import read_lines
    from axw.measures.translation import bleu_chrf

    references = list(islice(read_lines(str(options.reference)), options.lines))
    settings = {
        "model": str(options.model),
        "source": str(options.source),
        "lines": options.lines,
        "clock": options.clock,
    }
    questions = [{"batch": batch, "beam": beam} for batch, beam in options.cells]
    found, absent = asked(REAL_WAYS, options, settings, "decode_sentences.py", questions)
    rows = {}
    for name, cells in found.items():
        rows[name] = []
        for turns in cells:
            if not turns:
                rows[name].append(None)
                continue
            texts = [""] * sum(len(answer["texts"]) for answer in turns[0])
            for part, answer in enumerate(turns[0]):
                texts[part :: len(turns[0])] = answer["texts"]
            words = sum(len(text.split()) for text in texts)
            seconds = statistics.median(max(answer["seconds"] for answer in turn) for turn in turns)
            rows[name].append(f"{words / seconds:,.0f} ({bleu_chrf(texts, references)[0].value:.2f})")
    print(f"\n{len(references)} lines, words out a second (BLEU)\n")
    print_table("words out a second (BLEU)", options.cells, rows, absent)


def operations(settings: dict[str, Any], cells: list[tuple[int, int]]) -> list[float]:
    """How many operations of PyTorch one word takes to start, in axw on PyTorch, fp32; whatever the machine is busy with."""
    import decode_worker
    import torch
    from torch.profiler import ProfilerActivity, profile

    decode, counts = decode_worker.axw(settings, "fp32", "PyTorch"), []
    for batch, beam in cells:
        source = torch.full((batch, settings["source_words"]), decode_worker.FIRST)
        decode(source, beam)
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            decode(source, beam)
        counts.append(sum(event.cpu_parent is None for event in seen.events()) / settings["words"])
    return counts


def print_table(corner: str, cells: list[tuple[int, int]], rows: dict[str, list[Any]], absent: dict[str, str]) -> None:
    """Markdown, a dash where there is no figure."""
    heads = [f"batch {batch}, {'greedy' if beam == 1 else f'beam {beam}'}" for batch, beam in cells]
    print(f"| {' | '.join([corner, *heads])} |\n|{'---|' * (len(cells) + 1)}")
    for name, row in rows.items():
        shown = ["–" if one is None else one if isinstance(one, str) else f"{one:,.0f}" for one in row]
        print(f"| {' | '.join([name, *shown])} |")
    for engine, why in absent.items():
        print(f"\n{engine} is left out: {why}")


def limits(settings: dict[str, Any], cells: list[tuple[int, int]]) -> dict[str, list[float]]:
    """Words a second if nothing but the products of encoder and decoder took time; one thread.

    Each product has weights of its own and they are multiplied by in turn, as in a step: none waits in the nearest cache.
    """
    import torch

    torch.set_num_threads(1)
    d, f, V, layers = (settings[name] for name in ("d_model", "d_ff", "vocabulary", "layers"))
    source, words = settings["source_words"], settings["words"]
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}

    def seconds(kind: str, rows: int, shapes: list[tuple[int, int, int]]) -> float:
        def random(*shape: int) -> torch.Tensor:
            return (torch.randn(*shape) * (40 if kind == "int8" else 1)).clamp(-127, 127).to(kinds[kind])

        product: Any = torch._int_mm if kind == "int8" else torch.mm
        pairs = [(random(rows, k), random(n, k).t()) for k, n, times in shapes for _ in range(times)]
        taken = []
        for _ in range(20):
            begin = time.perf_counter()
            for X, W in pairs:
                product(X, W)
            taken.append(time.perf_counter() - begin)
        return min(taken)

    found = {}
    for kind in kinds:
        rates = []
        for batch, beam in cells:
            encoder = [(d, 3 * d, layers), (d, d, layers), (d, f, layers), (f, d, layers), (d, 2 * d, layers)]
            decoder = [(d, 3 * d, layers), (d, d, 3 * layers), (d, f, layers), (f, d, layers), (d, V, 1)]
            whole = seconds(kind, batch * source, encoder) + words * seconds(kind, batch * beam, decoder)
            rates.append(batch * words / whole)
        found[f"products alone {kind}, 1 thread"] = rates
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", default=sys.executable)
    for peer in ("ctranslate2", "huggingface", "joeynmt"):
        parser.add_argument(f"--{peer}-python", help="where it is not the --peer-python")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.7, help="of each measurement")
    parser.add_argument("--only", help="engines whose name holds this, or one of these: axw,int8")
    parser.add_argument("--cells", type=cells_of, default=CELLS, help="1x1,1x5,64x1,64x5: batch x beam")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: where others use the machine too"
    )
    parser.add_argument("--operations", action="store_true", help="count what a step starts instead of its time")
    parser.add_argument("--model", type=Path, help="a run of `axw fit translation`, for real sentences instead")
    parser.add_argument("--source", type=Path, help="a text, a sentence a line")
    parser.add_argument("--reference", type=Path, help="its right translations")
    parser.add_argument("--lines", type=int, default=500, help="how many of them")
    shape = {"d_model": 256, "layers": 3, "heads": 4, "d_ff": 1024, "vocabulary": 8000, "source_words": 20, "words": 20}
    for name, value in shape.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    options = parser.parse_args()
    if options.model is not None and (options.source is None or options.reference is None):
        parser.error("--model needs --source and --reference")
    begin = time.perf_counter()
    machine = f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, {time.strftime('%Y-%m-%d')}"
    settings = {name: getattr(options, name) for name in shape} | {"clock": options.clock}
    if options.operations:
        print_table("operations a step", options.cells, {"axw PyTorch fp32": operations(settings, options.cells)}, {})
    elif options.model is not None:
        real_sentences(options)
    else:
        rates, absent = measured(options, settings)
        shown = {name: row for name, row in rates.items() if wanted(name, options)}
        print_table("words out a second", options.cells, shown | limits(settings, options.cells), absent)
    print(f"\n{machine}; {time.perf_counter() - begin:.0f} seconds, {options.turns} turns, {options.clock} clock")


if __name__ == "__main__":
    main()

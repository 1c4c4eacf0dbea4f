"""How fast a Transformer decodes on a CPU: axw beside CTranslate2, Hugging Face `generate` and JoeyNMT, in one run.

    python benchmarks/decode.py --peer-python PYTHON

d 256, 3 + 3 layers, 4 heads, feed-forward 1024, vocabulary 8000, random weights; sources of 20 words, and exactly 20 words out.
Each engine lives in a process of its own; "x 2" are two processes of one thread each, both measured at once, and their sum. The
engines take turns; a figure is words out in a second, at the median of all times that a batch was decoded. PYTHON is one with
the peers (and PyTorch) in it; what it lacks is left out. Last come the limits of this machine, for one thread and for two
processes: what the products of a step would take at the rate that PyTorch's own product of that kind reaches here.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

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
    ("axw fp32", 1, 1),
    ("axw bf16", 1, 1),
    ("axw int8", 1, 1),
    ("axw fp32", 2, 1),
    ("axw bf16", 2, 1),
    ("axw int8", 2, 1),
]


class Worker:
    """A process of `decode_worker.py`; `found` is False where it could not begin."""

    def __init__(self, python: str, engine: str, settings: dict[str, Any]) -> None:
        command = [python, str(HERE / "decode_worker.py"), engine, json.dumps(settings)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(settings["threads"])}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.found = bool(self.process.stdout.readline())
        if not self.found:
            print(f"{engine} is left out: {self.process.stderr.read().strip().splitlines()[-1:]}", file=sys.stderr)

    def ask(self, batch: int, beam: int, seconds: float) -> None:
        self.process.stdin.write(json.dumps({"batch": batch, "beam": beam, "seconds": seconds}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> list[float]:
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"a worker ended: {self.process.stderr.read()[-2000:]}")
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def measured(options: argparse.Namespace, settings: dict[str, Any]) -> dict[str, list[float]]:
    """Words a second of each way in each cell."""
    rates: dict[str, list[list[float]]] = {}
    for _ in range(options.turns):
        for engine, count, threads in WAYS:
            if options.only and options.only not in engine:
                continue
            python = sys.executable if engine.startswith("axw") else options.peer_python
            workers = [Worker(python, engine, {**settings, "threads": threads}) for _ in range(count)]
            if all(worker.found for worker in workers):
                name = f"{engine}, {threads} thread{'s' * (threads > 1)}" + (f" x {count}" if count > 1 else "")
                rates.setdefault(name, [[] for _ in CELLS])
                for cell, found in zip(CELLS, rates[name], strict=True):
                    for worker in workers:
                        worker.ask(*cell, options.seconds)
                    found.append(sum(cell[0] * settings["words"] / statistics.median(w.answer()) for w in workers))
            for worker in workers:
                worker.close()
    return {name: [statistics.median(found) for found in cells] for name, cells in rates.items()}


def limits(settings: dict[str, Any]) -> dict[str, list[float]]:
    """Words a second if nothing but the products of encoder and decoder took time; one thread."""
    import time

    import torch

    torch.set_num_threads(1)
    d, f, V, layers = (settings[name] for name in ("d_model", "d_ff", "vocabulary", "layers"))
    source, words = settings["source"], settings["words"]

    def seconds(kind: str, rows: int, shapes: list[tuple[int, int, int]]) -> float:
        total = 0.0
        for k, n, times in shapes:
            if kind == "int8":
                X, W = (torch.randint(-127, 128, shape, dtype=torch.int8) for shape in ((rows, k), (n, k)))
                product = torch._int_mm
            else:
                kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
                X, W = (torch.randn(*shape).to(kinds[kind]) for shape in ((rows, k), (n, k)))
                product = torch.mm
            taken = []
            for _ in range(30):
                begin = time.perf_counter()
                product(X, W.t())
                taken.append(time.perf_counter() - begin)
            total += times * min(taken)
        return total

    found = {}
    for kind in ("fp32", "bf16", "int8"):
        rates = []
        for batch, beam in CELLS:
            encoder = [(d, 3 * d, layers), (d, d, layers), (d, f, layers), (f, d, layers), (d, 2 * d, layers)]
            decoder = [(d, 3 * d, layers), (d, d, 3 * layers), (d, f, layers), (f, d, layers), (d, V, 1)]
            whole = seconds(kind, batch * source, encoder) + words * seconds(kind, batch * beam, decoder)
            rates.append(batch * words / whole)
        found[f"products alone {kind}, 1 thread"] = rates
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--only", help="engines whose name holds this")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: where others use the machine too"
    )
    shape = {"d_model": 256, "layers": 3, "heads": 4, "d_ff": 1024, "vocabulary": 8000, "source": 20, "words": 20}
    for name, value in shape.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    options = parser.parse_args()
    settings = {name: getattr(options, name) for name in shape} | {"clock": options.clock}
    table = measured(options, settings) | limits(settings)
    print(f"{'words out a second':36s}" + "".join(f"  batch {b:2d} beam {w}" for b, w in CELLS))
    for name, rates in table.items():
        print(f"{name:36s}" + "".join(f"{rate:16,.0f}" for rate in rates))


if __name__ == "__main__":
    main()

"""How fast translators train, side by side: the same sizes, batches, dropout, smoothing and optimizer, in rounds that take turns.

    python benchmarks/translation.py                       # d 256, 3+3 layers, 4 heads, feed-forward 1024, vocabulary 8000
    python benchmarks/translation.py --small               # d 128, 4+4 layers, feed-forward 256, vocabulary 4000
    python benchmarks/translation.py --peer-python /path/to/venv/bin/python --only axw,Marian

Each contender is a process of its own that waits for its turn; a round is the same batches for each of them. Printed: the median
over the rounds in source + target tokens a second, padding not counted; how many times the slowest; the share of the ceiling,
which is what the matrix products of the step alone would allow, timed in the same rounds; and the greatest memory of the process
after a tenth of the steps and at the end. JoeyNMT and Hugging Face run in --peer-python, and are left out, with the reason,
where they are missing. On a machine that others use too, compare with --threads 1 --clock cpu.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from axw.cli.allocating import library, preloading

sys.path.insert(0, str(Path(__file__).parent))
from translation_worker import CONTENDERS, PAD, batches

WORKER = Path(__file__).with_name("translation_worker.py")
BIG = {"d_model": 256, "layers": 3, "heads": 4, "d_ff": 1024, "vocabulary": 8000, "dropout": 0.1}
SMALL = {"d_model": 128, "layers": 4, "heads": 4, "d_ff": 256, "vocabulary": 4000, "dropout": 0.1}


class Contender:
    """A process that waits for its turn."""

    def __init__(self, name: str, python: str, settings: dict[str, object]) -> None:
        self.name = name
        command = [python, str(WORKER), name, json.dumps(settings)]
        # axw's worker has the allocator that `axw fit` has.
        env = preloading(os.environ, library()) if name in ("axw fp32", "axw bf16") else None
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        )
        self.rounds: list[float] = []
        self.memory: list[float] = []
        self.missing = "" if self._answer() else self._why()

    def _answer(self) -> dict[str, list[float]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                return dict(json.loads(line))
        return {}

    def _why(self) -> str:
        said = self.process.communicate()[1].strip().splitlines()
        return said[-1][:120] if said else f"ended with {self.process.returncode}"

    def turn(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        found = self._answer()
        self.rounds.append(sum(found["seconds"]))
        self.memory += found["memory"]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.communicate()


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="the size for thirty thousand pairs")
    parser.add_argument("--tokens", type=int, default=4096, help="target tokens of a batch")
    parser.add_argument("--batches", type=int, default=4, help="batches of a round, their lengths from 8 to 30")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="time that passes, or that the process had"
    )
    parser.add_argument("--only", default="", help="contenders whose names hold one of these, with commas")
    parser.add_argument(
        "--peer-python", default=sys.executable, help="the Python that JoeyNMT and Hugging Face are installed in"
    )
    return parser.parse_args()


def main() -> None:
    given = options()
    settings = {
        **(SMALL if given.small else BIG),
        "tokens": given.tokens,
        "batches": given.batches,
        "threads": given.threads,
        "clock": given.clock,
    }
    wanted = [part for part in given.only.split(",") if part]
    entered = []
    for name in CONTENDERS:
        if wanted and not any(part in name for part in wanted):
            continue
        peer = name.startswith(("JoeyNMT", "Hugging Face"))
        contender = Contender(name, given.peer_python if peer else sys.executable, settings)
        if contender.missing:
            print(f"left out: {name}: {contender.missing}")
        else:
            entered.append(contender)
    for _ in range(given.rounds):
        for contender in entered:
            contender.turn()
    for contender in entered:
        contender.end()
    show(entered, settings)


def show(entered: list[Contender], settings: dict[str, object]) -> None:
    words = sum(int((side != PAD).sum()) for source, _, said in batches(settings) for side in (source, said))
    rate = {contender.name: words / statistics.median(contender.rounds) for contender in entered}
    print(", ".join(f"{name} {value}" for name, value in settings.items()), f"({words:,} tokens a round)")
    print(f"{'':31s} tokens/s  range over rounds    of slowest  of ceiling   MiB at a tenth, at the end")
    slowest = min((value for name, value in rate.items() if "alone" not in name), default=1.0)
    for contender in entered:
        value, spread = rate[contender.name], [words / seconds for seconds in contender.rounds]
        ceiling = rate.get(f"matrix products alone, {'bf16' if 'bf16' in contender.name else 'fp32'}")
        share = "" if ceiling is None else f"{100 * value / ceiling:7.0f} %"
        early = contender.memory[len(contender.memory) // 10]
        print(
            f"{contender.name:30s} {value:9,.0f}  {min(spread):7,.0f} to {max(spread):7,.0f}  {value / slowest:9.2f} x "
            f"{share:>10s}   {early:7,.0f} {contender.memory[-1]:7,.0f}"
        )


if __name__ == "__main__":
    main()

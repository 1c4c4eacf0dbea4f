"""Which feed-forward kind is best, and is the difference real? Table 1 of Shazeer 2020 (arXiv 2002.05202) again, small.

    AXW_DATA=/path/to/data python benchmarks/feedforward.py --out feedforward.jsonl [--seeds 4] [--steps 500] [--jobs 2]
    AXW_DATA=/path/to/data python benchmarks/feedforward.py --out feedforward.jsonl --choose-rate

Eight kinds of the paper and ReLU squared on two tasks: span filling as in the paper (15 %, mean length 3, an encoder-
decoder, nats per target piece) and masked words (15 % of the words, an encoder, nats per hidden piece), over the Brown
corpus. As in the paper: no biases, no dropout, RMS norm before each sub-layer, relative positions, Adafactor with the
inverse square root of the step, and two thirds of the width for gated kinds, so that all kinds have as many weights;
bfloat16 with weights kept in float32. Unlike it: no decay over the last tenth of the steps, scores divided by sqrt(d_k),
and all else smaller. The rate is chosen for ReLU alone, with a seed that is not used again, and is the same for all kinds.

Each run uses one thread, and is one line of the file --out once it has ended: stopped and started again, the rest is done.
Needs words/brown.train.txt.gz and words/brown.valid.txt.gz in AXW_DATA.
"""

from __future__ import annotations

import argparse
import itertools
import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

from scipy import stats

KINDS = ("relu", "gelu", "swish", "glu", "bilinear", "geglu", "swiglu", "reglu", "relu2")
TASKS = ("fill-spans", "words")
# Shazeer 2020, table 1: log-perplexity after 65,536 steps, its standard deviation over four runs, and after 524,288 steps.
PAPER = {
    "relu": (1.997, 0.005, 1.677),
    "gelu": (1.983, 0.005, 1.679),
    "swish": (1.994, 0.003, 1.683),
    "glu": (1.982, 0.006, 1.663),
    "bilinear": (1.960, 0.005, 1.648),
    "geglu": (1.942, 0.004, 1.633),
    "swiglu": (1.944, 0.010, 1.636),
    "reglu": (1.953, 0.003, 1.645),
}
WARMUP = 100
RATES = (0.025, 0.05, 0.1, 0.2, 0.4)  # 0.1 is 1 / sqrt(WARMUP): T5's rate, 1 / sqrt(step)
CHOOSING_SEED = 1000


class Size(NamedTuple):
    """What all runs of a table have in common."""

    steps: int = 500
    d_model: int = 128
    layers: int = 2
    heads: int = 4
    d_ff: int = 384
    vocabulary: int = 4000
    batch_tokens: int = 4096
    lines: int = 0


class Job(NamedTuple):
    """One run."""

    task: str
    kind: str
    seed: int
    rate: float
    size: Size


def settings_of(job: Job) -> Any:
    """The settings of one run."""
    from axw.learning import OptimizerSettings, ScheduleSettings, TrainSettings
    from axw.models.words.settings import WordsSettings
    from axw.networks.blocks import TransformerSettings

    s = job.size
    network = TransformerSettings(
        d_model=s.d_model,
        layers=s.layers,
        heads=s.heads,
        d_ff=s.d_ff,
        feedforward=job.kind,
        positions="relative",
        norm="rms",
        dropout=0.0,
        attention_dropout=0.0,
        feedforward_dropout=0.0,
    )
    train = TrainSettings(
        optimizer=OptimizerSettings(name="adafactor", clip=None),
        schedule=ScheduleSettings(name="inverse-square-root", rate=job.rate, warmup=WARMUP),
        steps=s.steps,
        evaluate_every=s.steps,
        keep="last",
        seed=job.seed,
        threads=1,
        precision="bf16",
    )
    return WordsSettings(
        network=network,
        train=train,
        task=job.task,  # type: ignore[arg-type]
        vocabulary=s.vocabulary,
        ratio=0.15,
        batch_tokens=s.batch_tokens,
    )


def parameters(task: str, kind: str, size: Size) -> int:
    """The number of weights of a run's network."""
    import torch

    from axw.networks.masked_words import MaskedWords
    from axw.networks.transformer import Transformer

    network = settings_of(Job(task, kind, 0, 0.1, size)).network
    with torch.device("meta"):
        made = (
            Transformer(network, size.vocabulary, size.vocabulary)
            if task == "fill-spans"
            else MaskedWords(network, size.vocabulary)
        )
    return sum(p.numel() for p in made.parameters())


def run(job: Job, folder: str) -> dict[str, Any]:
    """Train and measure; the line of the file."""
    import warnings

    import torch

    from axw.errors import DataWarning
    from axw.models.words.masked_words import MaskedLanguageModel

    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DataWarning)
    train, valid = (lines_of(Path(folder) / f"brown.{part}.txt.gz", job.size.lines) for part in ("train", "valid"))
    started = time.monotonic()
    model = MaskedLanguageModel(settings_of(job)).fit(train, valid)
    return {
        **job._asdict(),
        "size": job.size._asdict(),
        "loss": model.facts["validation"]["loss"],
        "accuracy": model.facts["validation"]["accuracy"],
        "weights": sum(p.numel() for p in model.network.parameters()),
        "seconds": round(time.monotonic() - started, 1),
    }


def lines_of(path: Path, most: int = 0) -> list[str]:
    """The lines of a file, or the first `most`."""
    from axw.data import read_lines

    return list(itertools.islice(read_lines(path), most or None))


def done_of(path: Path, size: Size) -> dict[tuple[str, str, int, float], dict[str, Any]]:
    """The runs of this size that have ended, by task, kind, seed and rate."""
    from axw.storage import read_json_lines

    records = read_json_lines(path) if path.exists() else []
    return {
        (record["task"], record["kind"], record["seed"], record["rate"]): record
        for record in records
        if record["size"] == size._asdict()
    }


def do(jobs: Sequence[Job], folder: Path, out: Path, at_once: int) -> None:
    """The runs that are missing, `at_once` beside each other; each is written when it has ended."""
    from axw.storage import JsonLines

    done = done_of(out, jobs[0].size) if jobs else {}
    missing = [job for job in jobs if (job.task, job.kind, job.seed, job.rate) not in done]
    print(f"{len(jobs) - len(missing)} runs are there, {len(missing)} to do", file=sys.stderr)
    if not missing:
        return
    context = multiprocessing.get_context("spawn")
    with JsonLines(out) as log, ProcessPoolExecutor(at_once, context) as pool:
        running = {pool.submit(run, job, str(folder)): job for job in missing}
        try:
            for number, future in enumerate(as_completed(running), 1):
                record = future.result()
                log.append(record)
                log.sync()
                label = f"{record['task']} {record['kind']} seed {record['seed']} rate {record['rate']:g}"
                print(f"{number}/{len(missing)} {label}: {record['loss']:.4f}, {record['seconds']} s", file=sys.stderr)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def best_rate(task: str, out: Path, size: Size) -> float | None:
    """The rate with which ReLU did best with the seed for choosing; None where it was not asked for."""
    found = {rate: record["loss"] for (t, kind, seed, rate), record in done_of(out, size).items()
             if t == task and kind == "relu" and seed == CHOOSING_SEED}  # fmt: skip
    return min(found, key=found.__getitem__) if found else None


def table(task: str, losses: Mapping[str, Sequence[float]]) -> str:
    """losses by kind, in the order of the seeds -> the table, and which gaps are resolved."""
    from axw.ladders.statistics import holm_intervals

    alone = (1.0, 1e-12)  # runs of other seeds share nothing random: the plain t interval
    others = [kind for kind in losses if kind != "relu"]
    to_relu = holm_intervals(
        [[a - b for a, b in zip(losses[kind], losses["relu"], strict=True)] for kind in others], [alone] * len(others)
    )
    compared = dict(zip(others, to_relu, strict=True))
    lines = [f"{task}: nats per piece, lower is better", ""]
    head = ("kind", "mean", "sd", "95 % interval", "minus relu [95 %, Holm]", "resolved", "paper 65,536", "524,288")
    rows = [head, *(_row(kind, losses[kind], compared.get(kind)) for kind in losses)]
    wide = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines += ["  ".join(cell.ljust(w) for cell, w in zip(row, wide, strict=True)).rstrip() for row in rows]
    pairs = list(itertools.combinations(losses, 2))
    gaps = holm_intervals(
        [[a - b for a, b in zip(losses[x], losses[y], strict=True)] for x, y in pairs], [alone] * len(pairs)
    )
    told = [
        f"{x} < {y}" if gap.below_zero else f"{y} < {x}"
        for (x, y), gap in zip(pairs, gaps, strict=True)
        if gap.below_zero or gap.above_zero
    ]
    lines += ["", f"resolved gaps, of all {len(pairs)} pairs with Holm's correction: {', '.join(told) or 'none'}"]
    return "\n".join(lines)


def _row(kind: str, values: Sequence[float], compared: Any) -> tuple[str, ...]:
    mean = statistics.fmean(values)
    sd = statistics.stdev(values) if len(values) > 1 else math.nan
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * sd / math.sqrt(len(values)) if len(values) > 1 else math.nan
    paper = PAPER.get(kind)
    return (
        kind,
        f"{mean:.4f}",
        f"{sd:.4f}",
        f"{mean - reach:.4f} to {mean + reach:.4f}",
        "" if compared is None else f"{compared.mean:+.4f} [{compared.low:+.4f}, {compared.high:+.4f}]",
        "" if compared is None else "yes" if compared.below_zero or compared.above_zero else "no",
        "" if paper is None else f"{paper[0]:.3f} ({paper[1]:.3f})",
        "" if paper is None else f"{paper[2]:.3f}",
    )


def report(tasks: Sequence[str], rates: Mapping[str, float], out: Path, seeds: int, size: Size) -> None:
    """The table of each task, of the seeds that every kind has."""
    done = done_of(out, size)
    for task in tasks:
        rate = rates[task]
        there = [s for s in range(seeds) if all((task, kind, s, rate) in done for kind in KINDS)]
        if not there:
            print(f"{task}: no seed has ended for every kind yet\n")
            continue
        losses = {kind: [done[task, kind, seed, rate]["loss"] for seed in there] for kind in KINDS}
        weights = {done[task, kind, seed, rate]["weights"] for kind in KINDS for seed in there}
        seconds = statistics.median(done[task, kind, seed, rate]["seconds"] for kind in KINDS for seed in there)
        print(table(task, losses))
        print(
            f"{len(there)} seeds, {size.steps} steps of {size.batch_tokens} pieces, rate {rate:g} from {WARMUP} steps on, "
        )
        print(f"{', '.join(f'{n:,}' for n in sorted(weights))} weights, median run {seconds:.0f} s\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the file of finished runs, one JSON line each")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2, help="runs beside each other, one thread each")
    parser.add_argument("--task", choices=TASKS, action="append", help="only this one, repeatable")
    parser.add_argument("--choose-rate", action="store_true", help="try the rates on ReLU instead of running the table")
    parser.add_argument("--rate", type=float, help="instead of the one that was chosen; without either: 0.1")
    for name, default in Size()._asdict().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    asked = parser.parse_args()
    folder = Path(os.environ.get("AXW_DATA", "")) / "words"
    if not (folder / "brown.train.txt.gz").exists():
        parser.error(
            f"There is no brown.train.txt.gz in {str(folder)!r}. Set AXW_DATA to the folder that holds words/."
        )
    size = Size(*(getattr(asked, name) for name in Size._fields))
    tasks = asked.task or list(TASKS)
    for task in tasks:
        counts = {kind: parameters(task, kind, size) for kind in KINDS}
        assert len(set(counts.values())) == 1, f"The kinds have other numbers of weights: {counts}. Use d_ff = 48 k."
    if asked.choose_rate:
        do(
            [Job(task, "relu", CHOOSING_SEED, rate, size) for task in tasks for rate in RATES],
            folder,
            asked.out,
            asked.jobs,
        )
        for (task, _, seed, rate), record in sorted(done_of(asked.out, size).items()):
            if seed == CHOOSING_SEED:
                print(f"{task}  relu  rate {rate:g}  {record['loss']:.4f}")
        return
    rates = {task: asked.rate or best_rate(task, asked.out, size) or 0.1 for task in tasks}
    # Seed after seed, so that a table can be printed as soon as the first seed is complete.
    jobs = [Job(t, kind, seed, rates[t], size) for seed in range(asked.seeds) for t in tasks for kind in KINDS]
    do(jobs, folder, asked.out, asked.jobs)
    report(tasks, rates, asked.out, asked.seeds, size)


if __name__ == "__main__":
    main()

"""Masked words beside Hugging Face BERT: how fast one trains, and how well it guesses after the same time.

    python benchmarks/words.py speed [--rounds 5] [--threads 2] [--peer-python PATH]
    AXW_DATA=/path/to/data python benchmarks/words.py quality --minutes 10 [--threads 2] [--peer-python PATH]

speed    d 256, 4 layers, 4 heads, feed-forward 1,024, GELU, 64 x 128 pieces of 8,000; fresh 80/10/10 masks at every step,
         dropout 0.1 where BERT has it by default (embedded words, A, sub-layer outputs), AdamW. Four processes take turns; each
         turn is two steps, and the ratio is that of the medians.
quality  `axw fit words` as it stands, and BERT of the same size under Hugging Face's Trainer (AdamW, linear decay, rate --rate,
         bfloat16), the same vocabulary, lines, batch tokens, share of hidden words and minutes; both are asked for the same
         hidden words of the validation lines.
         Needs words/brown.train.txt.gz and words/brown.valid.txt.gz in AXW_DATA.

--peer-python is a Python with transformers, torch and accelerate; default: this one. Without them the peer is skipped. axw's
worker of `speed` has the allocator that `axw fit` has.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from axw.cli.allocating import library, preloading

HERE = Path(__file__).parent
VOCABULARY, ROWS, LENGTH, STEPS, FIRST = 8000, 64, 128, 2, 5


def missing(python: str) -> str:
    """Why the peer cannot run; "" where it can."""
    done = subprocess.run([python, "-c", "import transformers, torch, accelerate"], capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it cannot be started"])[-1]


def speed_worker(precision: str, threads: int) -> None:
    """Answers each line of stdin with the seconds of STEPS steps of axw."""
    import numpy as np
    import torch

    from axw.data.masking import mask_words
    from axw.learning import Measured, OptimizerSettings, ScheduleSettings, Trainer, TrainSettings
    from axw.learning.allocator import ready_to_train
    from axw.learning.projected import projected_cross_entropy
    from axw.models.words.lesson import MaskedBatch
    from axw.networks.blocks import TransformerSettings
    from axw.networks.masked_words import MaskedWords

    ready_to_train()
    torch.set_num_threads(threads)
    network = MaskedWords(
        TransformerSettings(
            d_model=256, layers=4, heads=4, d_ff=1024, feedforward="gelu", bias=True, positions="learned",
            norm_place="post", longest=LENGTH, dropout=0.1, attention_dropout=0.1, feedforward_dropout=0.0,
        ),
        VOCABULARY,
    )  # fmt: skip
    settings = TrainSettings(
        optimizer=OptimizerSettings(name="adamw"),
        schedule=ScheduleSettings(rate=1e-4),
        steps=10**6,
        precision=precision,  # type: ignore[arg-type]
    )

    def loss(model: Any, batch: MaskedBatch) -> Measured:
        return projected_cross_entropy(
            model(batch.ids, batch.places), model.projection, batch.targets, bias=model.frequency
        )

    trainer: Trainer[MaskedBatch] = Trainer(network, loss, settings)
    ids = np.random.default_rng(0).integers(FIRST, VOCABULARY, (ROWS, LENGTH))
    for turn, _ in enumerate(sys.stdin):
        started = time.perf_counter()
        for step in range(STEPS):
            masked = mask_words(ids, range(FIRST, VOCABULARY), seed=(turn, step))
            trainer.step([MaskedBatch(*map(torch.from_numpy, masked))])
        print(json.dumps({"seconds": time.perf_counter() - started, "steps": STEPS}), flush=True)


def speed(rounds: int, threads: int, python: str) -> None:
    """All workers take turns; tokens a second, and ratios of medians."""
    why = missing(python)
    own = [sys.executable, __file__, "worker"]
    commands = {f"axw {p}": [*own, p, str(threads)] for p in ("fp32", "bf16")}
    if why:
        print(f"Hugging Face is skipped: {why} (in {python})")
    else:
        peer = [python, str(HERE / "bert_worker.py"), "speed"]
        commands |= {f"Hugging Face {p}": [*peer, p, str(threads)] for p in ("fp32", "bf16")}
    rates: dict[str, list[float]] = {name: [] for name in commands}
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    trained = preloading(environment, library()) or environment
    workers = {
        name: subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=trained if name.startswith("axw") else environment,
        )
        for name, words in commands.items()
    }
    try:
        for turn in range(rounds + 1):
            for name, worker in workers.items():
                found = _turn(worker)
                if turn:  # the first turn warms up
                    rates[name].append(ROWS * LENGTH * found["steps"] / found["seconds"])
    finally:
        for worker in workers.values():
            if worker.stdin is not None:
                worker.stdin.close()
            worker.wait()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        print(f"{name:<20} {medians[name]:>9,.0f} tokens/s   ({min(values):,.0f} to {max(values):,.0f})")
    for precision in ("fp32", "bf16"):
        if not why:
            ratio = medians[f"axw {precision}"] / medians[f"Hugging Face {precision}"]
            print(f"axw / Hugging Face, {precision}: {ratio:.2f}")


def _turn(worker: subprocess.Popen[str]) -> dict[str, float]:
    assert worker.stdin is not None and worker.stdout is not None
    worker.stdin.write("go\n")
    worker.stdin.flush()
    line = worker.stdout.readline()
    if not line:
        raise SystemExit("A worker ended before it answered; see above.")
    found: dict[str, float] = json.loads(line)
    return found


def quality(minutes: float, threads: int, python: str, rate: float, lines: int) -> None:
    """Both are trained for so long, one after the other, and asked for the same words."""
    from axw.data import read_lines
    from axw.models.words.masked_words import MaskedLanguageModel
    from axw.models.words.measures import AROUND, held_out

    folder = Path(os.environ.get("AXW_DATA", "")) / "words"
    train, valid = (list(read_lines(folder / f"brown.{part}.txt.gz")) for part in ("train", "valid"))
    train, valid = (train[:lines], valid[:lines]) if lines else (train, valid)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for part, text in (("train", train), ("valid", valid)):
            (place / f"{part}.txt").write_text("\n".join(text), encoding="utf-8")
        axw = [sys.executable, "-c", "import sys; from axw.cli import main; sys.exit(main())"]
        files = [str(place / "train.txt"), "--valid", str(place / "valid.txt"), "--save", str(place / "run")]
        words = [*axw, "fit", "words", *files, "--minutes", str(minutes), "--threads", str(threads)]
        subprocess.run(words, check=True, stdout=sys.stderr, env=environment)
        model = MaskedLanguageModel.load(place / "run")
        settings = model.settings
        _tell("axw", model.evaluate(valid))
        if why := missing(python):
            print(f"Hugging Face is skipped: {why} (in {python})")
            return
        asked = held_out(model.vocabulary, valid, settings.longest - AROUND)
        _ask(place, model, asked, {"rate": rate, "batch_tokens": settings.batch_tokens, "ratio": settings.share})
        words = [python, str(HERE / "bert_worker.py"), "train", name, str(minutes), str(threads)]
        subprocess.run(words, check=True, stdout=sys.stderr, env=environment)
        _tell("Hugging Face", _answers(place, asked))


def _ask(place: Path, model: Any, asked: Any, settings: dict[str, float]) -> None:
    """The files that the peer reads, beside the text: vocabulary, the batches with hidden words, settings."""
    import numpy as np

    (place / "tokenizer.json").write_bytes(model.vocabulary.tokenizer_json())
    (place / "settings.json").write_text(json.dumps(settings))
    arrays = {}
    for number, (masked, _) in enumerate(asked.batches):
        arrays |= {f"{n}{number}": a for n, a in zip(("ids", "places", "targets"), masked, strict=True)}
    np.savez(place / "asked.npz", **arrays)


def _answers(place: Path, asked: Any) -> dict[str, float]:
    """What the peer guessed, added up as axw's own guesses are."""
    import numpy as np

    from axw.models.words.measures import PieceScores, collected

    with np.load(place / "answers.npz") as found:
        scored = [
            (found[f"nats{i}"], found[f"right{i}"], batch.masked.targets) for i, batch in enumerate(asked.batches)
        ]
    answers = iter([PieceScores(nats, right, first, -nats) for nats, right, first in scored])  # it kept no other guess
    return collected(asked, lambda _: next(answers))[0].measures()


def _tell(name: str, measures: dict[str, float]) -> None:
    shown = "  ".join(
        f"{key} {measures[key]:.4f}" for key in ("nats_per_word", "bits_per_byte", "word_accuracy", "accuracy")
    )
    print(f"{name:<14} {shown}", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["worker"]:
        speed_worker(sys.argv[2], int(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "quality"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer-python", default=sys.executable, metavar="PATH")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=10.0, help="for each of the two")
    parser.add_argument("--rate", type=float, default=1e-3, help="of the peer")
    parser.add_argument("--lines", type=int, default=0, help="only the first lines of each text")
    asked = parser.parse_args()
    if asked.what == "speed":
        speed(asked.rounds, asked.threads, asked.peer_python)
        return
    if not (Path(os.environ.get("AXW_DATA", "")) / "words" / "brown.train.txt.gz").exists():
        parser.error("There is no words/brown.train.txt.gz in AXW_DATA. Set it to the folder that holds words/.")
    quality(asked.minutes, asked.threads, asked.peer_python, asked.rate, asked.lines)


if __name__ == "__main__":
    main()

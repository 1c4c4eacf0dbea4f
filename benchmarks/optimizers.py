"""What an optimizer and its rate bring in the same number of steps, for each of the doors that train on text.

    AXW_DATA=... python benchmarks/optimizers.py translation --steps 400
    AXW_DATA=... python benchmarks/optimizers.py words --try muon:8e-3 --try adamw:2e-3
    AXW_DATA=... python benchmarks/optimizers.py trees --set batch_tokens=1024 --out runs.jsonl

Every run has the same first weights, batches and dropout; only the optimizer and its greatest rate differ, or what `--try
muon:8e-3:train.optimizer.momentum=0.9` says more. Prints validation loss (nats per piece) and the processor's seconds, one
thread. A line of `--out` that is there already is not run again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from axw.learning import with_settings

COMMON = (
    "train.minutes=none",
    "train.average=0",
    "train.ema=none",
    "train.keep=last",
    "train.threads=1",
    "batch_tokens=1024",
)
TRIED = {
    "translation": ("adam:2e-3", "adam:4e-3", "adam:8e-3", "muon:4e-3", "muon:8e-3", "muon:1.6e-2"),
    "words": ("adamw:1e-3", "adamw:2e-3", "adamw:4e-3", "muon:4e-3", "muon:8e-3", "muon:1.6e-2"),
    "trees": ("adam:1.5e-3", "adam:3e-3", "adam:6e-3", "muon:4e-3", "muon:8e-3", "muon:1.6e-2"),
}


def lines(name: str) -> list[str]:
    return gzip.open(Path(os.environ["AXW_DATA"]) / name, "rt", encoding="utf-8").read().splitlines()


def translation() -> tuple[Any, Callable[[Any], Any]]:
    from axw.models.translation.settings import TranslationSettings
    from axw.models.translation.translator import Translator

    folder = "multi30k/tok"
    train = [lines(f"{folder}/train.lc.norm.tok.{language}.gz") for language in ("en", "de")]
    valid = [lines(f"{folder}/val.lc.norm.tok.{language}.gz") for language in ("en", "de")]
    return TranslationSettings(), lambda settings: Translator(settings).fit(train[0], train[1], (valid[0], valid[1]))


def words() -> tuple[Any, Callable[[Any], Any]]:
    from axw.models import MaskedLanguageModel
    from axw.models.words.settings import WordsSettings

    train, valid = lines("words/brown.train.txt.gz"), lines("words/brown.valid.txt.gz")
    return WordsSettings(), lambda settings: MaskedLanguageModel(settings).fit(train, valid)


def trees() -> tuple[Any, Callable[[Any], Any]]:
    from axw.data import read_trees
    from axw.models import ConstituencyParser
    from axw.models.trees.settings import ParserSettings

    folder = Path(os.environ["AXW_DATA"]) / "treebank"
    train, valid = (list(read_trees(str(folder / f"{part}.mrg.gz"))) for part in ("train", "valid"))
    return ParserSettings(), lambda settings: ConstituencyParser(settings).fit(train, valid)


DOORS = {"translation": translation, "words": words, "trees": trees}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("door", choices=DOORS)
    parser.add_argument("--try", dest="tried", action="append", metavar="NAME:RATE[:SETTING=VALUE...]")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--set", dest="change", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path, help="JSON lines, one a run")
    given = parser.parse_args()
    torch.set_num_threads(1)
    settings, fit = DOORS[given.door]()
    budget = [
        f"train.steps={given.steps}",
        f"train.evaluate_every={given.steps}",
        f"train.schedule.warmup={given.warmup}",
    ]
    base = with_settings(settings, [*COMMON, *budget, *given.change])
    known = (
        [json.loads(line) for line in given.out.read_text().splitlines()] if given.out and given.out.exists() else []
    )
    for tried in given.tried or TRIED[given.door]:
        name, rate, *more = tried.split(":")
        what = {"door": given.door, "tried": tried, "steps": given.steps, "warmup": given.warmup, "set": given.change}
        found = next((k for k in known if {key: k[key] for key in what} == what), None)
        if found is None:
            started = time.process_time()
            model = fit(with_settings(base, [f"train.optimizer.name={name}", f"train.schedule.rate={rate}", *more]))
            found = what | {"loss": model.facts["validation"]["loss"], "seconds": time.process_time() - started}
            if given.out:
                with given.out.open("a") as out:
                    out.write(json.dumps(found) + "\n")
        print(f"{found['loss']:.4f} nats  {found['seconds']:4.0f} s  {tried}", flush=True)


if __name__ == "__main__":
    main()

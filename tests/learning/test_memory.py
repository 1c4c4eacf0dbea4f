"""The memory of a process stays flat once the largest batch was met: nothing is kept from one step to the next."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from axw.learning.allocator import keep_compiled_products
from axw.learning.memory import Peak, peak_memory, told

EPOCH = """
import json, sys
import torch
from axw.learning import with_settings
from axw.learning.allocator import keep_freed_memory
from axw.learning.hooks import Hook
from axw.learning.memory import peak_memory
from axw.models.translation.translator import Translator
from tests.models.translation.test_translator import TINY, pairs

keep_freed_memory()
peaks, notes = [], []

class Watch(Hook):
    def on_records(self, records):
        if records[0].split == "train":
            peaks.append(peak_memory(torch.device("cpu")).process)
    def on_note(self, text):
        notes.append(text)

changes = ["train.steps=none", "train.epochs=2", "train.evaluate_every=0", "train.log_every=1", "train.checkpoint_every=100000"]
from axw.models.text_model import Place
changes += ["train.keep=last", "train.average=0", "batch_tokens=400", "transformer.d_model=32", *sys.argv[1:]]
Translator(with_settings(TINY, changes)).fit(*pairs(2000), pairs(7, seed=1), Place(hooks=[Watch()]))
print(json.dumps([peaks, notes]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say how much memory a process took")
@pytest.mark.parametrize(
    ("changes", "after"),
    [
        (["train.precision=fp32"], 0.1),
        # In bfloat16 the library below compiles a kernel for each new size of matrices, and keeps it: an epoch has them all.
        pytest.param(["train.precision=bf16"], 0.5, marks=pytest.mark.slow),
        pytest.param(["architecture=luong", "train.precision=fp32"], 0.1, marks=pytest.mark.slow),
    ],
)
def test_flat_over_an_epoch(changes: list[str], after: float) -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", EPOCH, *changes], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    peaks, notes = json.loads(done.stdout)
    steps = len(peaks)
    assert steps > 40
    assert peaks[-1] - peaks[int(after * steps)] < 0.02 * peaks[-1], [peak // 2**20 for peak in peaks[:: steps // 8]]
    # A process that a large one started counts that one's peak too, so the first number is not ours to know.
    assert notes[-1].startswith("peak memory ") and "GB more than before the first step" in notes[-1]


def test_how_it_is_told() -> None:
    before, after = Peak(1_000_000_000), Peak(1_250_000_000, 5_100_000_000)
    assert told(before, after) == "peak memory 1.25 GB, 0.25 GB more than before the first step; 5.10 GB on the GPU"
    assert told(Peak(0), Peak(0)) == ""
    assert peak_memory(torch.device("cpu")).process > 10_000_000


@pytest.mark.parametrize("chosen", ["", "ONEDNN", "DNNL"])
def test_a_process_that_trains_keeps_more_compiled_products_unless_a_number_was_chosen(
    chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "_PRIMITIVE_CACHE_CAPACITY"
    environment = {f"{chosen}{name}": "7"} if chosen else {}
    monkeypatch.setattr(os, "environ", environment)
    keep_compiled_products()
    assert environment == ({f"{chosen}{name}": "7"} if chosen else {f"ONEDNN{name}": "2048"})

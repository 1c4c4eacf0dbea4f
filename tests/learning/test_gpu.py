"""What `benchmarks/gpu.py` checks on a GPU: run there where there is one, and on the CPU always, so that it is right at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from benchmarks import gpu, gpu_checks

from axw.learning.distributed import Processes

ROOT = Path(__file__).parents[2]
CUDA = pytest.param(
    "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")]
)


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize(
    "check", ["as on the CPU", "resume", "FSDP2, one process", pytest.param("bf16", marks=pytest.mark.slow)]
)
def test_training_is_right(check: str, device: str) -> None:
    assert gpu_checks.RIGHT[check](torch.device(device))


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_the_doors_train_on_it(device: str) -> None:
    assert gpu_checks.doors(torch.device(device))


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_a_compiled_network_is_the_same(device: str) -> None:
    # In a process of its own: what checks the shapes of tensors here is not made to be compiled.
    backend = "aot_eager" if device == "cpu" else "inductor"
    check = f"gpu_checks.compiled(torch.device({device!r}), {backend!r})"
    code = f"import torch, warnings; warnings.simplefilter('ignore'); from benchmarks import gpu_checks; print({check})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "the weights differ by" in done.stdout, done.stderr


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_speed_is_measured_in_every_way(device: str) -> None:
    ways = [way for way in gpu.WAYS if "compiled" not in way[0]]
    lines = gpu.measured(gpu_checks.SIZES["tiny"], torch.device(device), 2, ways)
    assert len(lines) == 3 + len(ways) and not any("left out" in line for line in lines), lines
    assert "GFLOP" in lines[1]


def test_what_cannot_run_is_left_out_and_says_why() -> None:
    def broken(network: torch.nn.Module) -> torch.nn.Module:
        raise RuntimeError("no such kernel\nand a long tale")

    *_, last = gpu.measured(gpu_checks.SIZES["tiny"], torch.device("cpu"), 1, [("broken", "fp32", broken)])
    assert last.split() == "broken left out: RuntimeError: no such kernel".split()


def test_a_check_that_fails_says_so() -> None:
    with pytest.raises(gpu_checks.Failed, match="too far"):
        gpu_checks.verdict(False, "too far")
    assert Processes().device.type == "cpu"

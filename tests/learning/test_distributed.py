"""Two processes on one machine (Gloo) give the numbers of one process."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from axw.errors import UsageError
from axw.learning import Trainer
from axw.learning.distributed import Processes, processes, shard
from axw.storage import tensors_from_bytes
from tests.learning.distributed_worker import CHOSEN, STEPS, batches
from tests.learning.tiny import Plain, evaluate, history, loss

ROOT = Path(__file__).parents[2]


TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def two_processes(what: str, folder: Path, launcher: Sequence[str] = ()) -> None:
    command = [sys.executable, *launcher, "-m", "tests.learning.distributed_worker", what, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def alone():
    model = Plain()
    progress = Trainer(model, loss, CHOSEN).fit(batches, evaluate)
    return dict(model.named_parameters()), progress


def assert_close(folder, alone):
    weights = tensors_from_bytes((folder / "weights").read_bytes())
    assert set(weights) == set(alone)
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, alone[name].detach(), rtol=1e-5, atol=1e-5, msg=name)


def test_two_processes_equal_one(fast_path, alone):
    two_processes("plain", fast_path)
    assert_close(fast_path, alone[0])
    progress = json.loads((fast_path / "progress.json").read_text())
    assert (progress["step"], progress["tokens"]) == (STEPS, alone[1].tokens)
    steps = [line["step"] for line in history(fast_path / "run") if line["name"] == "accuracy"]
    assert steps == [11, 22, 33, 44, 50]


@pytest.mark.slow
def test_torchrun_starts_them_too(fast_path, alone):
    two_processes("plain", fast_path, TORCHRUN)
    assert_close(fast_path, alone[0])


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_and_resume_is_exact(fast_path, alone):
    (fast_path / "a").mkdir()
    (fast_path / "b").mkdir()
    two_processes("stopped", fast_path / "a")
    assert_close(fast_path / "a", alone[0])
    two_processes("plain", fast_path / "b")
    assert (fast_path / "a" / "weights").read_bytes() == (fast_path / "b" / "weights").read_bytes()
    assert history(fast_path / "a" / "run") == history(fast_path / "b" / "run")


@pytest.mark.slow
def test_what_one_process_meets_all_report(fast_path):
    two_processes("not_finite", fast_path)


@pytest.mark.slow
def test_a_sharded_model_gives_the_same_numbers_and_resumes(fast_path, alone):
    two_processes("sharded", fast_path)
    assert_close(fast_path, alone[0])


@given(st.integers(1, 9), st.integers(1, 5))
def test_each_batch_of_a_step_belongs_to_one_process(parts, size):
    shares = [Processes(rank, size).share(list(range(parts))) for rank in range(size)]
    assert len({len(share) for share in shares}) == 1
    own = sorted(s.number for share in shares for s in share if s.own)
    assert own == list(range(parts))
    assert all(s.batch == s.number for share in shares for s in share if s.own)


def test_one_process_is_alone(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with processes() as group:
        assert (group.rank, group.size) == (0, 1)
        tensor = torch.ones(2)
        group.add([tensor])
        assert tensor.tolist() == [1.0, 1.0]
        assert group.any(True) is True and group.first({"a": 1}) == {"a": 1}
        assert group.first_tensors({"a": tensor}) == {"a": tensor}


def test_sharding_needs_processes():
    with pytest.raises(UsageError, match="A model can be sharded only among processes") as error:
        shard(Plain(), [])
    assert "Start with torchrun" in str(error.value)

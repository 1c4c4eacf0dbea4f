"""`kill -9` at a random time, resume, until the run ends: the numbers are those of a run that nobody disturbed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def measure(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.reliability_training", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    return json.loads(done.stdout)


def test_thirty_kills():
    found = measure("--kills", "30", "--seed", "1")
    assert found["kills"] == 30
    assert found["exact"] == found["runs"] >= 3
    assert found["lost_more_than_one_interval"] == 0


@pytest.mark.slow
def test_signals_at_random_times():
    found = measure("--kills", "20", "--signals", "TERM,INT,HUP", "--seed", "2")
    assert found["exact"] == found["runs"] and found["seconds_to_stop_95th_percent"] < 5


@pytest.mark.slow
def test_kills_of_processes_with_a_python_of_their_own():
    found = measure("--kills", "5", "--exec", "--seed", "3")
    assert found["kills"] == 5 and found["exact"] == found["runs"]

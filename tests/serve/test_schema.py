"""Questions that a program makes up from the schema: none is answered with a 500."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

pytest.importorskip("fastapi")

from tests.serve import tiny  # noqa: E402
from tests.serve.real import listening  # noqa: E402


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="pip install schemathesis")
@pytest.mark.timeout(900)
def test_no_500_in_two_thousand_cases():
    with listening(tiny.service(*tiny.MAKERS)) as port:
        base = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{base}/openapi.json", "--url", base]
        command += [
            "--checks",
            "not_a_server_error",
            "--max-examples",
            "200",
            "--seed",
            "1",
            "--phases",
            "examples,coverage,fuzzing",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=850)
        told = done.stdout + done.stderr
    assert done.returncode == 0, told[-4000:]
    cases = int("".join(each for each in told.split(" generated")[0].split("\n")[-1] if each.isdigit()) or 0)
    assert cases >= 2000, told[-2000:]

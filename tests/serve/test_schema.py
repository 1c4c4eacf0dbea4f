"""Questions that a program makes up from the schema: none is answered with a 500."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest

pytest.importorskip("fastapi")

from tests.serve import tiny  # noqa: E402
from tests.serve.real import listening  # noqa: E402


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="pip install schemathesis")
@pytest.mark.timeout(1500)
def test_no_500_in_two_thousand_cases():
    with listening(tiny.service(*tiny.MAKERS)) as port:
        base = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{base}/openapi.json", "--url", base]
        command += [
            "--checks",
            "not_a_server_error",
            "--max-examples",
            "400",
            "--seed",
            "1",
            "--phases",
            "examples,coverage,fuzzing",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1450)
        told = done.stdout + done.stderr
    assert done.returncode == 0, told[-4000:]
    cases = re.search(r"([\d,]+) generated, ", told)
    assert cases is not None and int(cases[1].replace(",", "")) >= 2000, told[-2000:]

"""A command whose extra is not installed ends with exit code 2 and the line that brings it, and nothing is written."""

import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parents[1] / "models" / "golden"

BLOCKED = """
import sys
for name in sys.argv[1].split("+"):
    sys.modules[name] = None                      # import raises ImportError, as where the package is not there
from axw.cli import main
sys.exit(main(sys.argv[2:]))
"""
FIT = ["fit", "table", "rows.parquet", "--target", "y", "--save", "model.axw", "--engine"]


@pytest.mark.parametrize(
    ("missing", "words", "extra"),
    [
        ("fastapi", ["serve", "model.axw"], "serve"),
        ("duckdb", [*FIT, "duckdb"], "sql"),
        ("pyspark", [*FIT, "spark"], "spark"),
        ("ibis", [*FIT, "duckdb"], "sql"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_command_without_its_extra_says_its_line(missing, words, extra, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, missing, *words], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2, done.stderr
    assert f"{missing!r} is not installed" in done.stderr and f"pip install 'axw[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == "" and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_core_needs_no_extra():
    """Every name in `axw` can be had where no package of an extra is there."""
    code = """
import sys
for name in ("fastapi", "uvicorn", "matplotlib", "ibis", "duckdb", "pyspark", "tensorboard", "ctranslate2", "onnx"):
    sys.modules[name] = None
import axw
print([name for name in axw.__all__ if getattr(axw, name) is None])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("missing", "golden", "target"),
    [
        ("ctranslate2", "transformer", "ctranslate2"),
        ("onnx", "transformer", "onnx"),
    ],
)
def test_an_export_without_its_extra_says_its_line(missing, golden, target, tmp_path):
    (tmp_path / "lines.txt").write_text("a man sits .\n", encoding="utf-8")
    words = ["export", str(GOLDEN / golden / "model"), "--to", target, "--save", "out", "--lines", "lines.txt"]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, missing, *words], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2, done.stderr
    assert f"{missing!r} is not installed" in done.stderr and "pip install 'axw[export]'" in done.stderr
    assert "Traceback" not in done.stderr and [path.name for path in tmp_path.iterdir()] == ["lines.txt"]

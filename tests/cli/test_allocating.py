"""Commands that compute for long start themselves again with mimalloc, and compute the same with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from axw.cli import allocating, main
from axw.errors import UsageError

# The command as a user starts it, and after it what its process has mapped.
PROGRAM = """
import sys
from axw.cli import main
code = main()
print("mimalloc" in open("/proc/self/maps").read(), file=sys.stderr)
sys.exit(code)
"""
needs_it = pytest.mark.skipif(allocating.library() is None, reason="mimalloc is for Linux on x86-64")


def run(*words: str, **environment: str) -> tuple[int, list[str]]:
    clean = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "AXW_ALLOCATOR")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        capture_output=True,
        text=True,
        env={**clean, **environment},
        timeout=120,
    )
    return done.returncode, done.stderr.splitlines()


@needs_it
def test_only_commands_that_compute_for_long_have_it(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.csv")
    code, said = run("fit", "table", missing, "--target", "y", "--save", str(tmp_path / "run"))
    assert code == 3 and said[-1] == "True" and "There is no such file" in said[0]
    for words in (["check", missing], ["fit", "--help"], ["fit", "table", missing, "--engine=duckdb"]):
        assert run(*words)[1][-1] == "False"
    code, said = run("fit", "table", missing, "--target", "y", "--save", str(tmp_path / "run"), AXW_ALLOCATOR="system")
    assert code == 3 and said[-1] == "False"


@needs_it
@pytest.mark.parametrize(
    ("words", "again"),
    [
        (["fit", "words", "lines.txt"], True),
        (["ladder", "table", "rows.csv"], True),
        (["resume", "run"], True),
        (["translate", "run", "--engine", "torch"], True),
        (["evaluate", "run", "rows.csv"], True),
        (["fit", "table", "rows.csv", "--engine=duckdb"], False),
        (["fit", "--help"], False),
        (["serve", "run"], False),
        ([], False),
    ],
)
def test_which_commands_have_it(words: list[str], again: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(os, "execve", lambda *given: started.append(given))
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    monkeypatch.delenv("AXW_ALLOCATOR", raising=False)
    allocating.start_again(words)
    assert bool(started) == again
    monkeypatch.setenv("AXW_ALLOCATOR", "system")
    allocating.start_again(words)
    assert len(started) == int(again)


def test_other_words_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXW_ALLOCATOR", "jemaloc")
    with pytest.raises(UsageError, match=r"AXW_ALLOCATOR is 'jemaloc'; allowed: mimalloc, system."):
        allocating.start_again(["fit"])


def test_what_is_preloaded_stays(tmp_path: Path) -> None:
    path = tmp_path / "libmimalloc.so"
    assert allocating.preloading({}, path) == {"LD_PRELOAD": str(path), "MIMALLOC_PURGE_DELAY": "-1"}
    other = {"LD_PRELOAD": "libother.so", "MIMALLOC_PURGE_DELAY": "10", "A": "b"}
    assert allocating.preloading(other, path) == other | {"LD_PRELOAD": f"{path} libother.so"}
    assert allocating.preloading({"LD_PRELOAD": "/usr/lib/libtcmalloc.so.4"}, path) is None
    assert allocating.preloading({}, None) is None


def test_called_from_python_it_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "execve", None)
    assert main(["fit", "nothing"]) == 2


def test_the_doctor_says_which(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libjemalloc.so.2")
    main(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out)["memory"]["allocator"] == "jemalloc"
    monkeypatch.delenv("LD_PRELOAD")
    monkeypatch.setenv("AXW_ALLOCATOR", "system")
    assert allocating.allocator() == "system"


@needs_it
@pytest.mark.slow
def test_weights_are_the_same_bit_for_bit(tmp_path: Path) -> None:
    text = tmp_path / "lines.txt"
    text.write_text("".join(f"the {a} {b} likes the {b} {a} in the winter\n" for a in "abcde" for b in "fghijkl"))
    weights = []
    for name in ("mimalloc", "system"):
        small = ["network.d_model=32", "network.d_ff=64", "network.layers=2", "vocabulary=300"]
        sets = [word for change in small for word in ("--set", change)]
        save = tmp_path / name
        code, said = run("fit", "words", str(text), "--save", str(save), "--steps", "7", *sets, AXW_ALLOCATOR=name)
        assert code == 0, said
        weights.append(b"".join(path.read_bytes() for path in sorted((save / "model").glob("*.safetensors"))))
    assert len(weights[0]) > 1000 and weights[0] == weights[1]

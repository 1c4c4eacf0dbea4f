"""axw as a new user gets it: a fresh environment outside the checkout, the time and the size of it, and what is not in it.

    python benchmarks/install.py [--python PYTHON] [--extras serve plot sql] [--json]

Makes a wheel of this checkout, an environment in a temporary folder, and installs the wheel there with nothing else, then each
of `--extras`. Prints seconds by the clock and MB on disk; the greatest packages; that no package of an extra came along; and for
each command whose extra is missing, what it says. Exit code 1 where one of these is not as promised. Packages come from wherever
pip is set up to take them: where that is PyPI on Linux, install PyTorch's CPU build first or expect gigabytes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What must not come with the core: web servers, plotting, databases, Spark, exporters.
ABSENT = (
    "fastapi",
    "uvicorn",
    "flask",
    "matplotlib",
    "plotly",
    "pyspark",
    "duckdb",
    "ibis",
    "tensorboard",
    "onnx",
    "ctranslate2",
)
FIT = ["fit", "table", "rows.parquet", "--target", "y", "--save", "model.axw", "--engine"]
# A command for each extra; Python where the extra has no command.
MISSING = {
    "serve": ["axw", "serve", "model.axw"],
    "sql": ["axw", *FIT, "duckdb"],
    "spark": ["axw", *FIT, "spark"],
    "plot": [
        "python",
        "-c",
        "from axw.show import CalibrationDisplay as C; C.from_predictions([0, 1], [[1, 0], [0, 1]]).plot()",
    ],
    "tensorboard": ["python", "-c", "from axw.learning import TensorBoard; TensorBoard('logs')"],
    "export": ["python", "-c", "from axw.export.installed import installed; installed('ctranslate2')"],
}


def timed(words: list[str], cwd: Path) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Seconds by the clock, and what came of it. Nothing of this checkout is on the path."""
    outside = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    start = time.perf_counter()
    done = subprocess.run(words, cwd=cwd, env=outside, capture_output=True, text=True)
    return time.perf_counter() - start, done


def must(words: list[str], cwd: Path) -> float:
    """The same for what has to succeed."""
    seconds, done = timed(words, cwd)
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return seconds


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def packages(home: Path) -> dict[str, int]:
    """Bytes of each entry of site-packages."""
    (site,) = home.glob("lib/python*/site-packages")
    return {path.name: size(path) for path in site.iterdir() if path.is_dir() and path.suffix != ".dist-info"}


def measure(python: str, extras: list[str], work: Path) -> dict[str, object]:
    """Install, measure, ask. All below `work`, which is removed."""
    home, elsewhere = work / "home", work / "elsewhere"
    elsewhere.mkdir()
    must([python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(work), str(ROOT)], elsewhere)
    (wheel,) = work.glob("axw-*.whl")
    must([python, "-m", "venv", str(home)], elsewhere)
    empty, pip = size(home), [str(home / "bin" / "python"), "-m", "pip", "install", "-q"]
    found: dict[str, object] = {"wheel_bytes": wheel.stat().st_size}
    found["core_seconds"] = must([*pip, str(wheel)], elsewhere)
    found["core_bytes"] = size(home) - empty
    there = packages(home)
    found["largest"] = dict(sorted(there.items(), key=lambda item: -item[1])[:8])
    found["unasked"] = [name for name in ABSENT if name in there]
    found["start_seconds"] = {
        "axw --version": must([str(home / "bin" / "axw"), "--version"], elsewhere),
        "axw doctor": must([str(home / "bin" / "axw"), "doctor"], elsewhere),
    }
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found["missing"] = {name: refusal(home, name, elsewhere) for name in sorted(set(known) - {"test", "docs"})}
    added = {}
    for name in extras:
        before = size(home)
        seconds = must([*pip, f"{wheel}[{name}]"], elsewhere)
        added[name] = {"seconds": seconds, "bytes": size(home) - before}
    found["extras"] = added
    return found


def refusal(home: Path, extra: str, cwd: Path) -> dict[str, object]:
    """What the command of a missing extra says: it must name the line that brings it, and leave nothing behind."""
    program, *words = MISSING.get(extra, ["axw", "doctor"])
    _, done = timed([str(home / "bin" / program), *words], cwd)
    said = re.search(rf"pip install 'axw\[{extra}\]'", done.stdout + done.stderr)
    return {
        "exit_code": done.returncode,
        "says": said[0] if said else None,
        "left": [path.name for path in cwd.iterdir()],
    }


def wrong(found: dict[str, object]) -> list[str]:
    """What is not as promised."""
    told = [f"{name} came with the core" for name in found["unasked"]]  # type: ignore[attr-defined]
    for extra, said in found["missing"].items():  # type: ignore[attr-defined]
        if said["says"] is None or said["exit_code"] == 0 and extra != "docs" or said["left"]:
            told.append(f"the missing extra {extra}: {said}")
    return told


def report(found: dict[str, object]) -> str:
    """The figures, for a person."""
    mb = lambda count: f"{count / 1e6:,.1f} MB"  # noqa: E731
    lines = [
        f"wheel {found['wheel_bytes'] / 1000:,.0f} kB",  # type: ignore[operator]
        f"core  {found['core_seconds']:.0f} s, {mb(found['core_bytes'])}",
        "      " + ", ".join(f"{name} {mb(count)}" for name, count in found["largest"].items()),  # type: ignore[attr-defined]
    ]
    lines += [f"{words}: {seconds:.2f} s" for words, seconds in found["start_seconds"].items()]  # type: ignore[attr-defined]
    for extra, said in found["missing"].items():  # type: ignore[attr-defined]
        lines.append(f"without [{extra}]: exit code {said['exit_code']}, {said['says']}")
    for extra, cost in found["extras"].items():  # type: ignore[attr-defined]
        lines.append(f"and [{extra}]: {cost['seconds']:.0f} s, {mb(cost['bytes'])} more")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="the Python of the new environment")
    parser.add_argument("--extras", nargs="*", default=[], help="install these too, one after the other")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked.python, asked.extras, Path(folder))
    print(json.dumps(found, indent=2) if asked.json else report(found))
    problems = wrong(found)
    print("\n".join(f"PROBLEM: {line}" for line in problems), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

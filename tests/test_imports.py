"""The arrows between the rooms point down only, and what should be cheap to import is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import axw

SOURCE = Path(axw.__file__).parent
# From the top of the house to its cellar; a room may import from those after it.
ROOMS = (
    "cli",
    "serve",
    "show",
    "export",
    "ladders",
    "sql",
    "models",
    "decoding",
    "learning",
    "networks",
    "data",
    "relations",
    "equation",
    "storage",
    "measures",
    "errors",
    "version",
)
# Rooms that may use each other's neighbours only: show draws what ladders and models found; equation knows nothing of files.
NEVER = {"equation": {"storage"}, "relations": {"storage", "equation"}, "data": {"equation"}}


def _room(path: Path) -> str:
    inside = path.relative_to(SOURCE)
    return inside.parts[0].removesuffix(".py")


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "axw":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("axw.")}
    return found & set(ROOMS)


def test_every_folder_is_a_known_room():
    rooms = {_room(path) for path in SOURCE.rglob("*.py")} - {"__init__"}
    assert rooms == set(ROOMS), "name a new room in ROOMS, in its place between top and bottom, and in docs/design.md"


def test_arrows_point_down_only():
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        room = _room(path)
        if room == "__init__":
            continue
        below = set(ROOMS[ROOMS.index(room) :]) - NEVER.get(room, set())
        wrong += [f"{path.relative_to(SOURCE)} imports axw.{other}" for other in sorted(_imported(path) - below)]
    assert not wrong, "\n".join(wrong)


def test_import_axw_loads_no_heavy_package():
    code = "import axw, sys; print([m for m in ('torch', 'numpy', 'pandas', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    for name in axw.__all__:
        assert getattr(axw, name) is not None
    assert callable(axw.ladder)


DOORS = {"__init__", "forward", "fit", "predict", "save", "load", "ladder", "explain"}


def test_no_door_takes_keywords_that_it_may_swallow():
    swallowing = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name in DOORS and node.args.kwarg is not None:
                swallowing.append(f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}")
    assert not swallowing, "\n".join(swallowing)

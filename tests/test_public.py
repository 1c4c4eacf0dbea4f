"""What is public is whole: every room says its names, each is there, and each parameter and result has a type."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import axw

SOURCE = Path(axw.__file__).parent
ROOMS = ["axw", *sorted(f"axw.{path.parent.name}" for path in SOURCE.glob("*/__init__.py"))]
# scikit-learn's own signatures, and what dataclasses and named tuples write themselves.
NOT_OURS = ("sklearn.", "torch.", "enum", "typing", "dataclasses")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_its_names_and_has_them(room):
    module = importlib.import_module(room)
    assert module.__doc__ and module.__all__
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if getattr(module, name, None) is None] == []


def test_types_are_told_for_every_name_that_is_loaded_late():
    """A name that `__getattr__` finds is an object to a type checker, unless the file imports it for type checkers too."""
    for path in (SOURCE / "__init__.py", SOURCE / "models/__init__.py", SOURCE / "show/__init__.py"):
        tree = ast.parse(path.read_text())
        told = {
            alias.name
            for block in tree.body
            if isinstance(block, ast.If)
            for line in ast.walk(block)
            if isinstance(line, ast.ImportFrom)
            for alias in line.names
        }
        names = importlib.import_module(f"axw.{path.parent.name}" if path.parent != SOURCE else "axw").__all__
        assert told == set(names) - {"__version__"}, path


def unannotated(value, where):
    """Parameters and results without a type, of a function or of the public methods of a class."""
    if inspect.isclass(value):
        methods = [(name, each) for name, each in vars(value).items() if name == "__init__" or not name.startswith("_")]
        functions = [(f"{where}.{name}", getattr(each, "__func__", each)) for name, each in methods]
    else:
        functions = [(where, value)]
    for name, function in functions:
        if not inspect.isfunction(function) or function.__module__.startswith(NOT_OURS):
            continue
        signature = inspect.signature(function)
        for parameter in list(signature.parameters.values()):
            if parameter.annotation is inspect.Parameter.empty and parameter.name not in ("self", "cls", "_cls"):
                yield f"{name}({parameter.name})"
        if signature.return_annotation is inspect.Signature.empty and not name.endswith("__init__"):
            yield f"{name} -> ?"


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_function_is_annotated(room):
    module = importlib.import_module(room)
    public = [(f"{room}.{name}", getattr(module, name)) for name in module.__all__]
    ours = [(where, value) for where, value in public if getattr(value, "__module__", "").startswith("axw")]
    assert [line for where, value in ours for line in unannotated(value, where)] == []


def test_the_package_says_that_it_is_typed():
    assert (SOURCE / "py.typed").is_file()


def test_the_api_page_has_every_name():
    page = (Path(__file__).parents[1] / "docs/api.md").read_text()
    missing = [name for name in axw.__all__ if f".{name}\n" not in page and name not in ("__version__", "AxwError")]
    assert missing == [], "add it to docs/api.md"

"""`axw doctor` says what is there and what is missing, each with what to do; a broken part hides no other."""

import importlib.metadata
import json
import tomllib
from pathlib import Path

import pytest

from axw.cli import machine, main

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture
def told(capsys):
    """The report as JSON, and the exit code."""

    def asked():
        code = main(["doctor", "--json"])
        return json.loads(capsys.readouterr().out), code

    return asked


def test_this_machine_is_ready(told):
    import torch

    found, code = told()
    assert code == 0 and found["problems"] == [] and found["schema"] == "axw.doctor/1"
    assert found["versions"]["packages"]["torch"] == torch.__version__
    assert found["threads"]["torch"] == torch.get_num_threads()
    assert 1 <= found["processor"]["allowed"] <= found["processor"]["cores"]
    assert set(found["processor"]["features"]) <= set(machine.FEATURES)
    assert [folder["writable"] for folder in found["folders"]] == [True, True]
    assert all(folder["free"] > 0 for folder in found["folders"])


def test_the_text_says_all_that_the_json_says(capsys):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "ready"
    begun = {line.split()[0] for line in lines}
    assert {"axw", "packages", "processor", "features", "threads", "memory", "device", "folder", "extra"} <= begun


def test_every_extra_for_users_is_named_and_described():
    """`test` and `docs` are for those who work on axw. An extra that this version does not have yet is not shown."""
    assert set(PROJECT["optional-dependencies"]) - {"test", "docs"} <= set(machine.EXTRAS)


def test_what_is_needed_is_read_from_the_installed_package(monkeypatch):
    lines = ["torch<3", "Numpy>=1", 'fastapi>=0.1; extra == "serve"', "ibis-framework[duckdb]; extra == 'sql'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    assert machine.requirements() == (["numpy", "torch"], {"serve": ["fastapi"], "sql": ["ibis-framework"]})


def test_a_missing_extra_says_its_line(monkeypatch, told, capsys):
    monkeypatch.setattr(machine, "installed", lambda name: None if name == "uvicorn" else "1.0")
    monkeypatch.setattr(machine, "requirements", lambda: (["torch"], {"serve": ["fastapi", "uvicorn"], "test": ["x"]}))
    found, code = told()
    assert code == 0
    (serve,) = found["extras"]
    assert not serve["installed"] and serve["packages"] == {"fastapi": "1.0", "uvicorn": None}
    assert main(["doctor"]) == 0
    assert "missing: pip install 'axw[serve]'" in capsys.readouterr().out


def test_a_missing_package_is_a_problem(monkeypatch, told):
    real = machine.installed
    monkeypatch.setattr(machine, "requirements", lambda: (["numpy", "safetensors"], {}))
    monkeypatch.setattr(machine, "installed", lambda name: None if name == "safetensors" else real(name))
    found, code = told()
    assert code == 6 and found["problems"] == ["safetensors is not installed: pip install safetensors"]


def test_a_pytorch_that_cannot_be_imported_hides_nothing_else(monkeypatch, told):
    real = machine.importlib.import_module

    def broken(name):
        if name == "torch":
            raise OSError("libc10.so: cannot open shared object file\nmore")
        return real(name)

    monkeypatch.setattr(machine.importlib, "import_module", broken)
    found, code = told()
    assert code == 6 and len(found["problems"]) == 1
    assert found["problems"][0].startswith("PyTorch cannot be imported (OSError: libc10.so: cannot open")
    assert "pip install torch --index-url" in found["problems"][0]
    assert found["folders"] and found["processor"]["name"] and found["threads"]["torch"] is None


def test_a_folder_that_cannot_be_written(monkeypatch, told, tmp_path):
    gone = tmp_path / "gone"
    monkeypatch.setattr(machine.tempfile, "gettempdir", lambda: str(gone))
    found, code = told()
    assert code == 6
    assert found["folders"][1]["writable"] is False and found["folders"][1]["free"] is None
    (problem,) = found["problems"]
    assert problem.startswith(f"{gone} cannot be written (No such file or directory)") and "TMPDIR" in problem


def test_little_space_and_cuda_without_a_gpu_are_noted(monkeypatch, told):
    import torch

    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1 << 20}))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(machine, "devices", lambda torch: [])
    found, code = told()
    assert code == 0
    assert any("made for CUDA" in note and "whl/cpu" in note for note in found["notes"])
    assert sum("only 0.0 GiB free" in note for note in found["notes"]) == 2


def test_it_runs_where_it_is_not_installed(monkeypatch, told):
    def nothing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", nothing)
    found, code = told()
    assert code == 0 and found["extras"] == [] and "runs from a folder" in found["notes"][0]

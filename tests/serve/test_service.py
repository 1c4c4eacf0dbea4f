"""Which folders are served under which ids; limits; the command without its extra."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

pytest.importorskip("fastapi")

from axw.cli import main
from axw.errors import BusyError, ModelError, UsageError
from axw.serve import Limits, find_models, listen
from tests.serve import tiny


def folder(path, name="MANIFEST.json"):
    path.mkdir(parents=True)
    (path / name).write_text("{}")
    return path


def test_ids_come_from_the_names_of_folders(tmp_path):
    one, two = folder(tmp_path / "Family Ties.axw"), folder(tmp_path / "words.run", "run.json")
    (tmp_path / "notes").mkdir()
    assert find_models([tmp_path]) == {"family-ties": one, "words": two}
    assert find_models([f"a.b={one}", two]) == {"a.b": one, "words": two}


@pytest.mark.parametrize(
    ("paths", "kind", "said"),
    [
        (["nowhere"], ModelError, "There is no such folder."),
        (["empty"], ModelError, "The folder holds no saved model."),
        ([], UsageError, "No model is named."),
        (["a.axw", "b/a.run"], UsageError, "Two models have the id 'a'."),
        (["---"], UsageError, "The id '' is not allowed."),
    ],
)
def test_folders_that_cannot_be_served(tmp_path, paths, kind, said):
    (tmp_path / "empty").mkdir()
    for name in ("a.axw", "b/a.run", "---"):
        folder(tmp_path / name)
    with pytest.raises(kind, match=said):
        find_models([tmp_path / path for path in paths])


def test_limits_are_checked():
    with pytest.raises(UsageError, match="queue is 0; allowed: 1 or more.*seconds is 0; allowed: more than 0"):
        Limits(queue=0, seconds=0)
    with pytest.raises(UsageError, match="gather is 2; allowed: 0 to 1"):
        Limits(gather=2)


def test_a_port_that_is_taken_is_busy():
    taken = listen("127.0.0.1", 0)
    assert taken.proto == socket.IPPROTO_TCP  # or else asyncio leaves Nagle's delay on
    try:
        with pytest.raises(BusyError, match="The port is taken."):
            listen("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(UsageError, match="The server cannot listen there"):
            listen("203.0.113.1", 0)
    finally:
        taken.close()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))


def test_the_command_checks_and_says_what_is_served(tmp_path, capsys):
    tiny.table().save(tmp_path / "people.axw")
    assert main(["serve", str(tmp_path / "people.axw"), "--check"]) == 0
    assert capsys.readouterr().out == "people  table: predict, explain\n"
    assert main(["serve", str(tmp_path / "none"), "--check"]) == 4
    assert "There is no such folder." in capsys.readouterr().err
    assert main(["serve", str(tmp_path / "people.axw"), "--host", "0.0.0.0"]) == 2
    assert "can be reached by others" in capsys.readouterr().err
    (tmp_path / "people.axw" / "model.safetensors").write_bytes(b"x")
    assert main(["serve", str(tmp_path / "people.axw"), "--check"]) == 4


def test_without_the_extra_the_pip_line_is_said(tmp_path):
    folder(tmp_path / "a.axw")
    script = (
        "import sys; sys.modules['fastapi'] = None\n"
        f"from axw.cli import main; sys.exit(main(['serve', {str(tmp_path / 'a.axw')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 2 and "pip install 'axw[serve]'" in done.stderr and done.stdout == ""

"""`axw export` and `axw import` on the command line: what is missing, what is there already, what was said."""

import json

import pytest

from axw.cli import main
from tests.export.made import LINES, words


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    words().save(folder / "saved")
    (folder / "lines.txt").write_text("".join(f"{line}\n" for line in LINES[:4]))
    (folder / "there").mkdir()
    return folder


def test_an_export_is_made_and_proved_again(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert main(["export", "saved", "--to", "safetensors", "--save", "plain", "--lines", "lines.txt"]) == 0
    out, err = capsys.readouterr()
    assert (
        out.startswith("exported plain: proved on 4 lines: the same first guesses")
        and "lines asked in the proof: 4" in err
    )
    assert main(["export", "saved", "--check", "plain", "--lines", "lines.txt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["difference"] == 0.0


@pytest.mark.parametrize(
    ("asked", "code", "text"),
    [
        (["saved"], 2, "--to and --save is missing."),
        (["saved", "--to", "onnx"], 2, "--save is missing."),
        (["saved", "--check", "plain", "--int8"], 2, "--check is given beside --to, --save or --int8."),
        (["saved", "--to", "safetensors", "--save", "there"], 2, "there is there already."),
        (["saved", "--to", "safetensors", "--save", "new"], 2, "A saved model does not say what it was validated on"),
        (["saved", "--to", "safetensors", "--save", "new", "--references", "lines.txt"], 2, "without --lines"),
        (["nowhere", "--to", "safetensors", "--save", "new", "--lines", "lines.txt"], 4, "There is no such folder."),
        (
            ["saved", "--to", "ctranslate2", "--save", "new", "--lines", "lines.txt"],
            2,
            "Targets that can: huggingface, onnx",
        ),
        (["saved", "--check", "saved", "--lines", "lines.txt"], 4, "The folder is no export of axw."),
    ],
)
def test_what_cannot_be_exported_is_said_and_nothing_is_written(place, asked, code, text, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert main(["export", *asked]) == code
    err = capsys.readouterr().err
    assert text in err and "Traceback" not in err and not (place / "new").exists()


def test_a_folder_that_is_no_model_of_theirs_is_said(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert main(["import", "saved", "--save", "new"]) == 2
    assert "a model of type None; allowed: bert, marian" in capsys.readouterr().err
    assert main(["import", "there", "--save", "new"]) == 4
    assert "The folder holds no config.json." in capsys.readouterr().err and not (place / "new").exists()

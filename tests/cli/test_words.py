"""`axw fit words`, `axw fill` and `axw ladder words`, in this process, on a small made-up text."""

import io
import json
import os
import signal
from pathlib import Path

import pytest

from axw.cli import main
from axw.learning.hooks import Hook
from tests.models.tiny_text import lines
from tests.show.test_displays import numbers_are_known

SMALL = [
    *(
        "--set",
        "vocabulary=300",
        "--set",
        "network.d_model=16",
        "--set",
        "network.layers=1",
        "--set",
        "network.d_ff=48",
    ),
    *("--set", "batch_tokens=256", "--set", "longest=24", "--threads", "1"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a text, labels for it, and two runs."""
    folder = tmp_path_factory.mktemp("words")
    (folder / "corpus.txt").write_text("\n".join(lines()) + "\n")
    (folder / "valid.txt").write_text("\n".join(lines(9, seed=5)) + "\n")
    (folder / "labels.txt").write_text("".join(f"{line.split()[0]}\n" for line in lines()))
    assert fit(folder, "words.run", "--steps", "6") == 0
    assert fit(folder, "spans.run", "--steps", "3", "--task", "fill-spans") == 0
    return folder


def fit(folder, name, *words, text="corpus.txt"):
    return main(["fit", "words", str(folder / text), "--save", str(folder / name), *SMALL, *words])


def test_the_report_of_a_fit_is_the_one_that_is_made_of_its_files_read_again(place):
    from axw import MaskedLanguageModel
    from axw.show.run_report import report_value

    folder = place / "words.run"
    told = json.loads((folder / "report.json").read_text())
    again = report_value(folder, MaskedLanguageModel.load(folder), findings=told["findings"])
    assert json.loads(json.dumps(again)) == told and told["examples"]


def test_masks_are_filled_in_text_and_in_json(place, capsys):
    assert main(["fill", str(place / "words.run"), "Anna likes [MASK] .", "--top", "3"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1] == "[MASK]" and out.count("%") >= 4 and "attended to: " in out and err == ""
    capsys.readouterr()
    assert main(["explain", str(place / "words.run"), "--text", "Anna likes [MASK] ."]) == 0
    assert "lost without it" in capsys.readouterr().out
    assert main(["explain", str(place / "words.run"), "--text", "Anna likes [MASK] .", "--unit", "pieces"]) == 0
    assert "piece  attention  lost without it" in capsys.readouterr().out
    assert main(["explain", str(place / "words.run"), "--text", "[MASK]", "--target", "x"]) == 2
    assert "Only a translator and a parser have a --target." in capsys.readouterr().err
    assert main(["fill", str(place / "words.run"), "xyzzy [MASK] [MASK]", "--json", "--order", "left-to-right"]) == 0
    told = json.loads((captured := capsys.readouterr()).out)
    assert told["schema"] == "axw.fill/1" and len(told["masks"]) == 2 and len(told["masks"][0]["guesses"]) == 5
    assert captured.err == f"note: {told['notes'][0]}\n" and "xyzzy" in told["notes"][0]


def test_every_line_of_stdin_is_filled_and_the_number_of_a_bad_one_is_said(place, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Anna [MASK]\nBen sees tea\n")))
    assert main(["fill", str(place / "spans.run")]) == 3
    out, err = capsys.readouterr()
    assert out.startswith("Anna ")
    assert err.splitlines()[:2] == ["The line has no [MASK]; allowed: 1 to 8.", "Line 2 of stdin: 'Ben sees tea'"]


def test_both_kinds_are_measured(place, capsys):
    for name, measure in [("words.run", "nats_per_word"), ("spans.run", "loss")]:
        assert main(["evaluate", str(place / name), str(place / "valid.txt"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["measures"][measure] > 0


def test_a_run_that_ctrl_c_stopped_is_resumed_to_the_same_model(place, monkeypatch, capsys):
    class Interrupts(Hook):
        def on_records(self, records):
            os.kill(os.getpid(), signal.SIGINT)

    chosen = ["--steps", "6", "--set", "train.log_every=2"]
    with monkeypatch.context() as patch:
        patch.setattr("axw.cli.words.told", Interrupts)
        assert fit(place, "stopped.run", *chosen) == 130
    assert "Stopped after step 2, which is saved." in capsys.readouterr().err
    assert main(["fill", str(place / "stopped.run"), "[MASK]"]) == 4
    assert "Go on: axw resume" in capsys.readouterr().err
    assert main(["resume", str(place / "stopped.run")]) == 0
    assert fit(place, "whole.run", *chosen) == 0
    one, other = ((place / f"{name}.run" / "model" / "model.safetensors").read_bytes() for name in ("stopped", "whole"))
    assert one == other


def test_a_classifier_goes_on_from_a_run(place, capsys):
    words = ["fit", "words", str(place / "corpus.txt"), "--labels", str(place / "labels.txt"), "--steps", "3"]
    words += ["--from", str(place / "words.run"), "--save", str(place / "classes.run"), "--threads", "1"]
    assert main(words) == 0
    assert "classes: Anna, Ben, Carla, Dan" in capsys.readouterr().err
    run, file = str(place / "classes.run"), str(place / "corpus.txt")
    assert main(["predict", run, file]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "row,prediction,P(Anna),P(Ben),P(Carla),P(Dan)" and len(rows) == 61
    assert main(["predict", run, file, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["rows"]
    assert rows[1].split(",")[1] == told[0]["prediction"] and sum(told[0]["probabilities"].values()) == pytest.approx(1)
    assert main(["evaluate", run, file, str(place / "labels.txt"), "--json"]) == 0
    assert 0 <= json.loads(capsys.readouterr().out)["measures"]["accuracy"] <= 1
    assert main(["evaluate", run, file]) == 2
    assert "A classifier is measured on lines and their labels." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--labels", "labels.txt"], 2, "--labels is given without --from."),
        (["--labels", "labels.txt", "--from", "words.run", "--valid", "valid.txt"], 2, "--valid and --valid-labels"),
        (["--valid-labels", "labels.txt"], 2, "--valid and --valid-labels are given one without the other."),
        (["--labels", "valid.txt", "--from", "words.run"], 3, "There are 60 lines and 9 labels"),
        (["--labels", "labels.txt", "--from", "spans.run"], 2, "A classifier goes on from a masked-word model of task"),
        (["--valid", "-"], 2, "A run reads its text again when it is resumed, so stdin will not do."),
        (["--set", "rato=0.3"], 2, "Unknown setting 'rato'."),
    ],
)
def test_what_cannot_be_is_said(place, monkeypatch, capsys, words, code, text):
    monkeypatch.chdir(place)
    small = [] if "--labels" in words else SMALL
    assert main(["fit", "words", "corpus.txt", "--save", "no.run", "--steps", "2", *small, *words]) == code
    err = capsys.readouterr().err
    assert text in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "There is no data: the file is empty."),
        ("one line only\n", "There are 1 lines with words to learn from; allowed: 2 or more"),
        ("\n\n  \n", "There are 0 lines with words to learn from"),
    ],
)
def test_texts_that_hold_too_little(tmp_path, capsys, content, text):
    (tmp_path / "corpus.txt").write_text(content)
    assert fit(tmp_path, "no.run", "--steps", "2") == 3
    assert text in capsys.readouterr().err


def test_the_ladder_is_printed_and_the_page_written(place, capsys):
    words = ["ladder", "words", str(place / "corpus.txt"), "--valid", str(place / "valid.txt"), "--steps", "2", *SMALL]
    report = place / "report.html"
    assert (
        main(
            [
                *words,
                "--rung",
                "unigram,A=I",
                "--rung",
                "A = X W X', rank r",
                "--set",
                "network.heads=2",
                "--report",
                str(report),
            ]
        )
        == 0
    )
    out, err = capsys.readouterr()
    assert "3 A = X W X', rank r" in out and "pays?" in out and err.endswith(f"report: {report}\n")
    page, value = report.read_text(encoding="utf-8"), json.loads(report.with_suffix(".json").read_text())
    assert page.count("<svg") == 1 and "Quality against cost" in page and len(page.encode()) < 1 << 20
    assert value["command"].startswith("axw ladder words ") and "--seed 0" in value["command"]
    assert "--set network.heads=2" in value["command"] and "--threads 1" in value["command"]
    numbers_are_known(page, value, {"20"})
    looked = value["looked"]
    assert looked["rung"] == value["use"]["rung"] and len(looked["examples"]) == 9 and looked["unit"] == "word"
    assert all("[MASK]" in one["source"] for one in looked["examples"]) and looked["said"] in page
    hidden = value["data"]["hidden words"]
    for by in ("times the word is in the training text", "words in its line"):
        parts = [part for part in looked["slices"] if part["slice"] == by]
        share = sum(part["value"] * part["lines"] for part in parts) / sum(part["lines"] for part in parts)
        used = next(rung for rung in value["rungs"] if rung["rung"] == looked["rung"])
        assert sum(part["lines"] for part in parts) == hidden
        assert share == pytest.approx(used["measures"]["word_accuracy"])
    assert [found.rpartition("/")[2] for found in value["findings"]] == ["corpus.txt: 60 lines", "valid.txt: 9 lines"]
    assert "Met in the data" in page
    for rung in value["rungs"]:
        low, high = rung["interval"]
        assert low <= rung["measures"]["nats_per_word"] <= high and rung["seconds"] > 0
    assert main([*words, "--rung", "unigram", "--json"]) == 0
    assert Path("corpus-ladder.html").is_file() and Path("corpus-ladder.json").is_file()
    assert json.loads(capsys.readouterr().out)["rungs"][0]["rung"] == "unigram"
    assert main([*words, "--rung", "unigramm"]) == 2
    assert "Did you mean 'unigram'" in capsys.readouterr().err

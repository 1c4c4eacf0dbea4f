"""`axw explain --reasons` and `axw ladder table --group`, in this process and with the cheapest model."""

import json

import pandas as pd
import pytest

from axw.cli import main
from tests.show.test_displays import numbers_are_known

FIT = ["--target", "survived", "--drop", "name", "--id", "passenger", "--relation", "same:family,class"]
LADDER = [
    "--target",
    "survived",
    "--drop",
    "name",
    "--id",
    "passenger",
    "--folds",
    "2",
    "--rung",
    "constant",
    "--rung",
    "X W",
]


@pytest.fixture(scope="module")
def model(titanic, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "family.axw"
    words = [
        "fit",
        "table",
        str(titanic / "train.csv"),
        *FIT,
        "--attention",
        "given",
        "--labels",
        "--save",
        str(folder),
    ]
    assert main(words) == 0
    return folder


@pytest.fixture(scope="module")
def row(titanic):
    frame = pd.read_csv(titanic / "test.csv")
    return str(frame[(frame["sex"] == "male") & (frame["class"] == "3rd")]["passenger"].iloc[0])


def explain(titanic, model, row, *more):
    return main(["explain", str(model), str(titanic / "test.csv"), "--row", row, *more])


def test_reasons_as_text_and_json(titanic, model, row, capsys):
    assert explain(titanic, model, row, "--reasons", "3", "--adverse", "no") == 0
    text = capsys.readouterr().out
    assert text.startswith(f"row {row}: towards no ") and "everything else" in text
    assert explain(titanic, model, row, "--reasons", "3", "--adverse", "no", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "axw.reasons/1" and 1 <= len(told["rows"][0]["reasons"]) <= 3
    assert all(reason["text"] in text for reason in told["rows"][0]["reasons"])


def test_the_applicant_s_view_in_the_user_s_words(titanic, model, row, tmp_path, capsys):
    wording = tmp_path / "wording.json"
    wording.write_text(json.dumps({"sex": "being a man", "same family, class": "how the party fared"}))
    words = ["--reasons", "9", "--adverse", "no", "--wording", str(wording), "--applicant-view", "-o"]
    assert explain(titanic, model, row, *words, str(tmp_path / "view.txt")) == 0
    assert explain(titanic, model, row, *words, str(tmp_path / "view.json"), "--json") == 0
    view = json.loads((tmp_path / "view.json").read_text())
    assert view["schema"] == "axw.reasons.applicant/1" and "being a man" in view["rows"][0]["reasons"]
    text = (tmp_path / "view.txt").read_text()
    assert all(f"  - {reason}" in text for reason in view["rows"][0]["reasons"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--adverse", "no"], 2, "--adverse is about reasons, and none are asked for.\n--adverse\nAdd --reasons 4."),
        (["--applicant-view"], 2, "--applicant-view is about reasons"),
        (["--reasons", "4"], 2, "Add --adverse CLASS"),
        (["--reasons", "4", "--adverse", "nein"], 2, "adverse is 'nein'.\nadverse\nAllowed: no, yes"),
        (["--reasons", "4", "--adverse", "no", "--format", "html"], 2, "Reasons are written as text or JSON."),
        (["--reasons", "4", "--adverse", "no", "--wording", "nowhere.json"], 3, "The wording cannot be read: "),
    ],
)
def test_errors_of_reasons(titanic, model, row, words, code, said, capsys):
    assert explain(titanic, model, row, *words) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[1]", '{"sex": 1}', "{", '{"sex": "a", "sex": "b"}'])
def test_a_wording_that_is_none(titanic, model, row, text, tmp_path, capsys):
    path = tmp_path / "wording.json"
    path.write_text(text)
    assert explain(titanic, model, row, "--reasons", "4", "--adverse", "no", "--wording", str(path)) == 3
    assert str(path) in capsys.readouterr().err


def ladder(titanic, *words):
    return main(["ladder", "table", str(titanic / "train.csv"), *LADDER, *words])


def test_a_group_is_measured_and_not_used(titanic, capsys):
    assert ladder(titanic, "--group", "sex", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert "sex" not in told["data"]["columns"] and told["by_group"]["column"] == "sex"
    assert told["by_group"]["groups"].keys() == {"female", "male"} and told["by_group"]["favourable"] == "yes"
    assert ladder(titanic, "--group", "sex", "--use-group", "--favourable", "no", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert "sex" in told["data"]["columns"] and told["by_group"]["favourable"] == "no"


def test_the_ladder_alone_says_nothing_of_groups(titanic, capsys):
    assert ladder(titanic, "--json") == 0
    assert "by_group" not in json.loads(capsys.readouterr().out)


def test_every_number_by_group_on_the_page_is_in_its_json(titanic, tmp_path, capsys, monkeypatch):
    import axw.show.report

    kept = {}

    def keep(value):
        kept["value"] = json.loads(json.dumps(value))
        return page(value)

    page = axw.show.report.report_page
    monkeypatch.setattr(axw.show.report, "report_page", keep)
    report = tmp_path / "report.html"
    relation = ["--relation", "same:family,class"]
    assert ladder(titanic, "--group", "class", "--use-group", *relation, "--report", str(report)) == 0
    out = capsys.readouterr().out
    assert "By class (1st " in out and "same family, class: 1.000 of the pairs are of one group" in out
    text = report.read_text(encoding="utf-8")
    assert "pairs of one class, share" in text and "false negative" in text
    numbers_are_known(text, kept["value"], {"0.001", "-256", "20"})  # p < 0.001, SHA-256, small slices


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--group", "sx"], "There is no column 'sx'"),
        (["--group", "survived"], "'survived' is the target and cannot be the group."),
        (["--favourable", "yes"], "--favourable says how groups are measured, and there is no --group."),
        (["--use-group"], "--use-group says how groups are measured"),
        (["--group", "sex", "--favourable", "ja"], "There is no class 'ja'."),
        (["--group", "age"], "groups; allowed: at most 20."),
        (["--group", "class", "--relation", "same:class"], "reads 'class', which is measured and not used."),
        (["--group", "sex", "--target", "age"], "The rungs answer with numbers"),
    ],
)
def test_errors_of_groups(titanic, words, said, capsys):
    assert ladder(titanic, *words) == 2
    assert said in capsys.readouterr().err

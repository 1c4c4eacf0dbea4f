"""The report of a training run: its numbers, its words, its size."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from axw.errors import DataError, ModelError
from axw.learning import with_settings
from axw.models.text_model import Place
from axw.models.translation.translator import Translator
from axw.models.words.masked_words import MaskedLanguageModel
from axw.models.words.settings import WordsSettings
from axw.show.escaping import visible
from axw.show.run_page import run_page
from axw.show.run_report import MOST_BYTES, HeldOut, RunReport, report_value, run_report
from tests.models.test_explanation_words import CHANGES
from tests.models.translation.test_translator import SOURCE, TARGET, TINY, VALID
from tests.show.nasty import NASTY
from tests.show.test_displays import known_lengths, without_ticks
from tests.show.test_escaping import Reader
from tests.show.test_report import known_numbers, shown_numbers


@pytest.fixture(scope="module")
def translation(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Translator, RunReport]:
    folder = tmp_path_factory.mktemp("runs") / "de-en.run"
    files = {}
    for name, lines in (("source", SOURCE), ("target", TARGET), ("valid_source", VALID[0]), ("valid_target", VALID[1])):
        files[name] = str(folder.parent / name)
        Path(files[name]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    model = Translator(TINY).fit(SOURCE, TARGET, VALID, Place(folder, files=files))
    return folder, model, run_report(folder, model)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MaskedLanguageModel, RunReport]:
    folder = tmp_path_factory.mktemp("runs") / "words.run"
    train = folder.parent / "train.txt"
    train.write_text("\n".join(SOURCE * 3) + "\n", encoding="utf-8")
    model = MaskedLanguageModel(with_settings(WordsSettings(), CHANGES)).fit(
        SOURCE * 3, place=Place(folder, files={"train": str(train)})
    )
    lines = [line for line in SOURCE if len(line.split()) > 2] * 2
    lines = lines[:101]
    return (
        folder,
        model,
        run_report(folder, model, HeldOut(lines), command="axw fit words x --save <b>", findings=["3 twins"]),
    )


def test_both_files_are_written_and_small(translation, words) -> None:
    for folder, _, found in (translation, words):
        assert found.path == folder / "report.html"
        assert found.path.read_text(encoding="utf-8") == found.page and len(found.page.encode()) < MOST_BYTES
        assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == json.loads(json.dumps(found.value))


def test_every_number_on_the_page_is_in_the_json(translation, words) -> None:
    for _, _, found in (translation, words):
        value = json.loads((found.path.parent / "report.json").read_text())
        settings = {number for number in known_numbers(json.dumps(value["reproduce"]["settings"], indent=1))}
        fixed = {"95", "20", "-256", "3.0"}  # 95 % interval, fewer than 20 lines, SHA-256
        allowed = known_numbers(value) | known_lengths(value) | settings | fixed
        shown = shown_numbers(re.sub(r"<svg.*?</svg>", without_ticks, found.page, flags=re.S))
        assert {re.sub("^[-+]", "", number) for number in shown} <= {re.sub("^[-+]", "", number) for number in allowed}


def test_what_a_report_says(translation, words) -> None:
    _, model, found = translation
    value = found.value
    assert {example["kind"] for example in value["examples"]} == {"typical", "best", "worst"}
    best = next(example for example in value["examples"] if example["kind"] == "best")
    assert best["value"] == max(example["value"] for example in value["examples"])
    assert best["answer"] == model.translate([best["source"]])[0]
    assert value["baselines"][0]["name"] == "copying the source" and value["picture"]["schema"] == "axw.alignment/1"
    assert value["curves"]["best"]["step"] in (5, 10, 12) and value["reproduce"]["sha256"] in found.page
    assert sum(part["lines"] for part in value["slices"]) == len(VALID[0])
    _, _, other = words
    assert other.value["calibration"]["rows"] >= 100 and other.value["picture"]["schema"] == "axw.masked_word/1"
    assert "axw fit words x --save &lt;b&gt;" in other.page and "3 twins" in other.page


def test_without_files_of_its_own_the_lines_are_those_that_were_held_out(words) -> None:
    folder, model, _ = words
    value = report_value(folder, model)
    held = set((SOURCE * 3)[19::20])
    for example in value["examples"]:
        assert example["source"].replace("[MASK]", example["reference"]) in held


def test_the_same_run_has_the_same_report(translation) -> None:
    folder, model, found = translation
    again = report_value(folder, model)
    assert again == found.value and run_page(again) == found.page


@pytest.mark.parametrize("text", NASTY[::4])
def test_words_from_data_stay_words(translation, text: str) -> None:
    def said(text: str) -> Reader:
        value = json.loads(json.dumps(translation[2].value))
        value |= {"title": text, "verdict": [text], "findings": [text], "notes": [text]}
        value["reproduce"] |= {"command": text, "files": {"train": text}, "settings": {"pieces": text}}
        value["examples"] = [{**one, "source": text, "reference": text, "answer": text} for one in value["examples"]]
        return Reader(run_page(value))

    read = said(text)
    if text.strip():
        assert [tag for tag, _ in read.tags] == [tag for tag, _ in said("plain").tags]
        assert "".join(read.words).count(visible(text, 30)[:20]) >= 12
    assert not {"script", "img", "a", "link", "iframe"} & {tag for tag, _ in read.tags}


def test_what_cannot_be_reported_is_said(translation, tmp_path: Path) -> None:
    folder, model, _ = translation
    with pytest.raises(DataError, match="There are 1 lines and 0 answers.\nIn the report.\nGive as many of both."):
        report_value(folder, model, HeldOut(["ein"]))
    with pytest.raises(ModelError, match="There is no run here"):
        run_report(tmp_path, model)

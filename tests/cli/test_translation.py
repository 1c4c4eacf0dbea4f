"""Translation from the command line: text that nobody should give, and what is said then; alignments, buckets, dictionaries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from axw.cli import main
from tests.show.test_displays import numbers_are_known

TINY = [
    *("--steps", "2", "--threads", "1"),
    *(
        word
        for change in (
            "vocabulary=270 transformer.d_model=8 transformer.layers=1 transformer.heads=1 transformer.d_ff=8 luong.d_model=8 "
            "batch_tokens=200 longest=40 train.average=0 train.evaluate_every=2 train.schedule.warmup=1 search.beam=1 "
            "search.max_constant=5"
        ).split()
        for word in ("--set", change)
    ),
]
SOURCE = [f"{a} {b} im {c}" for a in ("ein mann", "der hund") for b in ("sitzt", "läuft") for c in ("schnee", "park")]
TARGET = [f"{a} {b} in the {c}" for a in ("a man", "the dog") for b in ("sits", "runs") for c in ("snow", "park")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two texts and a model of each kind of vocabulary."""
    folder = tmp_path_factory.mktemp("translation")
    (folder / "a.de").write_text("\n".join(SOURCE * 4) + "\n", encoding="utf-8")
    (folder / "a.en").write_text("\n".join(TARGET * 4) + "\n", encoding="utf-8")
    (folder / "short.de").write_text("\n".join(SOURCE) + "\n", encoding="utf-8")
    (folder / "short.en").write_text("\n".join(TARGET) + "\n", encoding="utf-8")
    words = ["--set", "pieces=words", "--set", "joint=false", "--set", "vocabulary=8", "--set", "architecture=luong"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["fit", "translation", "a.de", "a.en", "--save", "bpe.run", *TINY]) == 0
        assert main(["fit", "translation", "a.de", "a.en", "--save", "words.run", *TINY, *words]) == 0
    return folder


@pytest.fixture
def here(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(shop)
    return shop


def fit(*words: str) -> int:
    return main(["fit", "translation", *words, *TINY])


def test_the_report_of_a_fit_is_the_one_that_is_made_of_its_files_read_again(here: Path) -> None:
    from axw import Translator
    from axw.show.run_report import report_value

    told = json.loads((here / "bpe.run" / "report.json").read_text())
    again = report_value(here / "bpe.run", Translator.load("bpe.run"), findings=told["findings"])
    assert json.loads(json.dumps(again)) == told and told["examples"]


def test_files_of_unequal_length(here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "cut.en").write_text("\n".join((TARGET * 4)[:-1]) + "\n", encoding="utf-8")
    assert fit("a.de", str(tmp_path / "cut.en"), "--save", str(tmp_path / "run")) == 3
    said = capsys.readouterr().err
    assert "the files have 32 and 31 lines" in said and "Compare the files from there on" in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\n\n", "No pair is left of 3: one side of each is empty."),
        (b"ein mann\n\xff\xfe kaputt\nder hund\n", "is not UTF-8"),
        (b"x" * 1_048_577 + b"\nein\nzwei\n", "longer than 1048576 bytes"),
    ],
    ids=["empty", "blank", "bytes", "long"],
)
def test_text_that_cannot_be_used(
    content: bytes, words: str, here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "bad.de").write_bytes(content)
    (tmp_path / "bad.en").write_bytes(b"" if not content else b"one\ntwo\nthree\n")
    assert fit(str(tmp_path / "bad.de"), str(tmp_path / "bad.en"), "--save", str(tmp_path / "run")) == 3
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said


def test_empty_lines_and_long_ones_among_good_pairs(
    here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    million = " ".join(["schnee"] * 140_000)
    (tmp_path / "b.de").write_text("\n".join([*SOURCE, "", million, "ein mann"]) + "\n", encoding="utf-8")
    (tmp_path / "b.en").write_text("\n".join([*TARGET, "a man", "snow", "   "]) + "\n", encoding="utf-8")
    assert fit(str(tmp_path / "b.de"), str(tmp_path / "b.en"), "--save", str(tmp_path / "run")) == 0
    said = capsys.readouterr()
    assert (
        "saved" in said.out and "1 of 9 pairs are longer than longest=40 pieces, and are not learned from." in said.err
    )


def test_one_is_taught_by_another_in_its_pieces_and_goes_on(
    here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run, student = str(tmp_path / "run"), [word if word != "vocabulary=270" else "longest=39" for word in TINY]
    first = ["fit", "translation", "a.de", "a.en", "--save", run, "--teacher", "bpe.run", "--teacher", "bpe.run"]
    assert main([*first, *student]) == 0
    kept = json.loads((tmp_path / "run" / "run.json").read_text())["config"]
    assert kept["settings"]["vocabulary"] == 270 and kept["files"]["teacher 2"] == str(here / "bpe.run")
    assert main(["resume", run, "--steps", "3"]) == 0 and "3 steps" in capsys.readouterr().out
    other = ["--save", str(tmp_path / "other"), "--teacher", "bpe.run", "--teacher", "words.run", *student]
    assert main(["fit", "translation", "a.de", "a.en", *other]) == 2
    assert "The 2 teachers have other vocabularies" in capsys.readouterr().err


def test_only_pairs_that_are_too_long(here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "b.de").write_text(f"{'schnee ' * 90}\n", encoding="utf-8")
    (tmp_path / "b.en").write_text(f"{'snow ' * 90}\n", encoding="utf-8")
    assert fit(str(tmp_path / "b.de"), str(tmp_path / "b.en"), "--save", str(tmp_path / "run")) == 3
    said = capsys.readouterr().err
    assert "All 1 pairs are longer than longest=40 pieces" in said and "--set longest=" in said


def test_one_pair_and_a_vocabulary_larger_than_the_text(
    here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "b.de").write_text("ein mann\n", encoding="utf-8")
    (tmp_path / "b.en").write_text("a man\n", encoding="utf-8")
    run = str(tmp_path / "run")
    assert fit(str(tmp_path / "b.de"), str(tmp_path / "b.en"), "--save", run) == 0
    assert "The text allows 264 entries where size=270" in capsys.readouterr().err
    assert main(["translate", run, str(tmp_path / "b.de")]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_whatever_comes_in_as_many_lines_go_out(here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = ["ein mann", "", "   ", "Ωμέγα 漢字 🙂", "a\tb", "\u2028", "ein\u00a0mann", " ".join(["mann läuft ."] * 40)]
    (tmp_path / "in.de").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for run in ("bpe.run", "words.run"):
        assert main(["translate", run, str(tmp_path / "in.de")]) == 0
        said = capsys.readouterr()
        assert said.out.count("\n") == len(lines) and said.out.split("\n")[1:3] == ["", ""]
        assert "1 of 8 lines are longer than longest=40 pieces, and were translated in parts." in said.err
        guess = "warning: 1 of 8 lines are mostly characters that the training text hardly had, such as line 4: 'Ωμέγα"
        assert (guess in said.err) == (run == "bpe.run")


@pytest.mark.parametrize("beam", ["0", "1000000000"])
def test_beams_that_are_not_allowed(beam: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", "bpe.run", "short.de", "--beam", beam]) == 2
    said = capsys.readouterr()
    assert f"beam is {beam}; allowed: 1 to 1000." in said.err and said.out == ""


def test_what_each_translation_begins_with(here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    begun, one = tmp_path / "begun.en", ["a man", "", "the", "", "", "", "", "sits in"]
    begun.write_text("\n".join(one) + "\n", encoding="utf-8")
    assert main(["translate", "bpe.run", "short.de", "--prefix", str(begun)]) == 0
    said = capsys.readouterr().out.split("\n")[:-1]
    assert len(said) == 8 and all(line.startswith(start) for line, start in zip(said, one, strict=True))
    for count, told in ((7, "There are 7 prefixes for more lines"), (9, "There are 9 prefixes for 8 lines.")):
        begun.write_text("a\n" * count, encoding="utf-8")
        assert main(["translate", "bpe.run", "short.de", "--prefix", str(begun)]) in (2, 3)
        assert told in capsys.readouterr().err
    begun.write_text("a giraffe\n" * 8, encoding="utf-8")
    assert main(["translate", "words.run", "short.de", "--prefix", str(begun)]) == 2
    assert "'a giraffe' holds a word that the vocabulary does not have" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("direction", "told"),
    [
        ("backward", "This translator knows one direction"),
        ("sideways", "direction is 'sideways'; allowed: forward, backward"),
    ],
)
def test_directions(direction: str, told: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", "bpe.run", "short.de", "--direction", direction]) == 2
    assert told in capsys.readouterr().err


def test_align_and_dictionary(here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["align", "bpe.run", "short.de", "short.en"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for line, source, target in zip(lines, SOURCE, TARGET, strict=True):
        links = [tuple(map(int, link.split("-"))) for link in line.split()]
        assert [j for _, j in links] == list(range(len(target.split())))
        assert all(0 <= i < len(source.split()) for i, _ in links)
    words = tmp_path / "words.tsv"
    assert main(["align", "words.run", "short.de", "short.en", "--json", "--dictionary", str(words)]) == 0
    told = [json.loads(text) for text in capsys.readouterr().out.replace("}\n{", "}\n\0{").split("\0")]
    assert [each["pair"] for each in told] == list(range(1, 9)) and told[0]["source"] == SOURCE[0].split()
    assert all(len(line.split("\t")) == 2 for line in words.read_text(encoding="utf-8").splitlines())
    assert main(["translate", "words.run", "short.de", "--dictionary", str(words)]) == 0
    assert "<unk>" not in capsys.readouterr().out
    words.write_text("ein\ta\nkaputt\n", encoding="utf-8")
    assert main(["translate", "words.run", "short.de", "--dictionary", str(words)]) == 3
    assert "'kaputt' is not an entry" in capsys.readouterr().err


def test_buckets(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "bpe.run", "short.de", "short.en", "--buckets"]) == 0
    out = capsys.readouterr().out
    assert "source of 0-10 words: BLEU" in out and "8 pairs" in out and "length:source words" in out
    assert main(["evaluate", "bpe.run", "short.de", "short.en", "--buckets", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["buckets"][0]["pairs"] == 8


def test_the_ladder(here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    gold = tmp_path / "gold"
    gold.mkdir()
    for name, lines in (("test.en", TARGET), ("test.de", SOURCE), ("en-de.wa", ["0-0 1-1"] * len(SOURCE))):
        (gold / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    ladder = [
        "ladder",
        "translation",
        "a.de",
        "a.en",
        "--valid",
        "short.de",
        "short.en",
        "--out",
        str(tmp_path / "out"),
    ]
    budget = [word for word in TINY if word not in ("--threads", "1")]
    assert main([*ladder, "--rungs", "6,Transformer", "--alignment", str(gold), *budget]) == 0
    assert "Transformer" in capsys.readouterr().out
    assert main([*ladder, "--rungs", "6,Transformer", "--alignment", str(gold), *budget, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    out = tmp_path / "out"
    page = (out / "report.html").read_text()
    value = json.loads((out / "report.json").read_text())
    numbers_are_known(
        page, value, {"2", "13", "0.05", "4000", "1", "16", "20"}
    )  # names of measures and of their protocols
    looked, best = value["looked"], max(value["rungs"], key=lambda rung: rung["bleu"]["mean"])
    assert (
        looked["rung"] == best["rung"] and looked["said"] in page and looked["picture"]["schema"] == "axw.alignment/1"
    )
    lines = dict(zip(Path("short.de").read_text().splitlines(), Path("short.en").read_text().splitlines(), strict=True))
    assert all(lines[one["source"]] == one["reference"] for one in looked["examples"])
    assert sum(part["lines"] for part in looked["slices"]) == value["data"]["measured pairs"]
    assert "Met in the data" in page and len(value["findings"]) == 2
    assert value["command"].startswith("axw ladder translation ") and "out-again" in value["command"]
    assert "Quality against cost" in page and json.loads((out / "report.json").read_text())["rungs"] == told["rungs"]
    assert told["schema"] == "axw.ladder.translation/1" and all(rung["aer"] is not None for rung in told["rungs"])
    assert main([*ladder, "--rungs", "nothing", *budget]) == 2
    (gold / "en-de.wa").unlink()
    assert main([*ladder, "--alignment", str(gold), *budget]) == 3
    assert "There are no links between de and en." in capsys.readouterr().err


def test_a_dictionary_is_read_as_it_is_written_whatever_blanks_its_words_have(tmp_path: Path) -> None:
    from axw.cli.aligning import read_dictionary

    (tmp_path / "words.tsv").write_text("\u00a0\tprice\n\u00a0x\tX\n\u3000\t\u3000\n \n", encoding="utf-8")
    assert read_dictionary(tmp_path / "words.tsv") == {"\u00a0": "price", "\u00a0x": "X", "\u3000": "\u3000"}


def test_a_text_model_has_no_rows_to_explain(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "bpe.run", "rows.csv", "--text", "ein mann"]) == 2
    assert "A model of text has no FILE and no --row" in capsys.readouterr().err


def test_a_run_that_is_there_is_kept_and_no_option_is_named_that_there_is_not(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit("a.de", "a.en", "--save", "bpe.run") == 2
    said = capsys.readouterr().err
    assert "is there already and is not empty" in said and "Name another folder." in said and "--overwrite" not in said

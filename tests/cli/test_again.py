"""The command of a report is read back by the command line, and asks for the very same run."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from axw.cli import main
from axw.learning import from_dict
from axw.learning.runs import read_run
from axw.models.text_model import with_train
from axw.models.translation.settings import TranslationSettings
from axw.models.trees.settings import ParserSettings
from axw.models.words.classifier_settings import SentencesSettings
from axw.models.words.settings import WordsSettings
from axw.show.again import beside, command_again

SETTINGS = {
    "words": WordsSettings,
    "translation": TranslationSettings,
    "trees": ParserSettings,
    "sentences": SentencesSettings,
}
FILES = {
    "words": ["words", "it's a text.txt"],
    "translation": ["translation", "it's a text.txt", "b.txt", "--valid", "b.txt", "b.txt"],
    "trees": ["trees", "it's a text.txt", "--valid", "b.txt"],
}
ASKED = [
    (
        "words",
        "--steps 7 --seed 3 --set network.layers=3 --set masks=spans --set ratio=0.3 --set train.ema=0.9 --set train.average=0",
    ),
    ("words", "--task fill-spans --minutes 0.5 --tokens 900 --set network.dropout=0.25 --set network.longest=77"),
    ("words", "--set train.minutes=none --set train.epochs=3 --set train.threads=2 --on-nan rewind"),
    ("translation", "--set architecture=luong --set luong.window=local-p --set search.never=0,1,4 --steps 9"),
    (
        "translation",
        "--set search.never= --set joint=false --set transformer.shared=target --set train.schedule.rate=0.00031",
    ),
    ("trees", "--set architecture=luong --set leaves=XX --minutes 3 --checkpoint-every 9"),
]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """What a training verb was asked for, without training: (settings, files, place)."""
    import axw.cli.sentences
    import axw.cli.translation
    import axw.cli.trees
    import axw.cli.words

    found = []

    def learn(settings, files, place):
        found.append((settings, files, Path(place.folder).name))
        return "saved"

    for module in (axw.cli.words, axw.cli.translation, axw.cli.trees, axw.cli.sentences):
        monkeypatch.setattr(module, "learn", learn)
    monkeypatch.chdir(tmp_path)
    for name in ("it's a text.txt", "b.txt"):
        (tmp_path / name).write_text("a\n")
    return found


def run_of(kind, settings, files):
    """What `RUN/run.json` says of a run of these, as `axw.learning.runs` writes it."""
    train = {key: value for key, value in settings["train"].items() if key != "threads"}
    config = {"kind": kind, "settings": json.loads(json.dumps(settings)), "files": files}
    return {"config": config, "settings": train, "threads": 2, "machine": {"processes": 1}}


@pytest.mark.parametrize(("kind", "options"), ASKED)
def test_a_text_run_is_asked_for_again(asked, kind, options) -> None:
    assert main(["fit", *FILES[kind], "--save", "a.run", *shlex.split(options)]) == 0
    settings, files, _ = asked[-1]
    command = command_again(run_of(kind, settings, files), "a.run")
    assert main(shlex.split(command)[1:]) == 0
    again, same_files, folder = asked[-1]
    wanted = with_train(from_dict(SETTINGS[kind], settings), lambda train: replace(train, threads=2))
    assert from_dict(SETTINGS[kind], again) == wanted and same_files == files and folder == "a-again.run"
    assert "--seed" in command and "--threads 2" in command
    if "--steps 7" in options:
        assert "--steps 7" in command and "--set train.minutes" not in command


def test_several_processes_are_started_by_torchrun(asked) -> None:
    assert main(["fit", *FILES["words"], "--save", "a.run", "--steps", "3"]) == 0
    run = run_of("words", *asked[-1][:2])
    run["machine"]["processes"] = 4
    assert command_again(run, "a").startswith("torchrun --standalone --nproc-per-node=4 --no-python axw fit words ")


def test_data_in_memory_has_no_command() -> None:
    assert command_again({"config": {"kind": "words", "settings": {}, "files": {}}}, "a") == ""
    assert command_again({"config": {"kind": "poems", "files": {"train": "a"}}}, "a") == ""
    assert beside("a/b.run") == "a/b-again.run"


SMALL = (
    "--steps 2 --set vocabulary=300 --set network.d_model=16 --set network.layers=1 --set network.d_ff=48 --threads 1"
)


def test_a_run_and_one_that_goes_on_from_it_are_made_again(tmp_path, monkeypatch, capsys) -> None:
    """The whole way: the command that stands in the report gives the same weights; a classifier begins with its base's form."""
    monkeypatch.chdir(tmp_path)
    lines = [f"{a} {b} {c} ." for a in ("ann", "ben") for b in ("sees", "likes") for c in ("snow", "tea", "rain")] * 3
    Path("text.txt").write_text("".join(f"{line}\n" for line in lines))
    Path("labels.txt").write_text("".join(f"{line.split()[0]}\n" for line in lines))
    assert main(["fit", "words", "text.txt", "--save", "words.run", *SMALL.split(), "--set", "batch_tokens=256"]) == 0
    of_classes = "--labels labels.txt --from words.run --save classes.run --steps 2 --threads 1 --seed 5"
    assert main(["fit", "words", "text.txt", *of_classes.split()]) == 0
    for name in ("words", "classes"):
        reproduce = json.loads(Path(f"{name}.run/report.json").read_text())["reproduce"]
        assert reproduce["command"] in page_text(Path(f"{name}.run/report.html"))
        assert ("--set network" in reproduce["command"]) == (name == "words")
        assert main(shlex.split(reproduce["command"])[1:]) == 0
        one, other = (Path(f"{name}{end}.run/model/model.safetensors").read_bytes() for end in ("", "-again"))
        assert one == other
        first, second = (read_run(f"{name}{end}.run") for end in ("", "-again"))
        assert first["settings"] == second["settings"] and first["data"] == second["data"]
    capsys.readouterr()


def page_text(path: Path) -> str:
    from tests.show.test_escaping import Reader

    return "".join(Reader(path.read_text()).words)


def understood(words):
    """The context of a command line: its parameters as they are read, without doing what they ask for."""
    import typer

    from axw.cli.app import app

    command, context = typer.main.get_command(app), None
    context = command.make_context("axw", list(words))
    while hasattr(command, "commands"):
        command, context = (
            command.commands[words[0]],
            command.commands[words[0]].make_context(words[0], list(words[1:]), parent=context),
        )
        words = words[1:]
    return context


TYPED = [
    (
        "fit table t.csv --target survived --relation same:a,b --relation near:x,y:3 --no-labels --attention given --drop 'a b'"
        " --id i --save a.axw --overwrite",
        {"save": "a-again.axw", "threads": 3, "seed": 0},
    ),
    ("fit table - --target 'the target' --save a.axw --context hashed", {"seed": 0}),
    ("ladder table t.csv --target y --folds 3 --rung 2,4 --group sex --favourable yes --use-group", {"seed": 0}),
    ("ladder words a.txt --valid b.txt --rung unigram,A=I --rung '+ heads' --set network.d_model=32", {"steps": 5}),
    (
        "ladder translation a b --valid 'c d' e --out rungs --seeds 2 --set luong.layers=2 --set joint=false",
        {"minutes": 2.5, "steps": None, "out": "rungs-again", "threads": 1},
    ),
    ("evaluate model data.csv --report a.html --fail-under auroc=0.8 --fail-under brier=0.2", {}),
    ("demo --folds 3", {"seed": 0}),
]


@pytest.mark.parametrize(("typed", "chosen"), TYPED)
def test_what_was_typed_is_read_back_with_what_it_left_to_be_chosen(typed, chosen) -> None:
    from axw.cli.again import typed_again

    context = understood(shlex.split(typed))
    command = typed_again(context, **chosen)
    again = understood(shlex.split(command.removesuffix(" < FILE"))[1:])
    wanted = {**context.params, **{name: value for name, value in chosen.items() if value is not None}}
    assert {name: str(value) for name, value in again.params.items()} == {n: str(v) for n, v in wanted.items()}
    assert command.endswith(" < FILE") == (" - " in typed)
    assert all(f"--{name} {value}" in command for name, value in chosen.items() if value is not None)


def test_a_table_is_fitted_again_to_the_same_bytes(titanic, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    relation = ["--relation", "same:family,class", "--id", "passenger", "--drop", "name"]
    words = ["fit", "table", str(titanic / "train.csv"), "--target", "survived", "--attention", "given", *relation]
    assert main([*words, "--save", "a.axw"]) == 0
    command = json.loads(Path("a.axw/report.json").read_text())["reproduce"]["command"]
    assert command in page_text(Path("a.axw/report.html")) and "--seed 0" in command and "--threads" in command
    assert main(shlex.split(command)[1:]) == 0
    for name in ("model.safetensors", "report.json"):
        one, other = Path("a.axw") / name, Path("a-again.axw") / name
        if name.endswith(".json"):
            first, second = (json.loads(path.read_text()) for path in (one, other))
            assert {**first["measures"], **first["reproduce"]["settings"]} == {
                **second["measures"],
                **second["reproduce"]["settings"],
            }
        else:
            assert one.read_bytes() == other.read_bytes()
    capsys.readouterr()

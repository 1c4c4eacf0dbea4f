"""The command that makes a training run again, read off what the run says of itself, whether it was resumed or not."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from axw.errors import AxwError
from axw.learning import TrainSettings, changes_between, from_dict
from axw.models.saved_text import read_text
from axw.models.text_model import model_folder, with_train
from axw.models.translation.settings import TranslationSettings
from axw.models.trees.settings import ParserSettings
from axw.models.words.classifier_settings import SentencesSettings
from axw.models.words.settings import WordsSettings
from axw.storage import read_folder

BUDGET = ("steps", "tokens", "minutes")
_LEAST = {"steps": 1, "tokens": 1, "minutes": 0.01}  # what the options of the command line take


class _Kind(NamedTuple):
    """The verb, the settings, the files that stand first, and the options that name others."""

    verb: str
    settings: type[Any]
    first: tuple[str, ...]
    options: Mapping[str, tuple[str, ...]]


_KINDS = {
    "words": _Kind("words", WordsSettings, ("train",), {"--valid": ("valid",), "--from": ("from",)}),
    "sentences": _Kind(
        "words",
        SentencesSettings,
        ("train",),
        {"--labels": ("labels",), "--from": ("from",), "--valid": ("valid",), "--valid-labels": ("valid_labels",)},
    ),
    "translation": _Kind(
        "translation",
        TranslationSettings,
        ("source", "target"),
        {"--valid": ("valid_source", "valid_target"), "--from": ("from",)},
    ),
    "trees": _Kind("trees", ParserSettings, ("train",), {"--valid": ("valid",)}),
}


def command_again(run: Mapping[str, Any], name: str) -> str:
    """`axw fit ...` with the data, budget, seed, threads and every setting that is not the default's; it saves beside the run.

    run   what `read_run` gives;  name: of its folder
    "" for a run whose data was in memory, and for a kind that no command trains.
    """
    config = run.get("config", {})
    files, kind = config.get("files", {}), _KINDS.get(str(config.get("kind")))
    if kind is None or not all(part in files for part in kind.first):
        return ""
    settings = from_dict(kind.settings, config["settings"])
    train = settings.train
    start, budget = _start(config["kind"], kind, files), _budget(train)
    if isinstance(settings, SentencesSettings):  # they are found in the labels
        start = replace(start, classes=settings.classes)
    same: dict[str, Any] = {"seed": train.seed, "threads": train.threads}
    if budget:
        same |= {"epochs": None, **{part: getattr(train, part) for part in BUDGET}}
    start = with_train(start, lambda of: replace(of, **same))
    words = ["axw", "fit", kind.verb, *(files[part] for part in kind.first)]
    for option, parts in kind.options.items():
        words += [option, *(files[part] for part in parts)] if all(part in files for part in parts) else []
    words += ["--save", beside(name), *budget, "--seed", str(train.seed)]
    words += ["--threads", str(run["threads"])] if run.get("threads") else []
    words += [word for change in changes_between(settings, start) for word in ("--set", change)]
    processes = int(run.get("machine", {}).get("processes", 1))
    several = ["torchrun", "--standalone", f"--nproc-per-node={processes}", "--no-python"] if processes > 1 else []
    return shlex.join([*several, *words])


def beside(name: str | os.PathLike[str]) -> str:
    """de-en.run is made again as de-en-again.run."""
    path = Path(name)
    return str(path.with_name(f"{path.stem}-again{path.suffix}"))


def _start(name: str, kind: _Kind, files: Mapping[str, str]) -> Any:
    """The settings that the command begins with: the default's, or those of the model that is gone on from where it is there."""
    if "from" not in files:
        return kind.settings()
    try:
        saved = read_text(read_folder(model_folder(files["from"]))).settings
    except AxwError:  # then the command does not run before that model is back
        return kind.settings()
    base = from_dict(WordsSettings if name == "sentences" else kind.settings, saved)
    return SentencesSettings(network=base.network, longest=base.longest) if name == "sentences" else base


def _budget(train: TrainSettings) -> list[str]:
    """As options, where these can say it; they take the place of all that the recipe says."""
    given = {part: getattr(train, part) for part in BUDGET if getattr(train, part) is not None}
    if train.epochs is not None or any(value < _LEAST[part] for part, value in given.items()):
        return []
    return [word for part, value in given.items() for word in (f"--{part}", str(value))]

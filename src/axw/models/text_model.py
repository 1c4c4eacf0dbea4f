"""What the doors for text share: one way to be trained in a run folder, to go on, to be saved and loaded."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import torch
from torch import nn

from axw.data.vocabulary import Vocabulary
from axw.errors import ModelError, UsageError
from axw.learning import Run, Trainer, TrainSettings
from axw.learning.distributed import Processes, processes
from axw.learning.hooks import Hook
from axw.learning.loop import Evaluate
from axw.learning.progress import Batches, Progress, duration
from axw.learning.runs import fingerprint_of_bytes, read_run
from axw.learning.settings import from_dict, to_dict
from axw.learning.trainer import Loss
from axw.models.run_vocabularies import kept_vocabularies
from axw.models.saved_text import SavedText, read_text, save_text
from axw.models.shelf import Shelf
from axw.storage import Folder, json_to_bytes, read_folder
from axw.storage.files import scratch_path
from axw.version import __version__

Settings = TypeVar("Settings")
Data = TypeVar("Data")
MODEL = "model"  # the folder inside a run that holds the trained model
CACHE = "cache"  # and the one for the ids of a text that outgrows memory, while it is trained on


@dataclass(frozen=True)
class Place:
    """Where a model is trained.

    folder   the run: settings, history, checkpoints, and the model when it is done; None: in memory only
    resume   go on with the run that is there, to the very numbers that it would have had without a stop
    files    where the data is from, for `axw resume` and the reader
    hooks    who hears how it goes
    start    a model of the same kind whose vocabularies and weights are gone on from; None: new ones
    accept   what may differ when a run goes on: data, settings, budget, threads, version, machine
    """

    folder: str | os.PathLike[str] | None = None
    resume: bool = False
    files: Mapping[str, str] | None = None
    hooks: Sequence[Hook] = ()
    start: TextModel[Any, Any] | None = None
    accept: Sequence[str] = ()


class Lesson(NamedTuple):
    """What a task gives the trainer: see `Trainer`."""

    network: nn.Module
    loss: Loss[Any]
    batches: Batches[Any]
    evaluate: Evaluate | None


class TextModel(ABC, Generic[Settings, Data]):
    """A network, its vocabularies and its settings. The doors say what their data is, and how it is learned from."""

    kind: ClassVar[str]
    settings_class: ClassVar[type]

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings: Settings = self.settings_class() if settings is None else settings
        self.facts: dict[str, Any] = {}
        self._vocabularies: dict[str, Vocabulary] = {}
        self._network: nn.Module | None = None

    # ------------------------------------------------------------------------------------------- what each door says

    @abstractmethod
    def _learn_vocabularies(self, data: Data) -> dict[str, Vocabulary]:
        """The vocabularies of the training text, by the names of their files."""

    @abstractmethod
    def _make_network(self, vocabularies: Mapping[str, Vocabulary]) -> nn.Module:
        """A network of the settings, with its first weights."""

    @abstractmethod
    def _lesson(self, data: Data, network: nn.Module, shelf: Shelf) -> Lesson:
        """What the trainer is given. `shelf` keeps the ids of a text that may outgrow memory."""

    @abstractmethod
    def _train_settings(self) -> TrainSettings: ...

    @abstractmethod
    def _facts(self, data: Data) -> dict[str, Any]:
        """What the model card says of the data."""

    @abstractmethod
    def _fingerprint(self, data: Data) -> str:
        """SHA-256 of all that is learned from or chosen by."""

    @abstractmethod
    def _card(self) -> str:
        """The model card, as Markdown."""

    # -------------------------------------------------------------------------------------------------------- training

    @property
    def network(self) -> nn.Module:
        """The trained network. `UsageError` before `fit`."""
        if self._network is None:
            raise UsageError(
                f"The {type(self).__name__} is not fitted.", "", "Call fit(...) first, or load a saved one."
            )
        return self._network

    def _fit(self, data: Data, place: Place) -> None:
        """Learn the vocabularies, train, keep what was found; in a folder, save the model where training is done.

        Under `torchrun` the processes share the batches of each step, and the first of them writes.
        """
        with processes() as group, ExitStack() as stack:
            run = stack.enter_context(self._run(data, place)) if place.folder is not None and group.rank == 0 else None
            if run is not None and group.size == 1 and place.resume and self._has_ended(run):
                self._become(type(self).load(run.folder))
                return
            self._vocabularies = self._shared_vocabularies(data, place, None if run is None else run.folder, group)
            shelf = self._shelf(run, place.hooks if group.rank == 0 else ())
            if run is None:
                stack.callback(shelf.clear)
            self._train(data, run, place, group, shelf)
            if run is not None:
                self.save(run.folder / MODEL, overwrite=True)
                shelf.clear()

    def _has_ended(self, run: Run) -> bool:
        """Whether the run holds its model, and no longer budget was asked for since."""
        return (run.folder / MODEL).is_dir() and not run.leaves(self._train_settings())

    def _become(self, other: TextModel[Any, Any]) -> None:
        """Take over all that another model of this kind holds; the network itself is shared."""
        self.settings, self.facts = other.settings, other.facts
        self._vocabularies, self._network = other._vocabularies, other._network

    def _shelf(self, run: Run | None, hooks: Sequence[Hook]) -> Shelf:
        """In a run, ids are kept with what they follow from, so that a run that goes on finds them; else for this time only."""

        def note(text: str) -> None:
            for hook in hooks:
                hook.on_note(text)

        if run is None:
            return Shelf(scratch_path("ids"), note=note)
        vocabularies = (vocabulary.to_bytes() for _, vocabulary in sorted(self._vocabularies.items()))
        follows = [str(run.identity["data"]).encode(), json_to_bytes(to_dict(self.settings)), *vocabularies]
        return Shelf(run.folder / CACHE, fingerprint_of_bytes(follows), note)

    def _run(self, data: Data, place: Place) -> Run:
        train, folder = self._train_settings(), Path(place.folder or "")
        config = {"kind": self.kind, "settings": to_dict(self.settings), "files": dict(place.files or {})}
        if place.resume:
            return Run.resume(folder, train, data=self._fingerprint(data), config=config, accept=place.accept)
        return Run.start(folder, train, data=self._fingerprint(data), config=config)

    def _shared_vocabularies(
        self, data: Data, place: Place, folder: Path | None, group: Processes
    ) -> dict[str, Vocabulary]:
        """The vocabularies of the first process, in all of them."""
        found: dict[str, Vocabulary] = {}
        if group.rank == 0:
            first = partial(self._first, data, place)
            found = first() if folder is None else kept_vocabularies(folder, first)
        texts = group.first({name: vocabulary.to_bytes().decode() for name, vocabulary in found.items()})
        return found or {name: Vocabulary.from_bytes(text.encode(), name) for name, text in texts.items()}

    def _first(self, data: Data, place: Place) -> dict[str, Vocabulary]:
        return self._learn_vocabularies(data) if place.start is None else dict(place.start._vocabularies)

    def _train(self, data: Data, run: Run | None, place: Place, group: Processes, shelf: Shelf) -> None:
        network = self._make_network(self._vocabularies)
        if place.start is not None:
            go_on_from(network, place.start.network)
        network = network.to(group.device)
        lesson = self._lesson(data, network, shelf)
        trainer: Trainer[Any] = Trainer(
            network, lesson.loss, self._train_settings(), hooks=place.hooks, processes=group
        )
        progress = trainer.fit(lesson.batches, lesson.evaluate, run=run)
        with torch.no_grad():
            found = dict(lesson.evaluate(network.eval())) if lesson.evaluate is not None else {}
        self._network = network.cpu()
        self.facts = {**self._facts(data), "training": _told(progress), "validation": found, "axw": __version__}

    # --------------------------------------------------------------------------------------------------------- keeping

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the model to the folder `path`, whole or not at all. `UsageError` for a folder that is there, `ResourceError`."""
        save_text(
            path,
            self.kind,
            self.network,
            settings=to_dict(self.settings),
            vocabularies=self._vocabularies,
            facts=self.facts,
            card=self._card(),
            replace=overwrite,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The model of a folder: one that `save` wrote, or a run that has ended. `ModelError` where it is not of this kind."""
        return cls.from_folder(read_folder(model_folder(path)))

    @classmethod
    def from_folder(cls, folder: Folder) -> Self:
        """`load`, of a folder that was read."""
        saved, path = read_text(folder), folder.path
        if saved.kind != cls.kind:
            raise ModelError(
                f"The folder holds a model of kind {saved.kind!r}, and not {cls.kind!r}.",
                f"In {str(path)!r}.",
                "Use the command or class of that kind.",
            )
        return cls._from_saved(saved, str(path))

    @classmethod
    def _from_saved(cls, saved: SavedText, where: str) -> Self:
        try:
            model = cls(from_dict(cls.settings_class, saved.settings))
            model._vocabularies = saved.vocabularies
            model._network = saved.network(lambda: model._make_network(saved.vocabularies))
        except (UsageError, KeyError, RuntimeError) as error:
            why = error.what if isinstance(error, UsageError) else f"{type(error).__name__}: {str(error)[:120]}"
            raise ModelError(f"The configuration is not one that axw writes: {why}", f"In {where!r}.") from error
        model.facts = dict(saved.facts)
        return model


def go_on_from(network: nn.Module, start: nn.Module) -> None:
    """Give a network the weights of another. `UsageError` where they are not of the same names and shapes."""
    mine, theirs = ({name: tuple(p.shape) for name, p in each.named_parameters()} for each in (network, start))
    if mine != theirs:
        name = next(n for n in sorted(mine.keys() | theirs.keys()) if mine.get(n) != theirs.get(n))
        raise UsageError(
            f"The model that is gone on from is of another form: {name} is {theirs.get(name)} there, {mine.get(name)} here.",
            "In the settings of the network.",
            "Leave the settings of its network as they are.",
        )
    with torch.no_grad():
        for one, other in zip(network.parameters(), start.parameters(), strict=True):
            one.copy_(other)


def model_folder(path: str | os.PathLike[str]) -> Path:
    """The folder of the model itself, where `path` may be a run. `ModelError` where the run has not ended."""
    path = Path(path)
    if not (path / "run.json").is_file():
        return path
    if not (path / MODEL).is_dir():
        raise ModelError(
            "The run has not ended, so it holds no model yet.", f"In {str(path)!r}.", f"Go on: axw resume {path}"
        )
    return path / MODEL


def kind_of_run(folder: str | os.PathLike[str]) -> tuple[str, Mapping[str, Any], dict[str, str]]:
    """What a run trains: the kind of model, its settings, and its data files by name. `ModelError` for anything else."""
    config = read_run(folder).get("config", {})
    try:
        kind, settings, files = str(config["kind"]), dict(config["settings"]), dict(config["files"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"The run does not say what it trains: {error}.", f"In {str(folder)!r}.", "Start a new run with axw fit."
        ) from error
    return kind, settings, {str(name): str(path) for name, path in files.items()}


def with_train(settings: Settings, change: Callable[[TrainSettings], TrainSettings]) -> Settings:
    """The settings of a door with other settings of its training."""
    return replace(settings, train=change(settings.train))  # type: ignore[type-var,attr-defined]


def _told(progress: Progress) -> dict[str, Any]:
    return {
        "steps": progress.step,
        "epochs": progress.epoch - 1,
        "tokens": progress.tokens,
        "minutes": round(progress.seconds / 60, 2),
        "took": duration(progress.seconds),
        "ended by": progress.finished,
        "best at step": progress.best_step,
    }

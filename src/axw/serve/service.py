"""The models that are served: their ids, an allow-list made at the start; what each can do; and their queues."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from axw.errors import AxwError, DataWarning, ModelError, UsageError
from axw.models.text_model import TextModel
from axw.models.translation.laid_out import LaidOutTranslator
from axw.models.translation.translator import Translator
from axw.serve.batching import Batcher, Brake
from axw.serve.limits import Limits
from axw.serve.pictures import draws, with_pictures
from axw.serve.protocol import Crowd
from axw.serve.refusals import Refusal
from axw.serve.table_answers import TableAnswers
from axw.serve.text_answers import SentenceAnswers, TranslationAnswers, TreeAnswers, WordsAnswers

ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
VERBS = ("predict", "fill", "translate", "parse", "explain")
log = logging.getLogger("axw.serve")
_DOORS: dict[str, tuple[type[Any], str]] = {
    "words": (WordsAnswers, "fill"),
    "translation": (TranslationAnswers, "translate"),
    "trees": (TreeAnswers, "parse"),
    "sentences": (SentenceAnswers, "predict"),
}


@dataclass(frozen=True)
class Ready:
    """A loaded model: its kind, its verbs, and what is said of it."""

    kind: str
    verbs: Mapping[str, Callable[[Any, Sequence[Any]], Sequence[Any]]]
    form: Any
    facts: Mapping[str, Any]
    networks: tuple[nn.Module, ...]
    steps: tuple[Any, ...] = ()


@dataclass(eq=False)
class Served:
    """A model by its id; `ready` once it is loaded, `fault` where it cannot be."""

    id: str
    path: Path
    ready: Ready | None = None
    fault: str | None = None
    batcher: Batcher | None = field(default=None, repr=False)

    @property
    def state(self) -> str:
        return "damaged" if self.fault is not None else "loading" if self.batcher is None else "ready"

    def to_json(self) -> dict[str, Any]:
        """What `GET /v1/models` says: the folder's name, which a command is typed with, and no path to it."""
        told: dict[str, Any] = {
            "id": self.id,
            "folder": _named(self.path).name,
            "state": self.state,
            "kind": None,
            "verbs": [],
            "form": None,
            "facts": {},
        }
        if self.ready is not None:
            form = None if self.ready.form is None else self.ready.form.to_json()
            told |= {
                "kind": self.ready.kind,
                "verbs": list(self.ready.verbs),
                "form": form,
                "facts": dict(self.ready.facts),
            }
        return told


def ready(model: Any) -> Ready:
    """What a model that was loaded or fitted can do. `ModelError` for one that is not served."""
    if not isinstance(model, TextModel):
        answers = TableAnswers(model)
        facts = {
            "classes": answers.classes,
            "targets": [str(each) for each in model.targets_],
            "rows": len(model.memory_.X),
        }
        networks = (model.fitted_,) if isinstance(model.fitted_, nn.Module) else ()
        explained = with_pictures(answers.explain, draws(model, answers.form))
        return Ready("table", {"predict": answers.predict, "explain": explained}, answers.form, facts, networks)
    if model.kind not in _DOORS:
        raise ModelError(f"A model of kind {model.kind!r} is not served; allowed: {', '.join(_DOORS)}.")
    if isinstance(model, Translator):
        model = LaidOutTranslator(model)
    door, verb = _DOORS[model.kind]
    answers = door(model)
    verbs = {verb: getattr(answers, verb)}
    if getattr(answers, "explains", hasattr(answers, "explain")):
        verbs["explain"] = with_pictures(answers.explain, draws(model, None))
    told = {
        name: value for name, value in dict(model.facts.get("validation") or {}).items() if isinstance(value, float)
    }
    parameters = sum(parameter.numel() for parameter in model.network.parameters())
    facts = {"validation": told, "parameters": parameters, "classes": list(getattr(model, "classes", ()))}
    return Ready(model.kind, verbs, None, facts, (model.network,), getattr(model, "steps", ()))


def find_models(paths: Iterable[str | os.PathLike[str]]) -> dict[str, Path]:
    """Ids and folders. Each path is a saved model, a training run, a folder of them, or one of these as ID=PATH.

    Raises `ModelError` for a path without a model, `UsageError` for an id that is not allowed or stands twice.
    """
    found: dict[str, Path] = {}
    for text in paths:
        named, equals, rest = str(text).partition("=")
        given = bool(equals) and ID.fullmatch(named) is not None and not Path(str(text)).exists()
        path = Path(rest if given else text)
        for each in _folders(path):
            identity = named if given else _id_of(each)
            if identity in found or not ID.fullmatch(identity):
                what = (
                    f"Two models have the id {identity!r}."
                    if identity in found
                    else f"The id {identity!r} is not allowed."
                )
                todo = "Name it: ID=PATH, with small letters, digits, '.', '_' and '-', at most 64."
                raise UsageError(what, str(each), todo)
            found[identity] = each
    if not found:
        raise UsageError("No model is named.", "axw serve", "Name the folders of saved models: axw serve MODEL ...")
    return found


def _folders(path: Path) -> list[Path]:
    if _is_model(path):
        return [path]
    inside = sorted(each for each in path.iterdir() if _is_model(each)) if path.is_dir() else []
    if not inside:
        what = "The folder holds no saved model." if path.is_dir() else "There is no such folder."
        raise ModelError(what, f"In {str(path)!r}.", "Give the folder that axw fit wrote, or one that holds several.")
    return inside


def _is_model(path: Path) -> bool:
    return any((path / name).is_file() for name in ("MANIFEST.json", "run.json", "config.json"))


def _named(path: Path) -> Path:
    """The folder whose name says which model it is: the run, where it is the model inside one."""
    path = path.absolute()
    return path.parent if path.name == "model" and (path.parent / "run.json").is_file() else path


def _id_of(path: Path) -> str:
    plain = _named(path).name.lower()
    for ending in (".axw", ".run"):
        plain = plain.removesuffix(ending)
    return re.sub(r"[^a-z0-9._-]+", "-", plain).strip("-._")[:64]


class Service:
    """The models, their queues, and whether the server is going down."""

    def __init__(
        self, models: Mapping[str, Path], limits: Limits | None = None, load: Callable[[Path], Any] | None = None
    ) -> None:
        self.limits = limits or Limits()
        self.models = {identity: Served(identity, path) for identity, path in models.items()}
        self.draining = False
        self.in_flight = 0
        self.crowd = Crowd(
            min(1024, (self.limits.queue + self.limits.batch) * len(models))
        )  # what queues and batches hold
        self._load = load or _load
        self._tasks: list[asyncio.Task[None]] = []
        self._executor = ThreadPoolExecutor(
            self.limits.workers, "axw-serve", initializer=_share_cores, initargs=(self.limits,)
        )
        self._stack = ExitStack()

    async def start(self) -> None:
        """Begin to load the models; returns at once."""
        self._stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", DataWarning)  # what a model would warn of is in the notes of each answer
        self._tasks.append(asyncio.create_task(self._load_all(), name="axw-load"))

    async def _load_all(self) -> None:
        for served in self.models.values():
            try:
                served.ready = await asyncio.get_running_loop().run_in_executor(
                    self._executor, self._ready, served.path
                )
            except Exception as fault:
                served.fault = type(fault).__name__
                why = str(fault).replace("\n", " ") if isinstance(fault, AxwError) else type(fault).__name__
                log.error("%s could not be loaded: %s", served.id, why)
                continue
            brake = Brake()
            for network in served.ready.networks:
                brake.hold(network)
            for steps in served.ready.steps:
                brake.hold_steps(steps)
            served.batcher = Batcher(_by_verb(served.ready), self._executor, self.limits, brake)
            self._tasks.append(asyncio.create_task(served.batcher.run(), name=f"axw-{served.id}"))

    def _ready(self, path: Path) -> Ready:
        return ready(self._load(path))

    @property
    def loaded(self) -> bool:
        """Every model is ready or known to be damaged."""
        return all(served.state != "loading" for served in self.models.values())

    async def until_loaded(self) -> None:
        """Return when every model is ready or known to be damaged."""
        await self._tasks[0]

    async def stop(self) -> None:
        """End the queues."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._stack.close()

    def find(self, identity: str, verb: str) -> Served:
        """The model that answers this. Raises `Refusal`."""
        served = self.models.get(identity)
        if served is None:
            raise Refusal("not_found")
        if served.batcher is None or served.ready is None:
            raise Refusal(served.state)
        if verb not in served.ready.verbs:
            raise Refusal("not_offered", f"It is of kind {served.ready.kind}, for: {', '.join(served.ready.verbs)}.")
        return served

    async def ask(self, served: Served, verb: str, key: Hashable, items: Sequence[Any]) -> list[Any]:
        """The answers, in order. Raises `Refusal`."""
        assert served.batcher is not None
        return await served.batcher.ask((verb, key), items)


def _by_verb(found: Ready) -> Callable[[Any, Sequence[Any]], Sequence[Any]]:
    return lambda key, items: found.verbs[key[0]](key[1], items)


def _share_cores(limits: Limits) -> None:
    """Said in each worker: OpenMP keeps a number of threads for each thread that calls it."""
    torch.set_num_threads(limits.threads or max(1, (os.cpu_count() or 1) // limits.workers))


def _load(path: Path) -> Any:
    from axw.models import load

    return load(path)

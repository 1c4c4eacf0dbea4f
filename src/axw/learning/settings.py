"""Settings as frozen dataclasses: from a mapping, to a mapping, and changed by `part.name=value`. An unknown name is an error."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, Union

from axw.errors import UsageError, did_you_mean
from axw.learning.optimizers import OptimizerSettings
from axw.learning.schedules import ScheduleSettings

Settings = TypeVar("Settings")
BUDGET = ("steps", "epochs", "tokens", "minutes")


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How a model is trained.

    optimizer, schedule   see `OptimizerSettings`, `ScheduleSettings`
    accumulate            batches of one step; processes share them, so their number does not change the result
    steps, epochs, tokens, minutes   the budget: training ends where the first of them is used up; `tokens` is what losses count
    evaluate_every        steps from one evaluation to the next; 0: at the end of each epoch
    watch, better         which measure decides what is best, and whether lower or higher is better
    patience              evaluations without a better one before training stops; None: never stops early
    dropout_epochs        epochs in which dropout grows to what the network says, by as much in each; 0: all from the first step
    keep                  the weights that the model has at the end: of the best evaluation, or the last
    ema                   decay of a moving average of the weights, used for evaluation and at the end; None: no average
    average               use the mean of the weights at the last so many evaluations instead; 0: no mean
    checkpoint_every      steps from one checkpoint to the next
    log_every             steps from one line of the training loss to the next
    seed                  where all randomness starts
    threads               CPU threads, which decide the order of sums; None: as PyTorch is set, written down and kept on resume
    precision             fp32: the weights as the model has them; bf16: computed in bfloat16 with a master copy in float32
    on_nan                what a loss or gradient that is not finite does: stop, or rewind to the last checkpoint and halve the
                          rate, at most three times
    """

    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    accumulate: int = 1
    steps: int | None = None
    epochs: int | None = None
    tokens: int | None = None
    minutes: float | None = None
    evaluate_every: int = 0
    watch: str = "loss"
    better: Literal["lower", "higher"] = "lower"
    patience: int | None = None
    dropout_epochs: float = 0.0
    keep: Literal["best", "last"] = "best"
    ema: float | None = None
    average: int = 0
    checkpoint_every: int = 500
    log_every: int = 50
    seed: int = 0
    threads: int | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    on_nan: Literal["stop", "rewind"] = "stop"

    def __post_init__(self) -> None:
        least = {
            "accumulate": 1,
            "evaluate_every": 0,
            "average": 0,
            "dropout_epochs": 0,
            "checkpoint_every": 1,
            "log_every": 1,
            "seed": 0,
        }
        least |= {"steps": 0, "epochs": 0, "tokens": 0, "minutes": 0, "patience": 1, "threads": 1}
        wrong = [
            f"{name} is {getattr(self, name)}; allowed: {low} or more."
            for name, low in least.items()
            if getattr(self, name) is not None and not getattr(self, name) >= low
        ]
        if self.ema is not None and not 0 < self.ema < 1:
            wrong.append(f"ema is {self.ema}; allowed: between 0 and 1, such as 0.999, or none.")
        if self.ema is not None and self.average:
            wrong.append(f"ema is {self.ema} and average {self.average}; allowed: one of the two.")
        if all(getattr(self, name) is None for name in BUDGET):
            wrong.append("No budget is set; allowed: at least one of steps, epochs, tokens, minutes.")
        if wrong:
            raise UsageError(" ".join(wrong), "In the training settings.", "Correct each of them.")


def to_dict(settings: Any) -> dict[str, Any]:
    """The settings as plain JSON values; `from_dict` gives them back."""
    plain = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    return {
        name: to_dict(value) if dataclasses.is_dataclass(value) else list(value) if isinstance(value, tuple) else value
        for name, value in plain.items()
    }


def from_dict(cls: type[Settings], values: Mapping[str, Any], *, where: str = "") -> Settings:
    """The settings of class `cls` with these values, the rest as they are by default. `UsageError` lists all that is wrong."""
    kinds = typing.get_type_hints(cls)
    wrong: list[str] = []
    todo = "Correct each of them."
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        full = f"{where}{name}"
        if name not in kinds:
            wrong.append(f"Unknown setting {full!r}. {did_you_mean(name, kinds)}")
            continue
        try:
            arguments[name] = _convert(kinds[name], value, full)
        except UsageError as error:
            wrong.append(error.what)
    if wrong:
        raise UsageError(" ".join(wrong), "In the settings.", todo)
    try:
        return cls(**arguments)
    except TypeError as error:
        raise UsageError(f"A setting without a default is missing: {error}.", "In the settings.", "Give it.") from error


def with_settings(settings: Settings, changes: Iterable[str]) -> Settings:
    """The settings with changes such as `["schedule.rate=1e-3", "ema=none"]`; none, true and false are written so."""
    values: Any = to_dict(settings)
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals:
            raise UsageError(f"{change!r} is not a change.", "In the settings.", "Write it as name=value.")
        place, cls = values, type(settings)
        *parts, last = path.strip().split(".")
        for part in parts:
            cls = _part(cls, part, path)
            place = place[part]
        kinds = typing.get_type_hints(cls)
        if last not in kinds or dataclasses.is_dataclass(kinds[last]):
            raise _unknown(path, last, [name for name in kinds if not dataclasses.is_dataclass(kinds[name])])
        place[last] = _convert(kinds[last], text.strip(), path.strip())
    return from_dict(type(settings), values)


def changes_between(settings: Settings, start: Settings) -> list[str]:
    """The changes that make `settings` of `start`, as `with_settings` reads them:
    `with_settings(start, changes_between(settings, start)) == settings`."""

    def between(one: Any, other: Any, path: str) -> Iterator[str]:
        for name, value in one.items():
            if isinstance(value, dict):
                yield from between(value, other[name], f"{path}{name}.")
            elif value != other[name]:
                yield f"{path}{name}={_text(value)}"

    return list(between(to_dict(settings), to_dict(start), ""))


def _text(value: Any) -> str:
    """A value as a change writes it."""
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _part(cls: type, part: str, path: str) -> type:
    kinds = typing.get_type_hints(cls)
    inner = [name for name, kind in kinds.items() if dataclasses.is_dataclass(kind)]
    if part not in inner:
        raise _unknown(path, part, inner)
    return typing.cast(type, kinds[part])


def _unknown(path: str, name: str, allowed: Iterable[str]) -> UsageError:
    return UsageError(
        f"Unknown setting {path.strip()!r}. {did_you_mean(name, allowed)}",
        "In the settings.",
        "Use one of these names.",
    )


def _convert(kind: Any, value: Any, name: str) -> Any:
    """The value as its annotation says; text (from a command line) is read, other values must already be of the kind."""
    if dataclasses.is_dataclass(kind):
        if isinstance(value, kind):  # type: ignore[arg-type]
            return value
        if isinstance(value, Mapping):
            return from_dict(typing.cast(type, kind), value, where=f"{name}.")
        raise _not_allowed(name, value, "a mapping of settings")
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return _convert_union(inner, value, name)
    if origin is Literal:
        if value in inner and isinstance(value, str):
            return value
        raise UsageError(f"{name} is {value!r}. {did_you_mean(str(value), inner)}")
    if origin is tuple:
        items = [item for item in value.split(",") if value] if isinstance(value, str) else value
        each = [inner[0]] * len(items) if len(inner) == 2 and inner[1] is Ellipsis else inner
        if isinstance(items, (list, tuple)) and len(items) == len(each):
            return tuple(_convert(k, item, name) for k, item in zip(each, items, strict=True))
        raise _not_allowed(name, value, f"{len(each)} values, with commas between them")
    return _convert_plain(kind, value, name)


def _convert_union(inner: tuple[Any, ...], value: Any, name: str) -> Any:
    if value is None or (isinstance(value, str) and value.strip().lower() == "none"):
        if type(None) in inner:
            return None
        raise _not_allowed(name, value, "a value")
    kinds = [kind for kind in inner if kind is not type(None)]
    for kind in kinds[:-1]:
        try:
            return _convert(kind, value, name)
        except UsageError:
            continue
    return _convert(kinds[-1], value, name)


_WORDS = {"true": True, "false": False}
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def _convert_plain(kind: Any, value: Any, name: str) -> Any:
    if kind is str and isinstance(value, str):
        return value
    if kind is bool:
        found = _WORDS.get(value.strip().lower()) if isinstance(value, str) else value
        if isinstance(found, bool):
            return found
    elif kind in (int, float) and not isinstance(value, bool):
        try:
            number = kind(value)
        except (TypeError, ValueError):
            raise _not_allowed(name, value, _KINDS[kind]) from None
        if isinstance(value, str) or number == value:
            return number
    raise _not_allowed(name, value, _KINDS.get(kind, str(kind)))


def _not_allowed(name: str, value: Any, allowed: str) -> UsageError:
    return UsageError(f"{name} is {value!r}; allowed: {allowed}.")

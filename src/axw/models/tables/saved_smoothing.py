"""A smoothed answer in a folder: forms of the columns, who is read by name, W of each voice, b. Views say the shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from axw.errors import ModelError
from axw.models.tables.saved_fields import Fields
from axw.models.tables.smoothing import Smoothed, Voice
from axw.models.tables.smoothing_ground import NAMES
from axw.models.tables.smoothing_views import KINDS, MOST_WIDE, SMOOTH, Form, View

MOST_VOICES = 1_000
_BLOCKS = {"own": 1, "apart 1": 2, "apart 2": 3, "neighbours 1": 1, "neighbours 2": 1, "names": 1} | dict.fromkeys(
    SMOOTH, 1
)
Shapes = dict[str, tuple[int, ...]]


class Outline(NamedTuple):
    """What the config says of the answer, checked: all that is not a tensor."""

    views: tuple[View, ...]
    commons: tuple[float, ...]
    wide: tuple[int | None, ...]
    names: dict[int, int]
    chosen: tuple[tuple[str, float], ...]


def smoothed_to_config(fitted: Smoothed) -> dict[str, Any]:
    """Views, forms and what was chosen, for config.json."""
    return {
        "views": [[view.kind, view.relation, float(view.alike), float(view.common)] for view, _, _ in fitted.voices],
        "forms": [
            [float(c), None if form.V is None else int(form.V.shape[1])] for c, form in sorted(fitted.forms.items())
        ],
        "names": [[int(read), int(U.shape[1])] for read, U in sorted(fitted.names.items())],
        "chosen": [[words, float(share)] for words, share in fitted.chosen],
    }


def smoothed_tensors(fitted: Smoothed) -> dict[str, np.ndarray]:
    """The arrays by name."""
    arrays = {"smoothing.b": fitted.b}
    for number, voice in enumerate(fitted.voices):
        arrays |= {f"smoothing.voice-{number}.centre": voice.centre, f"smoothing.voice-{number}.W": voice.W}
    for number, (_, form) in enumerate(sorted(fitted.forms.items())):
        arrays |= {f"smoothing.form-{number}.mean": form.mean, f"smoothing.form-{number}.weight": form.weight}
        arrays |= {} if form.V is None else {f"smoothing.form-{number}.V": form.V}
    return arrays | {f"smoothing.names-{number}": U for number, (_, U) in enumerate(sorted(fitted.names.items()))}


def outline(saved: Any, relations: int) -> Outline:
    """The config of a smoothed answer, of which nothing is believed."""
    fields = Fields(saved, "smoothing").only(["views", "forms", "names", "chosen"])
    views = tuple(view_of(item, relations) for item in fields.get("views", list)[: MOST_VOICES + 1])
    forms, names = (
        [_pair(item) for item in fields.get("forms", list)],
        [_pair(item) for item in fields.get("names", list)],
    )
    commons, wide = tuple(float(common) for common, _ in forms), tuple(width for _, width in forms)
    whole = all(width is None or (type(width) is int and 1 <= width <= MOST_WIDE) for width in wide)
    reads = [read for read, width in names if type(read) is int and type(width) is int and 1 <= width <= NAMES]
    if not views or len(views) > MOST_VOICES or len(set(views)) < len(views):
        raise ModelError(f"{len(views)} voices; allowed: from 1 to {MOST_VOICES:,}, each another view.")
    if not whole or list(commons) != sorted({view.common for view in views}):
        raise ModelError(f"The forms {str(forms)[:60]} are not those of the voices.")
    if len(reads) < len(names) or reads != sorted({view.relation for view in views if view.kind == "names"}):
        raise ModelError(f"The directions {str(names)[:60]} are not those of the voices.")
    chosen = [_pair(item) for item in fields.get("chosen", list)]
    if not all(type(words) is str and type(share) is float and 0 <= share <= 1 for words, share in chosen):
        raise ModelError(f"What was chosen is {str(chosen)[:60]}; allowed: texts with shares from 0 to 1.")
    return Outline(views, commons, wide, dict(names), tuple((words, share) for words, share in chosen))


def smoothed_shapes(told: Outline, d: int, c: int, m: int, relations: int) -> Shapes:
    """The shape of every array, from the views alone: d columns, c outputs, m rows of the memory."""
    shapes: Shapes = {"smoothing.b": (c,)}
    of_form = dict(zip(told.commons, told.wide, strict=True))
    for number, view in enumerate(told.views):
        blocks = _BLOCKS[view.kind] if relations or view.kind in SMOOTH else 1
        width = blocks * (of_form[view.common] or d) + (told.names[view.relation] if view.kind == "names" else 0)
        shapes |= {f"smoothing.voice-{number}.centre": (width,), f"smoothing.voice-{number}.W": (width, c)}
    for number, wide in enumerate(told.wide):
        shapes |= {f"smoothing.form-{number}.mean": (d,), f"smoothing.form-{number}.weight": (d,)}
        shapes |= {} if wide is None else {f"smoothing.form-{number}.V": (d, wide)}
    return shapes | {
        f"smoothing.names-{number}": (m, told.names[read]) for number, read in enumerate(sorted(told.names))
    }


def smoothed_from(told: Outline, arrays: Mapping[str, np.ndarray]) -> Smoothed:
    """The answer, from arrays of these shapes. What held-out rows said is not kept."""
    forms = {
        common: Form(
            arrays[f"smoothing.form-{number}.mean"],
            arrays[f"smoothing.form-{number}.weight"],
            arrays.get(f"smoothing.form-{number}.V"),
            common >= 0,
        )
        for number, common in enumerate(told.commons)
    }
    voices = tuple(
        Voice(view, arrays[f"smoothing.voice-{number}.centre"], arrays[f"smoothing.voice-{number}.W"])
        for number, view in enumerate(told.views)
    )
    names = {read: arrays[f"smoothing.names-{number}"] for number, read in enumerate(sorted(told.names))}
    b = arrays["smoothing.b"]
    return Smoothed(forms, names, voices, b, np.zeros((0, len(b))), told.chosen)


def view_of(item: Any, relations: int) -> View:
    """The view of a voice, if so many relations can lead to it; `ModelError` for anything else."""
    if type(item) is not list or [type(part) for part in item] != [str, int, float, float]:
        raise ModelError(f"A voice is {str(item)[:60]}; allowed: a kind, a relation, and two numbers.")
    view = View(*item)
    possible = view.kind in KINDS and 0 <= view.alike <= 1 and (view.common == -1 or 0 <= view.common <= 1)
    read = -1 <= view.relation < max(1, relations) and (relations > 1 or view.relation >= 0)
    if view.kind in SMOOTH:
        possible = possible and view.common >= 0 and (relations > 0 or view.alike > 0)
    else:
        possible = possible and view.alike == 0 and (relations > 0 or view.kind == "own")
    if not (possible and read and (view.kind != "names" or view.common == -1)):
        raise ModelError(f"The voice {str(item)[:60]} is none that {relations} relations lead to.")
    return view


def _pair(item: Any) -> tuple[Any, Any]:
    if type(item) is not list or len(item) != 2:
        raise ModelError(f"{str(item)[:60]} is no pair.")
    return item[0], item[1]

"""The README.md of a saved table model, made of what is known about it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from axw.models.tables.linear import Linear
from axw.models.tables.smoothing import Smoothed
from axw.version import __version__

EQUATIONS = {
    "none": "Y = X W + b: a linear model, no row reads another",
    "given": "Y = [X, A X, A labels, counts] W + b, A given by the relations",
    "dot": "Y = A X W + b with A = X X'",
    "bilinear": "Y = X W + A Z V + b with A = X U V' X', learned",
    "query-key": "Y = X W + A Z V + b with A = X K Q' X', learned",
    "smoothing": "Y = sum over voices of A X W + b, each A made of powers of what is given, rows of some voices of length 1",
    "metric": "Y = X W + A Z V + b with A = -|x L - x' L|^2 before the softmax, L learned",
}
CONTEXTS = {
    "full": "The rows that may be read are in this folder: their ids, relation keys, columns (as numbers) and answers.",
    "hashed": "The rows that may be read are in this folder: columns (as numbers) and answers in the clear; ids and relation"
    " keys as salted SHA-256. The salt is in config.json, so a key that can be guessed can be confirmed.",
    "none": "No row of the training table is in this folder.",
}
PACKAGES = ("torch", "numpy", "pandas", "scikit-learn")


def model_card(model: Any, context: str) -> str:
    """Markdown: what the model does, its equation, its data, how good it is known to be, and what wrote it."""
    name, reader = type(model).__name__, model._reader
    lines = [
        f"# {name}",
        "",
        _purpose(model),
        "",
        "```python",
        "import pandas as pd",
        "from axw.models import load",
        "",
    ]
    call = "predict_proba" if hasattr(model, "classes_") else "predict"
    lines += ['model = load("this folder")', f'model.{call}(pd.read_parquet("new_rows.parquet"))', "```", ""]
    lines += ["## Equation", "", f"- {_equation(model)}"]
    relations = list(getattr(model.step_, "relations", ()))
    lines += [f"- rows read each other by: {code(relation)}" for relation in relations]
    if not relations and model.attention not in ("none", "given"):
        lines.append("- every row may read all remembered rows")
    lines.append(f"- labels of the rows that are read: {'read' if model.step_.labels else 'not read'}")
    lines += [f"- {_penalty(model)}", f"- seed: {_seed(model.random_state)}"]
    columns = reader.columns
    lines += ["", "## Data", "", f"- {columns.rows:,} training rows, {len(model.memory_.X):,} of them learned from"]
    lines.append(f"- columns used: {', '.join(map(code, columns.used)) or 'none'}")
    lines += [f"- column left out: {code(dropped)}, {code(why)}" for dropped, why in columns.dropped.items()]
    lines += [f"- key column, read by a relation: {code(key)}" for key in reader.keys]
    lines += [f"- {CONTEXTS[context]}"]
    both = [key for key in reader.keys if key in columns.used]
    if context == "hashed" and both:
        lines.append(f"- also a feature, and so in the clear among the columns: {', '.join(map(code, both))}")
    lines += ["", "## Quality", "", *_quality(model)]
    lines += ["", "## Versions", "", *(f"- {package} {number}" for package, number in _versions().items())]
    return "\n".join(lines) + "\n"


def code(text: Any) -> str:
    """A text of the user's as Markdown code on one line."""
    return "`" + " ".join(str(text).replace("`", "'").split())[:200] + "`"


def _purpose(model: Any) -> str:
    if hasattr(model, "classes_"):
        classes = [code(value) for value in model.classes_[:20]]
        more = f" and {len(model.classes_) - 20} more" if len(model.classes_) > 20 else ""
        name = model.targets_[0].rsplit(" = ", 1)[0]
        return f"Says how likely each class of {code(name)} is for a row of a table: {', '.join(classes)}{more}."
    return f"Predicts {', '.join(map(code, model.targets_))} of a row of a table."


def _equation(model: Any) -> str:
    text = EQUATIONS[model.attention]
    if isinstance(model.fitted_, Linear | Smoothed):
        return text
    settings = model.fitted_.settings
    if settings.normalize == "none":
        text = text.replace("X W + A", "A")
    above = (
        f", and a {settings.feedforward} feed-forward layer of width {settings.width}" if settings.feedforward else ""
    )
    return f"{text}; normalize {settings.normalize}, {settings.heads} heads of width {settings.rank}{above}"


def _penalty(model: Any) -> str:
    if isinstance(model.fitted_, Smoothed):
        voices = "; ".join(f"{share:.0%} {words}" for words, share in model.fitted_.chosen)
        return f"voices, by their share, which held-out rows chose with their penalties: {code(voices)}"
    penalty = model.fitted_.penalty if isinstance(model.fitted_, Linear) else model.step_.penalty
    return (
        f"penalty on the squared weights: {penalty:g} ({'by default or chosen' if model.penalty is None else 'given'})"
    )


def _seed(random_state: Any) -> str:
    return str(random_state) if isinstance(random_state, int) else "not given as a number"


def _quality(model: Any) -> list[str]:
    if not hasattr(model, "classes_"):
        return [
            "- Nothing was measured while fitting: call `model.evaluate(X, y)` with rows that were not learned from."
        ]
    return [
        f"- expected calibration error on held-out training rows: {model.calibration_error_:.4f}",
        f"- temperature: {model.temperature_:.4f} (1 = probabilities as they were solved)",
        "- measure it on your own rows: `model.evaluate(X, y)`, with rows that were not learned from",
    ]


def _versions() -> Mapping[str, str]:
    found = {name: version(name) for name in PACKAGES}
    return {"axw": __version__, "python": platform.python_version(), **found}

"""The README.md of a saved text model, made of what is known about it."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from torch import nn

from axw.models.model_card import code
from axw.version import __version__

_PACKAGES = ("torch", "numpy", "tokenizers")


def text_card(
    title: str,
    purpose: str,
    use: Sequence[str],
    network: nn.Module,
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> str:
    """Markdown: what the model does, how to use it, its equation, its data, how good it is known to be, what wrote it."""
    count = sum(p.numel() for p in network.parameters())
    lines = [f"# {title}", "", purpose, "", "```sh", *use, "```", "", "## Equation", ""]
    lines += [
        "- every sub-layer is Y = A X W: rows read rows, then each row is changed by itself",
        f"- {count:,} numbers",
    ]
    lines += [f"- {name}: {code(value)}" for name, value in _flat(settings) if name.startswith(("network.", "luong."))]
    for part in ("data", "training", "validation"):
        found = facts.get(part)
        if found:
            lines += [
                "",
                f"## {part.capitalize()}",
                "",
                *(f"- {name}: {code(_number(value))}" for name, value in found.items()),
            ]
    lines += ["", "## Limits", "", "- It knows the words and the manner of its training text, and nothing else."]
    lines += ["", "## Versions", "", f"- axw {__version__}", f"- Python {platform.python_version()}"]
    lines += [f"- {package} {version(package)}" for package in _PACKAGES]
    return "\n".join(lines) + "\n"


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else [(f"{before}{name}", value)]
    return found


def _number(value: Any) -> Any:
    return f"{value:.4f}" if isinstance(value, float) else value

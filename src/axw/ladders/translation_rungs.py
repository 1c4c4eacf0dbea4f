"""The rungs of translation: the steps of Luong et al. 2015, Tables 1 and 4, then the Transformer of 2017 and its gated kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from axw.errors import UsageError, did_you_mean
from axw.learning.settings import with_settings
from axw.models.translation.settings import TranslationSettings


class TranslationRung(NamedTuple):
    """One translator: its name, the rung that it is compared with, and what it changes of the settings."""

    name: str
    below: str | None
    changes: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The name as a folder: letters, digits and hyphens."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    def settings(self, base: TranslationSettings, seed: int) -> TranslationSettings:
        """With its seed. Numbers that are not finite send it back and halve the rate: one rung should not end the ladder."""
        return with_settings(base, [*self.changes, f"train.seed={seed}", "train.on_nan=rewind"])


def _luong(
    name: str,
    below: str | None,
    score: str,
    *,
    window: str = "global",
    feed: bool = False,
    reverse: bool = True,
    dropout: float | None = None,
) -> TranslationRung:
    changes: tuple[str, ...] = ("architecture=luong", f"luong.score={score}", f"luong.window={window}")
    changes += (f"luong.input_feeding={str(feed).lower()}", f"luong.reverse={str(reverse).lower()}")
    changes += ("train.dropout_epochs=0",)  # what the paper adds is there from the first step
    return TranslationRung(name, below, changes if dropout is None else (*changes, f"luong.dropout={dropout}"))


def _transformer(name: str, below: str, feedforward: str) -> TranslationRung:
    return TranslationRung(name, below, ("architecture=transformer", f"transformer.feedforward={feedforward}"))


DROPOUT, BEST_LUONG = "+ dropout", "local-p (general) + feed"
RUNGS = (
    _luong("base", None, "none", reverse=False, dropout=0.0),
    _luong("+ reverse", "base", "none", dropout=0.0),
    _luong(DROPOUT, "+ reverse", "none"),
    _luong("global (location)", DROPOUT, "location"),
    _luong("global (dot)", DROPOUT, "dot"),
    _luong("global (general)", DROPOUT, "general"),
    _luong("global (concat)", DROPOUT, "concat"),
    _luong("global (concat-paper)", DROPOUT, "concat-paper"),
    _luong("global (location) + feed", "global (location)", "location", feed=True),
    _luong("global (general) + feed", "global (general)", "general", feed=True),
    _luong("local-m (general) + feed", "global (general) + feed", "general", window="local-m", feed=True),
    _luong("local-p (dot) + feed", "global (general) + feed", "dot", window="local-p", feed=True),
    _luong(BEST_LUONG, "global (general) + feed", "general", window="local-p", feed=True),
    _transformer("Transformer", BEST_LUONG, "relu"),
    _transformer("Transformer, SwiGLU", "Transformer", "swiglu"),
)


def chosen(named: Sequence[str] | None) -> list[TranslationRung]:
    """The rungs of these names, or numbers from 1, in the order of the ladder; all where nothing is named.

    A rung whose rung below was left out is compared with the nearest lower one that is there. `UsageError`.
    """
    if not named:
        return list(RUNGS)
    names, wanted = [rung.name for rung in RUNGS], set()
    for each in named:
        name = names[int(each) - 1] if each.isdigit() and 1 <= int(each) <= len(names) else each
        if name not in names:
            raise UsageError(
                f"There is no rung {each!r}. {did_you_mean(each, names)}",
                "--rungs",
                f"Or a number from 1 to {len(names)}.",
            )
        wanted.add(name)
    below = {rung.name: rung.below for rung in RUNGS}

    def lower(name: str | None) -> str | None:
        return name if name is None or name in wanted else lower(below[name])

    return [rung._replace(below=lower(rung.below)) for rung in RUNGS if rung.name in wanted]

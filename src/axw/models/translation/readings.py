"""Where an alignment is read off the attention of a translator."""

from __future__ import annotations

from typing import Literal, NamedTuple

from axw.errors import UsageError, did_you_mean
from axw.models.translation.settings import TranslationSettings


class Reading(NamedTuple):
    """Where an alignment is read: the layer of A, and whether its row t belongs to the word that step t reads ("input") or to
    the one that it predicts ("output": Luong et al. 2015, footnote 14)."""

    layer: str
    word: Literal["input", "output"]


def readings(settings: TranslationSettings) -> list[Reading]:
    """All that a network of these settings offers; none where it has no attention between the sentences."""
    if settings.architecture == "luong":
        layers = [] if settings.luong.score == "none" else ["cross 1"]
    else:
        s = settings.transformer
        layers = [
            f"cross {i}" for i in range(1, (max(1, s.layers) if s.decoder_layers is None else s.decoder_layers) + 1)
        ]
    words: tuple[Literal["input", "output"], ...] = ("input", "output")
    return [Reading(layer, word) for layer in layers for word in words]


def usual_reading(settings: TranslationSettings) -> Reading:
    """Luong: the word that footnote 14 says. Transformer: the last layer but one, the mean over heads, the predicted word (Garg
    et al. 2019, arXiv 1909.02074, section 3.1). `UsageError` for a network without attention."""
    if settings.architecture == "luong" and settings.luong.score == "none":
        raise UsageError(
            "The network has no attention between the sentences, so it aligns nothing.",
            "luong.score=none",
            "Train one with another score, such as luong.score=general.",
        )
    if settings.architecture == "luong":
        return Reading("cross 1", settings.luong.aligned_word)
    layers = [reading.layer for reading in readings(settings)][::2]
    return Reading(layers[max(0, len(layers) - 2)], "output")


def check_reading(reading: Reading, offered: list[Reading]) -> None:
    """`UsageError` where its layer is none of those that are offered."""
    layers = sorted({one.layer for one in offered})
    if reading.layer not in layers:
        raise UsageError(f"The layer is {reading.layer!r}. {did_you_mean(reading.layer, layers)}", "In an alignment.")

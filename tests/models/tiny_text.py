"""Lines of a small made-up language, and masked-word models that are trained on them in about a second."""

from __future__ import annotations

import random

from axw.learning import ScheduleSettings, TrainSettings
from axw.models.words.settings import WordsSettings
from axw.networks.blocks import TransformerSettings

NAMES, VERBS, THINGS = ["Anna", "Ben", "Carla", "Dan"], ["likes", "sees", "wants"], ["snow", "apples", "winter", "tea"]


def lines(count: int = 60, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [
        f"{draw.choice(NAMES)} {draw.choice(VERBS)} {draw.choice(THINGS)} and {draw.choice(THINGS)} , said {i % 7} ."
        for i in range(count)
    ]


def words_settings(steps: int = 12, **changes: object) -> WordsSettings:
    network = TransformerSettings(
        d_model=16,
        layers=2,
        heads=2,
        d_ff=48,
        feedforward="geglu",
        positions="rotary",
        attention_dropout=0.0,
        feedforward_dropout=0.0,
    )
    train = TrainSettings(
        schedule=ScheduleSettings(rate=1e-2, warmup=5),
        steps=steps,
        evaluate_every=5,
        checkpoint_every=4,
        log_every=3,
        threads=1,
    )
    start: dict[str, object] = {
        "network": network,
        "train": train,
        "vocabulary": 300,
        "longest": 24,
        "batch_tokens": 256,
    }
    return WordsSettings(**(start | changes))  # type: ignore[arg-type]

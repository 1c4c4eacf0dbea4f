"""Settings of a classifier of lines that goes on from a masked-word model."""

from __future__ import annotations

from dataclasses import dataclass, field

from axw.errors import UsageError
from axw.learning import OptimizerSettings, ScheduleSettings, TrainSettings
from axw.networks.blocks import TransformerSettings


def _train() -> TrainSettings:
    return TrainSettings(
        optimizer=OptimizerSettings(name="adamw", weight_decay=0.01, clip=1.0),
        schedule=ScheduleSettings(name="inverse-square-root", rate=3e-4, warmup=100),
        epochs=4,
        keep="best",
        checkpoint_every=200,
        log_every=50,
        precision="bf16",
    )


@dataclass(frozen=True, kw_only=True)
class SentencesSettings:
    """How a classifier of lines is made and trained.

    network        the encoder, as in the masked-word model that it goes on from
    train          see `TrainSettings`
    classes        the labels, sorted; found in the training text
    longest        pieces that are read of a line; what is behind them is not
    batch_tokens   pieces of a batch, padding included
    """

    network: TransformerSettings = field(default_factory=TransformerSettings)
    train: TrainSettings = field(default_factory=_train)
    classes: tuple[str, ...] = ()
    longest: int = 128
    batch_tokens: int = 4096

    def __post_init__(self) -> None:
        if self.longest < 8 or self.batch_tokens < self.longest:
            raise UsageError(
                f"longest is {self.longest}, batch_tokens {self.batch_tokens}; allowed: 8 or more, and at least that.",
                "In the settings of the classifier.",
                "Correct each of them.",
            )

"""Settings of a masked-word model, and recipes that were measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from axw.errors import UsageError
from axw.learning import OptimizerSettings, ScheduleSettings, TrainSettings
from axw.networks.blocks import TransformerSettings


def _network() -> TransformerSettings:
    return TransformerSettings(
        d_model=256,
        layers=4,
        heads=4,
        d_ff=1024,
        feedforward="geglu",
        positions="rotary",
        dropout=0.1,
        attention_dropout=0.0,
        feedforward_dropout=0.0,
    )


def _train() -> TrainSettings:
    return TrainSettings(
        optimizer=OptimizerSettings(name="muon", weight_decay=0.01, clip=1.0),
        schedule=ScheduleSettings(name="inverse-square-root", rate=6e-3, warmup=300),
        minutes=20.0,
        keep="best",
        average=5,
        evaluate_every=200,
        checkpoint_every=200,
        log_every=50,
        precision="bf16",
    )


@dataclass(frozen=True, kw_only=True)
class WordsSettings:
    """How a masked-word model is made and trained.

    network        the encoder: see `TransformerSettings`
    train          see `TrainSettings`
    task           words: masked places are guessed (Devlin et al. 2019); fill-spans: an encoder-decoder writes what stood in the
                   gaps (Raffel et al. 2020, section 3.1.4)
    vocabulary     most pieces that are learned from the training text;  pieces: bpe, or words for whole words
    masks          tokens: single pieces; words: all pieces of a word; spans: several pieces beside each other
    ratio          share of the pieces that is hidden; None: 0.2 for words, 0.15 for fill-spans
    longest        pieces that the model reads at once; a longer line is read in windows
    batch_tokens   pieces of a batch, padding included
    """

    network: TransformerSettings = field(default_factory=_network)
    train: TrainSettings = field(default_factory=_train)
    task: Literal["words", "fill-spans"] = "words"
    vocabulary: int = 8000
    pieces: Literal["bpe", "words"] = "bpe"
    masks: Literal["tokens", "words", "spans"] = "words"
    ratio: float | None = None
    longest: int = 128
    batch_tokens: int = 8192

    def __post_init__(self) -> None:
        wrong = []
        if self.ratio is not None and not 0.01 <= self.ratio <= 0.5:
            wrong.append(f"ratio is {self.ratio}; allowed: 0.01 to 0.5, such as 0.15.")
        if self.longest < 8 or self.batch_tokens < self.longest:
            wrong.append(
                f"longest is {self.longest}, batch_tokens {self.batch_tokens}; allowed: 8 or more, and at least that."
            )
        if self.network.positions == "learned" and self.network.longest < self.longest:
            wrong.append(
                f"network.longest is {self.network.longest}, longest {self.longest}; "
                "allowed: learned positions for every piece that is read."
            )
        if self.task == "fill-spans" and self.network.shared != "all":
            wrong.append(f"network.shared is {self.network.shared!r} with task fill-spans; allowed: all.")
        if wrong:
            raise UsageError(" ".join(wrong), "In the settings of the masked-word model.", "Correct each of them.")

    @property
    def share(self) -> float:
        """The share of the pieces that is hidden."""
        if self.ratio is not None:
            return self.ratio
        return 0.2 if self.task == "words" else 0.15

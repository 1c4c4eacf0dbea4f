"""Settings of a translator, and recipes that were measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from axw.decoding import SearchSettings
from axw.errors import UsageError
from axw.learning import OptimizerSettings, ScheduleSettings, TrainSettings
from axw.networks.blocks import TransformerSettings
from axw.networks.luong_settings import LuongSettings


def _transformer() -> TransformerSettings:
    return TransformerSettings(
        d_model=128,
        layers=4,
        heads=4,
        d_ff=256,
        positions="rotary",
        dropout=0.3,
        attention_dropout=0.0,
        feedforward_dropout=0.0,
    )


def _luong() -> LuongSettings:
    return LuongSettings(layers=1, d_model=256, shared="target")


def _train() -> TrainSettings:
    return TrainSettings(
        optimizer=OptimizerSettings(name="muon", beta2=0.98, clip=1.0),
        schedule=ScheduleSettings(name="inverse-square-root", rate=8e-3, warmup=300),
        minutes=60.0,
        dropout_epochs=10.0,
        keep="last",
        ema=0.999,
        checkpoint_every=200,
        log_every=50,
        precision="bf16",
    )


def _search() -> SearchSettings:
    return SearchSettings(beam=5, length_penalty="power", alpha=1.0)


@dataclass(frozen=True, kw_only=True)
class TranslationSettings:
    """How a translator is made and trained.

    architecture       transformer (Vaswani et al. 2017) or luong (Luong et al. 2015)
    transformer, luong   the network, of which the one that `architecture` names is used
    train              see `TrainSettings`
    search             see `SearchSettings`
    vocabulary         most pieces of each vocabulary;  pieces: bpe, or words for whole words with <unk>
    joint              one vocabulary for both languages
    smoothing          label smoothing (Vaswani et al. 2017, section 5.4)
    subword_dropout    share of joins that are left out when words are spelled for training (Provilkov et al. 2020)
    word_dropout       share of source pieces that become <unk> in training
    r_drop             weight of the divergence between two passes with other dropout (Liang et al. 2021, eq. 4); 0: one pass
    taught             share of the loss that asks for what the teachers hold likely, where `fit` is given any: 0 to 1
    both_directions    learn the way back as well, told apart by a tag before the source
    longest            pieces: longer pairs are not learned from
    batch_tokens       pieces of a batch on either side, padding included
    replace_unknown    pieces "words": where `<unk>` would be said, write the source word that it was made from (Luong et al.
                       2015, section 4.2), or what the dictionary says for it
    """

    architecture: Literal["transformer", "luong"] = "transformer"
    transformer: TransformerSettings = field(default_factory=_transformer)
    luong: LuongSettings = field(default_factory=_luong)
    train: TrainSettings = field(default_factory=_train)
    search: SearchSettings = field(default_factory=_search)
    vocabulary: int = 8000
    pieces: Literal["bpe", "words"] = "bpe"
    joint: bool = True
    smoothing: float = 0.1
    subword_dropout: float = 0.0
    word_dropout: float = 0.0
    r_drop: float = 0.0
    taught: float = 0.7
    both_directions: bool = False
    longest: int = 200
    batch_tokens: int = 4096
    replace_unknown: bool = True

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {getattr(self, name)}; allowed: 0 or more, below 1."
            for name in ("smoothing", "subword_dropout", "word_dropout")
            if not 0.0 <= getattr(self, name) < 1.0
        ]
        if self.r_drop < 0.0:
            wrong.append(f"r_drop is {self.r_drop}; allowed: 0 or more.")
        if not 0.0 <= self.taught <= 1.0:
            wrong.append(f"taught is {self.taught}; allowed: 0 to 1.")
        if self.longest < 2 or self.batch_tokens < self.longest:
            wrong.append(
                f"longest is {self.longest}, batch_tokens {self.batch_tokens}; allowed: 2 or more, and at least that."
            )
        said = max(self.longest + 2, int(self.search.max_factor * (self.longest + 2)) + self.search.max_constant)
        learned = self.architecture == "transformer" and self.transformer.positions == "learned"
        if learned and self.transformer.longest < said:
            wrong.append(
                f"transformer.longest is {self.transformer.longest} with learned positions; allowed: {said} or more, "
                f"for {self.longest} pieces, two marks, and what the search may say of them."
            )
        shared = self.transformer.shared if self.architecture == "transformer" else self.luong.shared
        if (shared == "all" or self.both_directions) and not self.joint:
            wrong.append(
                "joint is false with shared 'all' or both_directions; allowed: one vocabulary for both, or neither."
            )
        if self.pieces == "words" and self.subword_dropout:
            wrong.append(
                "subword_dropout is set with pieces 'words', which have one spelling; allowed: 0, or pieces bpe."
            )
        if wrong:
            raise UsageError(" ".join(wrong), "In the settings of the translator.", "Correct each of them.")

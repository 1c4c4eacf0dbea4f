"""Settings of a constituency parser, and the recipe that was measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from axw.decoding import SearchSettings
from axw.errors import UsageError
from axw.learning import OptimizerSettings, ScheduleSettings, TrainSettings
from axw.models.translation.settings import TranslationSettings
from axw.networks.blocks import TransformerSettings
from axw.networks.luong_settings import LuongSettings


def _transformer() -> TransformerSettings:
    return TransformerSettings(
        d_model=192,
        layers=4,
        decoder_layers=2,
        heads=4,
        d_ff=768,
        feedforward="geglu",
        positions="rotary",
        dropout=0.2,
        attention_dropout=0.1,
        feedforward_dropout=0.1,
        shared="target",
    )


def _luong() -> LuongSettings:
    return LuongSettings(layers=1, d_model=256, reverse=False, shared="target")


def _train() -> TrainSettings:
    return TrainSettings(
        optimizer=OptimizerSettings(name="muon", beta2=0.98, clip=1.0),
        schedule=ScheduleSettings(name="inverse-square-root", rate=4e-3, warmup=200),
        minutes=60.0,
        evaluate_every=400,
        watch="f1",
        better="higher",
        keep="best",
        ema=0.999,
        checkpoint_every=200,
        log_every=50,
        precision="bf16",
    )


def _search() -> SearchSettings:
    return SearchSettings(beam=21, alpha=0.3, max_factor=1.0, max_constant=300)


@dataclass(frozen=True, kw_only=True)
class ParserSettings:
    """How a parser is made and trained.

    architecture       guided: a Transformer that is told where in the tree it stands (`TreeTransformer`); transformer: the one of
                       Vaswani et al. 2017, section 6.3; luong: the one of Luong et al. 2015
    transformer, luong   the network, of which the one that `architecture` names is used (guided: transformer)
    pretrained         run or model of `axw fit words`, whose pieces and encoder the training starts from; none: from nothing
    train              see `TrainSettings`; loss and f1 (in percent, with a beam of 1) can be watched
    search             see `SearchSettings`: beam 21, alpha 0.3, input + 300, as Vaswani et al. 2017, section 6.3
    leaves             what the decoder writes for a word: its tag, or XX
    vocabulary         most pieces of the source;  pieces: bpe, or words for whole words with <unk>
    smoothing          label smoothing
    subword_dropout    share of joins that are left out when words are spelled for training (Provilkov et al. 2020)
    word_dropout       share of source pieces that become <unk> in training
    r_drop             weight of the divergence between two passes with other dropout (Liang et al. 2021, eq. 4); 0: one pass
    longest            pieces, or tokens of a tree: longer ones are not learned from
    batch_tokens       pieces, or tokens of trees, of a batch, padding included
    """

    architecture: Literal["guided", "transformer", "luong"] = "guided"
    transformer: TransformerSettings = field(default_factory=_transformer)
    luong: LuongSettings = field(default_factory=_luong)
    pretrained: str | None = None
    train: TrainSettings = field(default_factory=_train)
    search: SearchSettings = field(default_factory=_search)
    leaves: Literal["XX", "tags"] = "tags"
    vocabulary: int = 4000
    pieces: Literal["bpe", "words"] = "bpe"
    smoothing: float = 0.1
    subword_dropout: float = 0.1
    word_dropout: float = 0.0
    r_drop: float = 0.0
    longest: int = 700
    batch_tokens: int = 1536

    def __post_init__(self) -> None:
        _ = self.as_translation()
        check_search(self.search)
        shared = self.luong.shared if self.architecture == "luong" else self.transformer.shared
        wrong = []
        if shared == "all":
            wrong.append("shared is 'all', but words and brackets are two vocabularies; allowed: target, none.")
        if self.pretrained is not None and (self.architecture == "luong" or self.pieces == "words"):
            wrong.append(
                f"pretrained is set with architecture {self.architecture!r}, pieces {self.pieces!r}; "
                "allowed with a masked-word model: guided or transformer, and bpe."
            )
        if wrong:
            raise UsageError(" ".join(wrong), "In the settings of the parser.", "Correct each of them.")

    def as_translation(self) -> TranslationSettings:
        """Parsing is translation from words into brackets: these settings, as a translator's lesson reads them."""
        return TranslationSettings(
            architecture="luong" if self.architecture == "luong" else "transformer",
            transformer=self.transformer,
            luong=self.luong,
            train=self.train,
            vocabulary=self.vocabulary,
            pieces=self.pieces,
            joint=True,
            smoothing=self.smoothing,
            subword_dropout=self.subword_dropout,
            word_dropout=self.word_dropout,
            r_drop=self.r_drop,
            search=SearchSettings(max_factor=0.0, max_constant=1),  # the lesson asks nothing of it
            longest=self.longest,
            batch_tokens=self.batch_tokens,
        )


def check_search(search: SearchSettings) -> None:
    """`UsageError` for a search that could cut a tree off before its last bracket."""
    wrong = [
        f"search.{name} is {getattr(search, name)}; allowed: {allowed}."
        for name, allowed, right in (
            ("max_factor", "1", search.max_factor == 1.0),
            ("max_constant", "3 or more", search.max_constant >= 3),
            ("min_length", "0", search.min_length == 0),
            ("no_repeat_ngram", "0", search.no_repeat_ngram == 0),
            ("coverage", "0", search.coverage == 0.0),
        )
        if not right
    ]
    if wrong:
        todo = "Leave them as they are: every answer has to be a whole tree."
        raise UsageError(" ".join(wrong), "In the search of the parser.", todo)

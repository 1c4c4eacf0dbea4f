"""The layers of an encoder and a decoder: attention, then feed-forward, each with what was there before added to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast

from torch import Tensor, nn

from axw.equation import (
    KINDS,
    Attention,
    Dot,
    Even,
    FeedForward,
    General,
    Memory,
    QueryKey,
    Rotary,
    Score,
    append,
    dropout,
    gated_width,
    sentences,
)
from axw.errors import UsageError, did_you_mean

POSITIONS = ("sinusoidal", "learned", "rotary", "alibi", "relative", "none")
SCORES = ("query-key", "bilinear", "dot", "even")
NORMS = ("layer", "rms")
PLACES = ("pre", "post")
FEEDFORWARD = (*KINDS, "none")


@dataclass(frozen=True, kw_only=True)
class TransformerSettings:
    """What Table 3 of Vaswani et al. 2017 varies, and what came after.

    d_model            width of a row
    layers             of the encoder;  decoder_layers of the decoder (None: as many, but at least one)
    heads              attention heads;  d_k, d_v: key and value width of a head (None: d_model / heads)
    d_ff               feed-forward width of the ungated kinds; gated kinds get 2/3 of it, so that parameters are equal
    feedforward        relu, gelu, swish, relu2, glu, bilinear, reglu, geglu, swiglu; none: the layer has attention only
    bias               whether the feed-forward products have biases (Vaswani et al.: yes, Shazeer: no)
    attention_bias     whether query, key, value and what is made of them have biases, as in BERT and Marian
    score              query-key (A = X Q K' X'), bilinear (A = X W X', of rank d_k), dot (A = X X'), even (A given by the mask)
    window             how far a row of the encoder reads to either side (section 4, restricted self-attention); None: all
    normalize          of A: softmax, or mean (no softmax: the scores over the number of rows)
    positions          sinusoidal or learned (added to X), rotary, alibi, relative (in the scores), none
    longest            places that learned positions know
    norm, norm_place   layer or rms; before each sub-layer (pre, with one at the end of the stack) or after it (post, 2017)
    norm_epsilon       what is added to the variance; None: 1e-5 of layer, 1.2e-7 of rms
    embedding_norm     whether embedded words are normalised too, as in BERT
    dropout            on each sub-layer's output and on the embedded words;  attention_dropout on A;  feedforward_dropout inside
    shared             which of source embedding, target embedding and output are one matrix: all, target (the last two), none
    output_bias        of an encoder-decoder: whether each word has a number of its own added to its score
    output_transform   of a masked-word model: one more product, gelu and norm before the words are scored, as in BERT
    """

    d_model: int = 256
    layers: int = 3
    decoder_layers: int | None = None
    heads: int = 4
    d_k: int | None = None
    d_v: int | None = None
    d_ff: int = 1024
    feedforward: str = "relu"
    bias: bool = False
    attention_bias: bool = False
    score: str = "query-key"
    window: int | None = None
    normalize: str = "softmax"
    positions: str = "sinusoidal"
    longest: int = 1024
    norm: str = "layer"
    norm_place: str = "pre"
    norm_epsilon: float | None = None
    embedding_norm: bool = False
    dropout: float = 0.1
    attention_dropout: float = 0.1
    feedforward_dropout: float = 0.1
    shared: Literal["all", "target", "none"] = "all"
    output_bias: bool = False
    output_transform: bool = False

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {getattr(self, name)}; allowed: 1 or more."
            for name in ("d_model", "heads", "d_k", "d_v", "d_ff", "longest", "window")
            if getattr(self, name) is not None and getattr(self, name) < 1
        ]
        wrong += [
            f"{name} is {getattr(self, name)}; allowed: 0 or more, below 1."
            for name in ("dropout", "attention_dropout", "feedforward_dropout")
            if not 0.0 <= getattr(self, name) < 1.0
        ]
        if self.norm_epsilon is not None and not 0.0 < self.norm_epsilon < 1.0:
            wrong.append(f"norm_epsilon is {self.norm_epsilon}; allowed: between 0 and 1, such as 1e-5, or none.")
        if self.attention_bias and self.score != "query-key":
            wrong.append(f"attention_bias is true with score {self.score!r}; allowed: with score query-key.")
        if self.layers < 0 or (self.decoder_layers is not None and self.decoder_layers < 1):
            wrong.append(f"layers is {self.layers}, decoder_layers {self.decoder_layers}; allowed: at least 0, and 1.")
        allowed = {
            "feedforward": FEEDFORWARD,
            "score": SCORES,
            "normalize": ("softmax", "mean"),
            "positions": POSITIONS,
        }
        allowed |= {"norm": NORMS, "norm_place": PLACES, "shared": ("all", "target", "none")}
        wrong += [
            f"{name} is {getattr(self, name)!r}. {did_you_mean(str(getattr(self, name)), names)}"
            for name, names in allowed.items()
            if getattr(self, name) not in names
        ]
        if (self.d_k is None or self.d_v is None) and self.d_model % self.heads:
            wrong.append(
                f"d_model {self.d_model} is not a multiple of heads {self.heads}; allowed so only with d_k and d_v."
            )
        if self.score != "query-key" and self.heads > 1:
            wrong.append(f"heads is {self.heads} with score {self.score!r}; allowed: 1, or score query-key.")
        if self.positions == "rotary" and (self.key_width % 2 or self.score != "query-key"):
            wrong.append(
                f"positions is rotary with d_k {self.key_width}, score {self.score}; allowed: even d_k, query-key."
            )
        if wrong:
            raise UsageError(" ".join(wrong), "In the settings of the network.", "Correct each of them.")

    @property
    def key_width(self) -> int:
        return self.d_model // self.heads if self.d_k is None else self.d_k

    @property
    def value_width(self) -> int:
        return self.d_model // self.heads if self.d_v is None else self.d_v

    @property
    def inner_width(self) -> int:
        """The feed-forward width as it is used: two thirds of `d_ff` for a gated kind (Shazeer 2020, section 3)."""
        gated = self.feedforward in KINDS and KINDS[self.feedforward].gated
        return gated_width(self.d_ff) if gated else self.d_ff


def attention_of(s: TransformerSettings) -> Attention:
    """The attention of one sub-layer: `s.score`, values, and what is made of them."""
    score: Score
    if s.score == "dot":
        score = Dot()
    elif s.score == "even":
        score = Even()
    elif s.score == "bilinear":
        score = General(s.d_model, rank=s.key_width)
    else:
        kind = Rotary if s.positions == "rotary" else QueryKey
        score = kind(s.d_model, s.key_width, s.heads, bias=s.attention_bias)
    value = nn.Linear(s.d_model, s.heads * s.value_width, bias=s.attention_bias)
    out = nn.Linear(s.heads * s.value_width, s.d_model, bias=s.attention_bias)
    for layer in (value, out):
        nn.init.xavier_uniform_(layer.weight)
        if s.attention_bias:
            nn.init.zeros_(layer.bias)
    return Attention(score, value, out, normalize=s.normalize, dropout=s.attention_dropout)


def norm_of(s: TransformerSettings) -> nn.Module:
    if s.norm == "rms":
        return nn.RMSNorm(s.d_model, eps=s.norm_epsilon)
    return nn.LayerNorm(s.d_model, eps=1e-5 if s.norm_epsilon is None else s.norm_epsilon)


class Residual(nn.Module):
    """X + f(norm(X)) (pre), or norm(X + f(X)) (post; Vaswani et al. 2017, section 3.1), with dropout on f's result."""

    def __init__(self, s: TransformerSettings) -> None:
        super().__init__()
        self.norm, self.pre, self.dropout = norm_of(s), s.norm_place == "pre", s.dropout

    def forward(self, X: Tensor, f: Callable[[Tensor], Tensor]) -> Tensor:
        if self.pre:
            return X + dropout(f(self.norm(X)), self.dropout, self.training)
        return self.norm(X + dropout(f(X), self.dropout, self.training))


class _Layer(nn.Module):
    """What ends every layer: each row is changed by itself."""

    def __init__(self, s: TransformerSettings) -> None:
        super().__init__()
        self.feedforward: FeedForward | None = None
        self.around_feedforward: Residual | None = None
        if s.feedforward != "none":
            width, dropped = s.inner_width, s.feedforward_dropout
            self.feedforward = FeedForward(s.d_model, width, s.feedforward, dropout=dropped, bias=s.bias)
            self.around_feedforward = Residual(s)

    def change(self, X: Tensor) -> Tensor:
        """The feed-forward layer, where there is one."""
        if self.feedforward is None or self.around_feedforward is None:
            return X
        return cast(Tensor, self.around_feedforward(X, self.feedforward))


class EncoderLayer(_Layer):
    """Each row reads the rows of its own sentence, then is changed by itself."""

    def __init__(self, s: TransformerSettings) -> None:
        super().__init__(s)
        self.attention, self.around_attention = attention_of(s), Residual(s)

    def forward(
        self, X: Tensor, mask: Tensor | None, bias: Tensor | None = None, places: Tensor | None = None
    ) -> Tensor:
        """X (b n d), mask (b 1 1 n) or (b 1 n n), bias (1 h n n) -> (b n d).

        places (t,), numbers in the flattened (b n): of these rows alone (t d), and only they are changed.
        """
        read = self.around_attention(X, lambda R: sentences.read_own(self.attention, R, mask, bias))
        return self.change(read if places is None else read.flatten(0, 1).index_select(0, places))

    def show(self, X: Tensor, mask: Tensor | None, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What `forward` gives, and A (b h n n)."""
        seen: list[Tensor] = []

        def read(R: Tensor) -> Tensor:
            Y, A = self.attention(R, self.attention.remember(R, mask), None, bias)
            seen.append(A)
            return cast(Tensor, Y)

        return self.change(self.around_attention(X, read)), seen[0]


class DecoderLayer(_Layer):
    """Each row reads what was said up to itself, then the source, then is changed by itself."""

    def __init__(self, s: TransformerSettings) -> None:
        super().__init__(s)
        self.own, self.around_own = attention_of(s), Residual(s)
        # Places are counted within one sentence: what the source's row 7 is to the target's row 7 is learnt, not given.
        self.cross, self.around_cross = attention_of(replace(s, positions="none")), Residual(s)

    def forward(self, X: Tensor, source: Memory, mask: Tensor, bias: Tensor | None = None) -> Tensor:
        """X (b n d), the source's memory, mask (1 1 n n): up to itself -> (b n d)."""
        X = self.around_own(X, lambda R: sentences.read_own(self.own, R, mask, bias))
        X = self.around_cross(X, lambda R: sentences.read(self.cross, R, source))
        return self.change(X)

    def step(self, X: Tensor, source: Memory, said: Memory | None, bias: Tensor | None = None) -> tuple[Tensor, Memory]:
        """The rows X (b w d) of the words just said by w hypotheses, and the memory (b*w h t+1 k) with them in it.

        source  memory of b sentences, which the w hypotheses of each ask as w rows
        said    memory of b*w hypotheses, t words each; None where nothing was said
        """
        return self._step(X, said, bias, lambda R: self.cross.read(R, source))

    def step_showing(
        self, X: Tensor, source: Memory, said: Memory | None, bias: Tensor | None = None
    ) -> tuple[Tensor, Memory, Tensor]:
        """What `step` gives, and A over the source (b h w m)."""
        seen: list[Tensor] = []

        def read(R: Tensor) -> Tensor:
            Y, A = self.cross(R, source)
            seen.append(A)
            return cast(Tensor, Y)

        return (*self._step(X, said, bias, read), seen[0])

    def _step(
        self, X: Tensor, said: Memory | None, bias: Tensor | None, read_source: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Memory]:
        b, w, d = X.shape
        kept: list[Memory] = []

        def read_own(R: Tensor) -> Tensor:
            rows = R.reshape(b * w, 1, d)
            t = 0 if said is None else said.keys.shape[2]
            new = self.own.remember(rows, start=t)
            kept.append(new if said is None else append(said, new))
            return self.own.read(rows, kept[0], None, bias, start=t).reshape(b, w, d)

        X = self.around_own(X, read_own)
        X = self.around_cross(X, read_source)
        return self.change(X), kept[0]

    def show(
        self, X: Tensor, source: Memory, mask: Tensor, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What `forward` gives, A over what was said (b h n n), and A over the source (b h n m)."""
        seen: list[Tensor] = []

        def noted(result: tuple[Tensor, Tensor]) -> Tensor:
            seen.append(result[1])
            return result[0]

        X = self.around_own(X, lambda R: noted(self.own(R, self.own.remember(R), mask, bias)))
        X = self.around_cross(X, lambda R: noted(self.cross(R, source)))
        return self.change(X), seen[0], seen[1]

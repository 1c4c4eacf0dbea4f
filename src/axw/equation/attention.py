"""The equation: Y = A X W."""

from __future__ import annotations

from typing import cast

from jaxtyping import Bool, Float
from torch import Tensor, nn

from axw.equation import kernels
from axw.equation.dropout import dropout
from axw.equation.memory import Memory
from axw.equation.normalize import normalize
from axw.equation.positions import Rotary
from axw.equation.scores import Score, join_heads, split_heads


def attend(A: Float[Tensor, "b h n m"] | None, X: Float[Tensor, "b h m v"]) -> Float[Tensor, "b h n v"]:
    """A X: what each row reads. Without an A every row reads itself (A = I), and X comes back."""
    return X if A is None else A @ X


class Attention(nn.Module):
    """Y = out(A V), A = normalize(score(X, X_memory) + bias, mask), V = value(X_memory).

    score      who may matter to whom: (b n d), (b h m k) -> (b h n m)
    value      what a row gives to its readers: (b m e) -> (b m h*v)
    out        what is made of what was read: (b n h*v) -> Y (b n o)
    normalize  "softmax" | "softmax-or-nothing" | "none"
    dropout    share of A that is dropped in training (Vaswani et al. 2017, section 5.4)

    The rows that may be read are a `Memory`: `remember` makes it, once; `forward` reads it. Nothing is kept on the module.
    """

    def __init__(
        self,
        score: Score,
        value: nn.Module,
        out: nn.Module,
        *,
        normalize: str = "softmax",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.score, self.value, self.out = score, value, out
        self.normalize, self.dropout = normalize, dropout

    def remember(
        self, X: Float[Tensor, "b m e"], mask: Bool[Tensor, "#b #h #n #m"] | None = None, start: int = 0
    ) -> Memory:
        """The memory of rows X: their keys and values. `mask` (b 1 1 m): which of them are real.

        `start` is the place of the first row, for scores that know places (`Rotary`): 0 for a whole sentence, here and below.
        """
        keys = self.score.keys(X, start) if isinstance(self.score, Rotary) else self.score.keys(X)
        return Memory(keys, split_heads(self.value(X), self.score.heads), mask)

    def forward(
        self,
        X: Float[Tensor, "b n d"],
        memory: Memory,
        mask: Bool[Tensor, "#b #h #n #m"] | None = None,
        bias: Float[Tensor, "#b #h #n #m"] | None = None,
        start: int = 0,
    ) -> tuple[Float[Tensor, "b n o"], Float[Tensor, "b h n m"]]:
        """Y and A. `mask` is joined with the memory's own; `bias` is added to the scores."""
        rotary = isinstance(self.score, Rotary)
        scores = self.score(X, memory.keys, start) if rotary else self.score(X, memory.keys)  # type: ignore[call-arg]
        A = normalize(scores if bias is None else scores + bias, join(memory.mask, mask), self.normalize)
        A = dropout(A, self.dropout, self.training)
        return self.out(join_heads(attend(A, memory.values))), A

    def read(
        self,
        X: Float[Tensor, "b n d"],
        memory: Memory,
        mask: Bool[Tensor, "#b #h #n #m"] | None = None,
        bias: Float[Tensor, "#b #h #n #m"] | None = None,
        start: int = 0,
    ) -> Float[Tensor, "b n o"]:
        """Y alone, by the fastest kernel that gives the same Y (`kernels.choose`)."""
        mask = join(memory.mask, mask)
        drops = self.training and self.dropout > 0
        kernel = kernels.choose(self.score, memory, n=X.shape[1], normalize=self.normalize, masked=mask is not None)
        if kernel == "explicit" or bias is not None or drops:
            return cast(Tensor, self(X, memory._replace(mask=None), mask, bias, start)[0])
        queries = self.score.queries(X, start) if isinstance(self.score, Rotary) else self.score.queries(X)  # type: ignore[attr-defined]
        read = kernels.KERNELS[kernel](queries, memory, mask)
        return cast(Tensor, self.out(join_heads(read)))


def join(
    first: Bool[Tensor, "#b #h #n #m"] | None, second: Bool[Tensor, "#b #h #n #m"] | None
) -> Bool[Tensor, "#b #h #n #m"] | None:
    """first & second, where None allows everything."""
    if first is None or second is None:
        return second if first is None else first
    return first & second

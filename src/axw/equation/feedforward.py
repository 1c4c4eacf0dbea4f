"""W as a network: the position-wise feed-forward layer and its gated kinds (Shazeer 2020, arXiv 2002.05202)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from axw.equation.dropout import dropout as drop
from axw.equation.dropout import trains_here
from axw.equation.relu_kernel import relu_feedforward
from axw.errors import UsageError, did_you_mean


class Kind(NamedTuple):
    """An activation, and whether a second projection is gated by it."""

    activation: Callable[[Tensor], Tensor]
    gated: bool


def _identity(X: Tensor) -> Tensor:
    return X


def _relu_squared(X: Tensor) -> Tensor:
    return F.relu(X).square()


KINDS: dict[str, Kind] = {
    "relu": Kind(F.relu, False),
    "gelu": Kind(F.gelu, False),
    "swish": Kind(F.silu, False),
    "relu2": Kind(_relu_squared, False),
    "glu": Kind(torch.sigmoid, True),
    "bilinear": Kind(_identity, True),
    "reglu": Kind(F.relu, True),
    "geglu": Kind(F.gelu, True),
    "swiglu": Kind(F.silu, True),
}


class FeedForward(nn.Module):
    """FFN(X) = act(X W) W2, or gated FFN(X) = (act(X W) * X V) W2 (Shazeer 2020, eqs. 2-6).

    relu, gelu, swish: act = max(0, x), x Phi(x), x sigmoid(x);  relu2: max(0, x)^2 (So et al. 2021)
    glu, bilinear, reglu, geglu, swiglu: act = sigmoid, identity, relu, gelu, swish, times X V

    d is the width in and out ((b n d) -> (b n d)), f the hidden width as it is used: the 2/3 rule for gated kinds is
    `gated_width`, and is applied by whoever chooses f. `bias` adds b to each product, as in Vaswani et al. 2017, eq. 2; Shazeer
    has none. Raises UsageError for an unknown kind.
    """

    def __init__(
        self, d: int, f: int, kind: str = "relu", *, dropout: float = 0.0, out: int | None = None, bias: bool = False
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise UsageError(f"Unknown feed-forward kind {kind!r}.", todo=did_you_mean(kind, KINDS))
        self.kind, self.dropout = kind, dropout
        # W and V lie beside each other, so that both projections are one product.
        self.inner = nn.Linear(d, f * (2 if KINDS[kind].gated else 1), bias=bias)
        self.outer = nn.Linear(f, d if out is None else out, bias=bias)
        for layer in (self.inner, self.outer):
            nn.init.xavier_uniform_(layer.weight)
            if bias:
                nn.init.zeros_(layer.bias)

    def forward(self, X: Float[Tensor, "*b d"]) -> Float[Tensor, "*b o"]:
        dropped = self.dropout if self.training else 0.0
        if self.kind == "relu" and trains_here(X, dropped):
            inner, outer = self.inner, self.outer
            return relu_feedforward(X, inner.weight, inner.bias, outer.weight, outer.bias, dropout=dropped)
        activation, gated = KINDS[self.kind]
        hidden = self.inner(X)
        if gated:
            gate, hidden = hidden.chunk(2, -1)
            hidden = activation(gate) * hidden
        else:
            hidden = activation(hidden)
        return cast(Tensor, self.outer(drop(hidden, dropped)))


def gated_width(f: int, multiple: int = 16) -> int:
    """The hidden width at which a gated kind has as many weights as an ungated one of width f: 2 f / 3 (Shazeer 2020,
    section 3), rounded to a multiple of 16, where matrix products run at full speed."""
    return max(multiple, round(2 * f / 3 / multiple) * multiple)

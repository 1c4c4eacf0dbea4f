"""Scores: who may matter to whom. S[i, j] is high where row i should read row j.

A score has two sides. `keys` is the memory's, computed once by `remember`; the other is the asking row's. Where it has `queries`,
S = queries @ keys', which lets a kernel choose its order. `heads` is the number of score matrices beside each other.
"""

from __future__ import annotations

import math
from typing import Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


@runtime_checkable
class Score(Protocol):
    """What `Attention` asks of a score."""

    heads: int

    def keys(self, X: Float[Tensor, "b m e"]) -> Float[Tensor, "b h m k"]: ...

    def __call__(self, X: Float[Tensor, "b n d"], keys: Float[Tensor, "b h m k"]) -> Float[Tensor, "b h n m"]: ...


@runtime_checkable
class BilinearScore(Protocol):
    """A score that is an inner product, S = queries keys', so that A (X W) may be computed in another order."""

    heads: int

    def keys(self, X: Float[Tensor, "b m e"]) -> Float[Tensor, "b h m k"]: ...

    def queries(self, X: Float[Tensor, "b n d"]) -> Float[Tensor, "b h n k"]: ...

    def __call__(self, X: Float[Tensor, "b n d"], keys: Float[Tensor, "b h m k"]) -> Float[Tensor, "b h n m"]: ...


def split_heads(X: Float[Tensor, "b n hk"], heads: int) -> Float[Tensor, "b h n k"]:
    """(b n h*k) -> (b h n k)."""
    b, n, width = X.shape
    return X.reshape(b, n, heads, width // heads).transpose(1, 2)


def join_heads(X: Float[Tensor, "b h n v"]) -> Float[Tensor, "b n hv"]:
    """(b h n v) -> (b n h*v)."""
    return X.transpose(1, 2).flatten(2)


class Dot(nn.Module):
    """S = X_i . X_j: A = X X' (Luong et al. 2015, eq. 8, dot)."""

    heads = 1

    def keys(self, X: Float[Tensor, "b m d"]) -> Float[Tensor, "b 1 m d"]:
        return X[:, None]

    def queries(self, X: Float[Tensor, "b n d"]) -> Float[Tensor, "b 1 n d"]:
        return X[:, None]

    def forward(self, X: Float[Tensor, "b n d"], keys: Float[Tensor, "b 1 m d"]) -> Float[Tensor, "b 1 n m"]:
        return self.queries(X) @ keys.mT


class Even(nn.Module):
    """S = 0: every row that may be read is read as much as any other, so that A is given by the mask alone (A X W)."""

    heads = 1

    def keys(self, X: Float[Tensor, "b m d"]) -> Float[Tensor, "b 1 m 1"]:
        return X.new_zeros(X.shape[0], 1, X.shape[1], 1)

    def queries(self, X: Float[Tensor, "b n d"]) -> Float[Tensor, "b 1 n 1"]:
        return X.new_zeros(X.shape[0], 1, X.shape[1], 1)

    def forward(self, X: Float[Tensor, "b n d"], keys: Float[Tensor, "b 1 m 1"]) -> Float[Tensor, "b 1 n m"]:
        return self.queries(X) @ keys.mT


class General(nn.Module):
    """S = X_i W X_j': A = X W X' (Luong et al. 2015, eq. 8, general).

    With `rank`, W = U V' with U (d r) and V (e r): the low-rank form, whose keys are r wide.
    """

    heads = 1
    products = ("U", "V")

    def __init__(self, d: int, e: int | None = None, rank: int | None = None) -> None:
        super().__init__()
        e = d if e is None else e
        if rank is None:
            self.U = nn.Parameter(torch.empty(d, e))
            self.register_parameter("V", None)
            nn.init.xavier_uniform_(self.U)
        else:
            self.U, self.V = nn.Parameter(torch.empty(d, rank)), nn.Parameter(torch.empty(e, rank))
            nn.init.xavier_uniform_(self.U)
            nn.init.xavier_uniform_(self.V)

    def keys(self, X: Float[Tensor, "b m e"]) -> Float[Tensor, "b 1 m k"]:
        V = cast("Tensor | None", self.V)
        return (X if V is None else X @ V)[:, None]

    def queries(self, X: Float[Tensor, "b n d"]) -> Float[Tensor, "b 1 n k"]:
        return (X @ self.U)[:, None]

    def forward(self, X: Float[Tensor, "b n d"], keys: Float[Tensor, "b 1 m k"]) -> Float[Tensor, "b 1 n m"]:
        return self.queries(X) @ keys.mT


class QueryKey(nn.Module):
    """S = (X_i Q) (X_j K)' / sqrt(k), for each head: A = X Q K' X' (Vaswani et al. 2017, eq. 1, section 3.2.2).

    d  width of the asking rows;  e  width of the rows that are read (d where not said);  k  key width of a head.
    """

    def __init__(self, d: int, k: int, heads: int = 1, e: int | None = None, bias: bool = False) -> None:
        super().__init__()
        self.heads, self.k = heads, k
        self.query = nn.Linear(d, heads * k, bias=bias)
        self.key = nn.Linear(d if e is None else e, heads * k, bias=bias)
        nn.init.xavier_uniform_(self.query.weight)
        nn.init.xavier_uniform_(self.key.weight)

    def keys(self, X: Float[Tensor, "b m e"]) -> Float[Tensor, "b h m k"]:
        return split_heads(self.key(X), self.heads)

    def queries(self, X: Float[Tensor, "b n d"]) -> Float[Tensor, "b h n k"]:
        return split_heads(self.query(X), self.heads) / math.sqrt(self.k)

    def forward(self, X: Float[Tensor, "b n d"], keys: Float[Tensor, "b h m k"]) -> Float[Tensor, "b h n m"]:
        return self.queries(X) @ keys.mT


class Concat(nn.Module):
    """S = v' tanh(X_i W + X_j U): both rows beside each other, through a hidden layer (Luong et al. 2015, eq. 8, concat).

    The paper's W_a is [W ; U]. d, e: widths of the rows that ask and that are read;  k: of the hidden layer; e and k
    are d where not said.
    """

    heads = 1
    products = ("W", "U")

    def __init__(self, d: int, k: int | None = None, e: int | None = None) -> None:
        super().__init__()
        k, e = d if k is None else k, d if e is None else e
        self.W, self.U = nn.Parameter(torch.empty(d, k)), nn.Parameter(torch.empty(e, k))
        self.v = nn.Parameter(torch.empty(k))
        nn.init.xavier_uniform_(self.W)
        nn.init.xavier_uniform_(self.U)
        nn.init.uniform_(self.v, -(k**-0.5), k**-0.5)

    def keys(self, X: Float[Tensor, "b m e"]) -> Float[Tensor, "b 1 m k"]:
        return (X @ self.U)[:, None]

    def compare(self, queries: Float[Tensor, "b 1 n k"], keys: Float[Tensor, "b 1 m k"]) -> Float[Tensor, "b 1 n m"]:
        """v' tanh(query + key) of every pair, queries = X W: forms b n m k numbers, where an inner product forms b n m."""
        return torch.tanh(queries[..., :, None, :] + keys[..., None, :, :]) @ self.v

    def forward(self, X: Float[Tensor, "b n d"], keys: Float[Tensor, "b 1 m k"]) -> Float[Tensor, "b 1 n m"]:
        return self.compare((X @ self.W)[:, None], keys)


class ConcatIdentity(Concat):
    """S = v' tanh(X_i W + X_j): concat as Luong et al. 2015 ran it, with U fixed to the identity (their footnote 15)."""

    def __init__(self, d: int, e: int | None = None) -> None:
        super().__init__(d, e, e)
        self.U = None  # type: ignore[assignment]

    def keys(self, X: Float[Tensor, "b m k"]) -> Float[Tensor, "b 1 m k"]:
        return X[:, None]


class Location(nn.Module):
    """S = X_i W: a score for each place, whatever stands there (Luong et al. 2015, eq. 9, location).

    W (d l) knows l = `longest` places. A shorter memory uses the first m of them; rows of a longer one beyond place l are never
    read (footnote 6). The softmax runs over the places that are used, so that a row of A adds up to 1.
    """

    heads = 1

    def __init__(self, d: int, longest: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.empty(d, longest))
        nn.init.xavier_uniform_(self.W)

    def keys(self, X: Float[Tensor, "b m e"]) -> Float[Tensor, "b 1 m 0"]:
        """As many keys as rows, of width 0: what the rows hold has no say."""
        return X[:, None, :, :0]

    def compare(self, queries: Float[Tensor, "b 1 n l"], keys: Float[Tensor, "b 1 m k"]) -> Float[Tensor, "b 1 n m"]:
        """The first m scores; places beyond l get the lowest number there is."""
        m, l = keys.shape[2], queries.shape[3]  # noqa: E741
        return F.pad(queries[..., :m], (0, max(0, m - l)), value=torch.finfo(queries.dtype).min)

    def forward(self, X: Float[Tensor, "b n d"], keys: Float[Tensor, "b 1 m k"]) -> Float[Tensor, "b 1 n m"]:
        return self.compare((X @ self.W)[:, None], keys)

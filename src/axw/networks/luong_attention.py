"""Attention of Luong, Pham and Manning 2015: h_t -> A_t -> c_t -> h~_t.

    A_t = softmax over the window of score(h_t, H)  [ * Gaussian around p_t ]      eqs. 7-10
    c_t = A_t H
    h~_t = tanh([c_t ; h_t] W_c)                                                  eq. 5

H, the encoder's rows, is the memory. In the words of `equation.Attention`: the values are H itself, and what is made of the
read rows also sees the asking row.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from axw.equation import (
    Concat,
    ConcatIdentity,
    Dot,
    General,
    Location,
    Memory,
    PredictedPlace,
    gaussian,
    masks,
    normalize,
)
from axw.equation.attention import join
from axw.networks.luong_settings import LuongSettings
from axw.networks.reused import Reused, product


class Factors(NamedTuple):
    """What every step multiplies by, whatever it says: as tensors, or `Reused` where many steps of one pass are to come.

    keys    (b 1 k m) for an inner product, (b 1 m k) for `Concat` and `Location`, which compare otherwise
    values  (b 1 m d)
    query   (d k) of `Concat` and `Location`, else None;  place (d d) of local-p, else None;  combine (2d d)
    """

    keys: Tensor | Reused
    values: Tensor | Reused
    query: Tensor | Reused | None
    place: Tensor | Reused | None
    combine: Tensor | Reused


def score_of(s: LuongSettings) -> Dot | General | Concat | Location:
    """The score that the settings name."""
    if s.score == "dot":
        return Dot()
    if s.score == "general":
        return General(s.d_model)
    if s.score == "location":
        return Location(s.d_model, s.longest)
    return Concat(s.d_model) if s.score == "concat" else ConcatIdentity(s.d_model)


class LuongAttention(nn.Module):
    """Score, window and W_c. `remember` the source once, then ask with `forward`."""

    products = ("combine",)

    def __init__(self, s: LuongSettings) -> None:
        super().__init__()
        self.window, self.width = s.window, s.window_width
        self.score = score_of(s)
        self.place = PredictedPlace(s.d_model) if s.window == "local-p" else None
        self.combine = nn.Parameter(torch.empty(2 * s.d_model, s.d_model))

    def remember(self, H: Tensor, mask: Tensor) -> Memory:
        """H (b m d), mask (b m) -> keys, values (b 1 m ...), mask (b 1 1 m).

        For general, h (U H') = (h U) H': the product with U is made once for each sentence here, not once for each step.
        """
        keys = (H @ self.score.U.mT)[:, None] if isinstance(self.score, General) else self.score.keys(H)
        return Memory(keys, H[:, None], mask[:, None, None, :])

    def factors(self, memory: Memory) -> Factors:
        """Tensors for single steps; autograd adds up their gradients step by step."""
        inner = isinstance(self.score, (Dot, General))
        return Factors(
            memory.keys.mT if inner else memory.keys,
            memory.values,
            None if inner else cast(Tensor, self.score.W),
            None if self.place is None else self.place.W,
            self.combine,
        )

    def reused_factors(self, memory: Memory) -> Factors:
        """The same for many steps of one pass, with each gradient made at once after the last of them."""
        plain = self.factors(memory)
        reused = Factors(*(None if M is None else Reused(cast(Tensor, M)) for M in plain))  # type: ignore[arg-type]
        return reused if plain.query is None else reused._replace(keys=plain.keys)

    def forward(self, h: Tensor, factors: Factors, mask: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """h (b n d), mask (b 1 1 m), places t (n,) -> h~ (b n d), A (b 1 n m)."""
        A = self.weights(h, factors, mask, places)
        c = product(A, factors.values)[:, 0]
        return torch.tanh(product(torch.cat([c, h], -1), factors.combine)), A

    def weights(self, h: Tensor, factors: Factors, mask: Tensor, places: Tensor) -> Tensor:
        """A (b 1 n m). A row whose window holds no word reads nothing."""
        scores, m = self._scores(h, factors), mask.shape[-1]
        lengths = mask[:, 0, 0].sum(-1)
        if isinstance(self.score, Location):
            mask = mask & (torch.arange(m, device=mask.device) < self.score.W.shape[1])
        if self.window == "global":
            return normalize(scores, mask)
        if self.place is None:
            center: Tensor = places.expand(h.shape[0], -1)
        else:
            center = self.place.place(product(h, cast("Tensor | Reused", factors.place)), lengths)
        A = normalize(scores, join(mask, masks.window(center.detach(), m, self.width)))
        # Multiplied after the softmax, and not made to add up to 1 again: footnote 10.
        return A if self.place is None else A * gaussian(center, m, self.width).to(A.dtype)

    def _scores(self, h: Tensor, factors: Factors) -> Tensor:
        """S (b 1 n m)."""
        if factors.query is None:
            return product(h[:, None], factors.keys)
        queries = product(h, factors.query)[:, None]
        return cast("Concat | Location", self.score).compare(queries, cast(Tensor, factors.keys))

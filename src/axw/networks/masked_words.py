"""A masked-word model: every row reads its sentence, and what stood at the masked places is guessed (Devlin et al. 2019)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from axw.networks.blocks import TransformerSettings, norm_of
from axw.networks.ids import PAD
from axw.networks.transformer import Embedding, Encoder


class MaskedWords(nn.Module):
    """p(word at place i) = softmax(E h_i + c), h = encoder(words with some of them masked); E is the embedding.

    With `settings.output_transform`, h_i = norm(gelu(encoder row i T + t)).

    size    number of ids;  seed: of the first weights
    """

    def __init__(self, settings: TransformerSettings, size: int, *, seed: int = 0) -> None:
        super().__init__()
        self.settings = settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed, self.encoder = Embedding(settings, size), Encoder(settings)
            self.transform = Transform(settings) if settings.output_transform else nn.Identity()
            self.frequency = nn.Parameter(torch.zeros(size))

    def rows(self, ids: Tensor) -> Tensor:
        """ids (b n), 0 for padding -> what each row is after reading the others (b n d)."""
        return cast(Tensor, self.encoder(self.embed(ids), readable(ids)))

    def forward(self, ids: Tensor, places: Tensor) -> Tensor:
        """The rows (t d) at `places` (t,), numbers in the flattened (b n): only these are turned into words."""
        return cast(Tensor, self.transform(self.encoder.at(self.embed(ids), places, readable(ids))))

    @property
    def projection(self) -> Tensor:
        return self.embed.weight

    def logits(self, hidden: Tensor) -> Tensor:
        """(... d) -> (... V): hidden E' + c."""
        return F.linear(hidden, self.projection, self.frequency)

    @torch.no_grad()
    def attention(self, ids: Tensor) -> dict[str, Tensor]:
        """Each layer's A: "encoder 1" (b h n n), and so on."""
        _, seen = self.encoder.show(self.embed(ids), readable(ids))
        return {f"encoder {number}": A for number, A in enumerate(seen, 1)}


class Transform(nn.Module):
    """norm(gelu(h T + t)): what BERT does with a row before its words are scored."""

    def __init__(self, s: TransformerSettings) -> None:
        super().__init__()
        self.inner, self.norm = nn.Linear(s.d_model, s.d_model), norm_of(s)
        nn.init.xavier_uniform_(self.inner.weight)
        nn.init.zeros_(self.inner.bias)

    def forward(self, X: Tensor) -> Tensor:
        """(... d) -> (... d)."""
        return cast(Tensor, self.norm(F.gelu(self.inner(X))))


def readable(ids: Tensor) -> Tensor | None:
    """Who may be read (b 1 1 n): all but padding; None where there is none."""
    real = ids != PAD
    return None if bool(real.all()) else real[:, None, None, :]

"""A classifier of sentences: the encoder of a masked-word model, and one linear layer on the mean of its rows."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from axw.networks.blocks import TransformerSettings
from axw.networks.ids import PAD
from axw.networks.masked_words import readable
from axw.networks.transformer import Embedding, Encoder


class SentenceClasses(nn.Module):
    """Y = mean(h) W + b, h = encoder(words): one row of class scores for each sentence.

    size    number of ids;  classes   number of classes;  W starts at 0: before training every class is as likely
    """

    def __init__(self, settings: TransformerSettings, size: int, classes: int, *, seed: int = 0) -> None:
        super().__init__()
        self.settings = settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed, self.encoder = Embedding(settings, size), Encoder(settings)
            self.out = nn.Linear(settings.d_model, classes)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (b n), 0 for padding -> scores (b classes)."""
        rows = cast(Tensor, self.encoder(self.embed(ids), readable(ids)))
        real = (ids != PAD)[..., None]
        return cast(Tensor, self.out((rows * real).sum(1) / real.sum(1)))

"""Lines as numbers, many at a time: their pseudo-log-likelihood, and one vector for each."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from axw.data.batches import batches_by_length, pad
from axw.data.sentences import Sentences
from axw.data.vocabulary import BOS, EOS, MASK, PAD
from axw.models.words.measures import AROUND, line_of_window, windows
from axw.networks.masked_words import MaskedWords, readable
from axw.networks.transformer import Transformer

_TOKENS = 8192  # of a batch


@torch.no_grad()
def pseudo_log_likelihood(network: MaskedWords, lines: Sentences, most: int) -> np.ndarray:
    """(lines,) sum_i log p(x_i | x without i): every piece is hidden in turn (Salazar et al. 2020, eq. 1). In windows of `most`.

    The rows are copies of their line, each with another place hidden; copies of several lines share a batch.
    """
    read, line = windows(lines, most), line_of_window(lines, most)
    window = np.repeat(np.arange(len(read)), read.lengths)
    place = np.arange(len(read.ids)) - np.repeat(read.starts[:-1], read.lengths) + 1
    found = np.zeros(len(lines))
    for rows in batches_by_length(read.lengths[window] + AROUND, _TOKENS, seed=0, epoch=0, noise=0.0):
        ids = pad(read, window[rows], before=(BOS,), after=(EOS,))
        at = np.arange(len(rows)), place[rows]
        aim = torch.from_numpy(ids[at])
        ids[at] = MASK
        hidden = network(torch.from_numpy(ids), torch.from_numpy(at[0] * ids.shape[1] + at[1]))
        nats = nn.functional.cross_entropy(network.logits(hidden).float(), aim, reduction="none")
        np.add.at(found, line[window[rows]], -nats.double().numpy())
    return found


@torch.no_grad()
def mean_rows(network: MaskedWords | Transformer, lines: Sentences, most: int) -> np.ndarray:
    """(lines, d) the mean of the rows of each line's pieces; 0 for an empty line. In windows of `most`."""
    read, line = windows(lines, most), line_of_window(lines, most)
    total = np.zeros((len(lines), network.settings.d_model))
    for index in batches_by_length(read.lengths + AROUND, _TOKENS, seed=0, epoch=0, noise=0.0):
        ids = torch.from_numpy(pad(read, index, before=(BOS,), after=(EOS,)))
        np.add.at(total, line[index], sum_of_pieces(encoded_rows(network, ids), ids).double().numpy())
    return (total / np.maximum(lines.lengths, 1)[:, None]).astype(np.float32)


def encoded_rows(network: MaskedWords | Transformer, ids: Tensor) -> Tensor:
    """ids (b n) -> what each row is after reading the others (b n d)."""
    if isinstance(network, MaskedWords):
        return network.rows(ids)
    found: Tensor = network.encoder(network.embed_source(ids), readable(ids))
    return found


def sum_of_pieces(rows: Tensor, ids: Tensor) -> Tensor:
    """(b d) the sum of the rows (b n d) whose ids (b n) are no padding, BOS or EOS."""
    real = (ids != PAD) & (ids != BOS) & (ids != EOS)
    return (rows * real[..., None]).sum(1)

"""How likely a decoder holds given targets: forced decoding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from axw.data.vocabulary import BOS, EOS
from axw.decoding.decoder import Decoder, State, device_of, of_as_many
from axw.errors import UsageError


@torch.no_grad()
def score(
    decoder: Decoder[State], state: State, targets: Sequence[Sequence[int]], *, start: int = BOS, end: int = EOS
) -> list[np.ndarray]:
    """log p(y_t | y_<t, x) of each id of each target and of its end: one array (|y| + 1,) float32 a sentence.

    state: of as many sentences as there are targets, one hypothesis each, nothing said yet. targets: ids without start and end.
    Their sum is the `log_probability` that `search` gives to the same ids. `UsageError` for an id outside the vocabulary, or a
    state of other sentences.
    """
    if not len(targets):
        return []
    device = device_of(state)
    lengths = torch.tensor([len(target) + 1 for target in targets])
    padded = torch.full((len(targets), int(lengths.max())), end)
    for row, target in zip(padded, targets, strict=True):
        row[: len(target)] = torch.as_tensor(list(target), dtype=torch.int64)
    found = torch.zeros(padded.shape)
    rows = torch.arange(len(targets))
    tokens = torch.full((len(targets), 1), start, device=device)
    for t in range(padded.shape[1]):
        log_p, state = decoder.step(tokens, state)
        if t == 0:
            of_as_many(len(log_p), len(targets), "In score, targets.")
            _inside(padded, lengths, log_p.shape[-1])
        tokens = padded[rows, t : t + 1].to(device)
        found[rows, t] = log_p[:, 0].gather(1, tokens).squeeze(1).to("cpu", torch.float32)
        keep = (lengths[rows] > t + 1).nonzero().flatten()
        if 0 < len(keep) < len(rows):
            here = keep.to(device)
            state = decoder.select(state, here, torch.zeros(len(keep), 1, dtype=torch.int64, device=device))
            tokens, rows = tokens[here], rows[keep]
    return [row[:n].numpy() for row, n in zip(found, lengths.tolist(), strict=True)]


def _inside(padded: torch.Tensor, lengths: torch.Tensor, V: int) -> None:
    wrong = ((padded < 0) | (padded >= V)).nonzero()
    if len(wrong):
        sentence, place = wrong[0].tolist()
        raise UsageError(
            f"Target {sentence} holds the id {int(padded[sentence, place])}; allowed: 0 to {V - 1}.",
            "In score, targets.",
            "Encode the targets with the vocabulary that the model was trained with.",
        )

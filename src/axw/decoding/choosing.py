"""Which continuations go on, and which of them end."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from axw.decoding.sampling import draw, uniforms
from axw.decoding.settings import SearchSettings
from axw.decoding.task import Task
from axw.decoding.top import best
from axw.errors import NotFiniteError


class Choice(NamedTuple):
    """One step of every hypothesis: parents (b w2), tokens (b w2), total (b w2) float64, -inf where a place holds none.

    totals: the same as lists;  ending: those that say the end, by (row, hypothesis that they went on from, total).
    """

    parents: Tensor
    tokens: Tensor
    total: Tensor
    totals: list[list[float]]
    ending: list[tuple[int, int, float]]


def never(settings: SearchSettings, t: int) -> list[int]:
    """What no hypothesis says at step t."""
    return [*settings.never, *([settings.end] if t < settings.min_length else [])]


def count(settings: SearchSettings) -> int:
    """How many continuations are looked at. At most one of each of w hypotheses ends, so 2 w hold w that do not; width 1 is done
    when it ends."""
    return 2 * settings.beam if settings.beam > 1 else 1


def choose(log_p: Tensor, total: Tensor, sentences: list[int], given: Task, t: int) -> Choice:
    """The step of `sentences`, what may follow being log_p (b w V), and what they have so far total (b w)."""
    settings, left_out = given.settings, never(given.settings, t)
    if settings.temperature is None:
        return likeliest(*best(log_p, total, count(settings), left_out), settings, t)
    u = uniforms(settings.seed, [given.numbers[sentence] for sentence in sentences], log_p.shape[1], t)
    return _checked(_drawn(log_p, total, u, settings, left_out), settings, t)


def likeliest(totals: Tensor, parents: Tensor, tokens: Tensor, settings: SearchSettings, t: int) -> Choice:
    """Of the likeliest continuations (b k) the first `beam` that do not end, and those among the first `beam` of all that do."""
    w = settings.beam
    ending: list[tuple[int, int, float]] = []
    if any(settings.end in row for row in tokens.tolist()):
        end = tokens == settings.end
        ending = _ending(end[:, :w], parents, totals)
        totals = totals.masked_fill(end, -torch.inf)
        if w > 1:
            order = end.sort(dim=1, stable=True).indices[:, :w]
            parents, tokens, totals = parents.gather(1, order), tokens.gather(1, order), totals.gather(1, order)
    elif tokens.shape[1] > w:
        parents, tokens, totals = parents[:, :w], tokens[:, :w], totals[:, :w]
    return _checked(Choice(parents, tokens, totals, totals.tolist(), ending), settings, t)


def _checked(choice: Choice, settings: SearchSettings, t: int) -> Choice:
    """`NotFiniteError` for NaN."""
    everything = float(choice.total.sum())  # NaN where one is, else -inf where one is: none is above 0
    if math.isnan(everything + sum(total for _, _, total in choice.ending)):
        raise NotFiniteError(
            "The decoder gave a log-probability that is not a number.",
            f"At id {t + 1} of a hypothesis.",
            "The model's weights are likely not finite: use an earlier checkpoint.",
        )
    if everything != -math.inf:
        return choice
    # A place in the beam without a hypothesis says the end, which every decoder and constraint knows.
    return choice._replace(tokens=choice.tokens.masked_fill(choice.total == -torch.inf, settings.end))


def _ending(end: Tensor, parents: Tensor, totals: Tensor) -> list[tuple[int, int, float]]:
    """Those of `end` (b e) that are hypotheses."""
    rows, places = end.nonzero(as_tuple=True)
    found = zip(rows.tolist(), parents[rows, places].tolist(), totals[rows, places].tolist(), strict=True)
    return [one for one in found if one[2] != -math.inf]


def _drawn(log_p: Tensor, total: Tensor, u: Tensor, settings: SearchSettings, left_out: list[int]) -> Choice:
    """Every hypothesis goes on by itself, with an id that is drawn by u (b w)."""
    b, w, _ = log_p.shape
    tokens, drawn = (x.view(b, w) for x in draw(log_p.flatten(0, 1), u.flatten(), settings, left_out))
    total = total + drawn
    end = tokens == settings.end
    parents = torch.arange(w, device=log_p.device).expand(b, w)
    going_on = total.masked_fill(end, -torch.inf)
    return Choice(parents, tokens, going_on, going_on.tolist(), _ending(end, parents, total))

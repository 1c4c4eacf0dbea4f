"""The heart of axw: Y = A X W. Read `attention`, then `scores`, `normalize`, `masks`, `feedforward`, `kernels`."""

from axw.equation.attention import Attention, attend
from axw.equation.dropout import dropout
from axw.equation.feedforward import KINDS, FeedForward, gated_width
from axw.equation.memory import Memory, append, gather
from axw.equation.normalize import normalize
from axw.equation.positions import DistanceBias, Rotary, alibi, rotate, sinusoids, turned, turns
from axw.equation.scores import (
    Concat,
    ConcatIdentity,
    Dot,
    Even,
    General,
    Location,
    QueryKey,
    Score,
    join_heads,
    split_heads,
)
from axw.equation.windows import PredictedPlace, gaussian

__all__ = [
    "KINDS",
    "Attention",
    "Concat",
    "ConcatIdentity",
    "DistanceBias",
    "Dot",
    "Even",
    "FeedForward",
    "General",
    "Location",
    "Memory",
    "PredictedPlace",
    "QueryKey",
    "Rotary",
    "Score",
    "alibi",
    "append",
    "attend",
    "dropout",
    "gated_width",
    "gather",
    "gaussian",
    "join_heads",
    "normalize",
    "rotate",
    "sinusoids",
    "turned",
    "turns",
    "split_heads",
]

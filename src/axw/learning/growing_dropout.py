"""Dropout that grows: as a regulariser it is needed by what is seen for the tenth time, and slows the first epochs.

After Morerio et al. 2017, "Curriculum Dropout" (arXiv 1703.06229), who let it grow from nothing as training goes on; here it
grows by the same amount from epoch to epoch, since what is seen once hardly needs it.
"""

from __future__ import annotations

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from axw.equation.dropout import LEVELS, level_of


class GrowingDropout:
    """The dropout of every module of a network, whose `dropout` is a share, and of every `nn.Dropout`.

        p(e) = p min(1, e / E),   e = 1, 2, ... the epoch,   E = `epochs`; 0: always p

    rounded to 1/128ths, as `equation.dropout` draws it, and never below one of them, so that a step takes as long as any other.
    """

    def __init__(self, network: nn.Module, epochs: float) -> None:
        self.epochs = epochs
        self._full = [(m, name, p) for m in network.modules() for name in ("dropout", "p") if (p := _share(m, name))]

    def at(self, epoch: int) -> None:
        """Give the modules the dropout that they have in this epoch, from 1."""
        grown = epoch / self.epochs if epoch < self.epochs else 1.0
        for module, name, p in self._full:
            setattr(module, name, _part(p, grown))

    def whole(self) -> None:
        """Give the modules back what they had."""
        for module, name, p in self._full:
            setattr(module, name, p)


def _share(module: nn.Module, name: str) -> float | None:
    """The dropout of a module by that name; None where it has none."""
    p = getattr(module, name, None)
    return p if isinstance(p, float) and p > 0.0 and (name == "dropout" or isinstance(module, _DropoutNd)) else None


def _part(p: float, grown: float) -> float:
    return p if level_of(p) is None or grown >= 1.0 else max(1, round(p * grown * LEVELS)) / LEVELS

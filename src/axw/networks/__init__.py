"""Architectures made of the equation."""

from axw.networks.alignments import hard_alignment, rows_of_words, unk_replacement
from axw.networks.luong import LuongNetwork
from axw.networks.luong_settings import LuongSettings
from axw.networks.rows import Reachable, RowNetwork, RowSettings, RowsToRead, merge, near

__all__ = [
    "LuongNetwork",
    "LuongSettings",
    "Reachable",
    "RowNetwork",
    "RowSettings",
    "RowsToRead",
    "hard_alignment",
    "merge",
    "near",
    "rows_of_words",
    "unk_replacement",
]

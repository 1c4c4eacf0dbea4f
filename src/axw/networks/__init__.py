"""Architectures made of the equation."""

from axw.networks.rows import Reachable, RowNetwork, RowSettings, RowsToRead, merge, near

__all__ = ["Reachable", "RowNetwork", "RowSettings", "RowsToRead", "merge", "near"]

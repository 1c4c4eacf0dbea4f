"""The command line. `axw --help` and every `axw VERB --help` answer without importing PyTorch, pandas or NumPy."""

from axw.cli.entry import main

__all__ = ["main"]

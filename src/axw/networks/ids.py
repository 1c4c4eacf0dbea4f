"""What the networks must know of ids: two of their meanings, and when source and target may share them.

The numbers are those of `axw.data.vocabulary`, which is not imported here, since it brings the tokenizer with it.
"""

from __future__ import annotations

from axw.errors import UsageError

PAD, UNK = 0, 3


def check_sizes(shared: str, source_size: int, target_size: int) -> None:
    """`UsageError` where one matrix is to embed both languages, and they have other numbers of ids."""
    if shared == "all" and source_size != target_size:
        raise UsageError(
            f"shared is 'all' with {source_size} source and {target_size} target ids; allowed: one vocabulary for both.",
            "In the settings of the network.",
            "Learn one vocabulary, or set shared to target.",
        )

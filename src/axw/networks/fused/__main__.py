"""Compile now what translating compiles at its first use, as for an image of a container: python -m axw.networks.fused"""

from __future__ import annotations

import warnings

from axw.errors import Notice
from axw.networks.blocks import TransformerSettings
from axw.networks.fused.processor import usable
from axw.networks.products import Precision
from axw.networks.steps import steps_of
from axw.networks.transformer import Transformer

WAYS: tuple[Precision, ...] = ("fp32", "int8")


def main() -> None:
    """One line for each precision."""
    network = Transformer(TransformerSettings(d_model=8, layers=1, heads=1, d_ff=8), 8, 8).eval()
    for precision in WAYS:
        if not usable(precision):
            print(f"{precision}: left to PyTorch: numba is not installed, or not for this processor")
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Notice)  # it is what was asked for
            steps_of(network, precision)
        print(f"{precision}: compiled")


if __name__ == "__main__":
    main()

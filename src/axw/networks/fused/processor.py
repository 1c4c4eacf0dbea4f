"""Which processors fused steps are for, and the shape of the tiles that their registers hold."""

from __future__ import annotations

from typing import NamedTuple


class Tile(NamedTuple):
    """A piece of X W' that stays in registers while it is summed: `rows` of X by `vectors` of `lanes` outputs each."""

    lanes: int
    vectors: int
    rows: int

    @property
    def block(self) -> int:
        """Outputs of a tile."""
        return self.lanes * self.vectors


_WIDE = Tile(16, 4, 6)  # 24 sums, 4 vectors of weights and one of X: 29 of the 32 registers of 512 bits
_NARROW = Tile(8, 2, 6)  # 12, 2 and one: 15 of the 16 registers of 256 bits


def features() -> frozenset[str]:
    """What the processor that is compiled for can do, in LLVM's words; nothing where numba is not installed."""
    try:
        import numba
        from llvmlite import binding
    except ImportError:  # it is not there, or not for this NumPy
        return frozenset()
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]  # by NUMBA_DISABLE_JIT
        return frozenset()
    told = getattr(numba.config, "CPU_FEATURES", None)  # by NUMBA_CPU_FEATURES
    if told is not None:
        return frozenset(name[1:] for name in told.split(",") if name.startswith("+"))
    try:
        return frozenset(name for name, has in binding.get_host_cpu_features().items() if has)
    except RuntimeError:  # LLVM does not know how to ask this one
        return frozenset()


def tile(has: frozenset[str]) -> Tile | None:
    """The shape of the tiles; None where fused steps have not been measured."""
    if {"avx512f", "avx512bw", "avx512vl"} <= has:
        return _WIDE
    return _NARROW if {"avx2", "fma"} <= has else None


def multiplies_whole(has: frozenset[str]) -> bool:
    """Whether four products of whole numbers of 8 bits are one instruction with a sum of 32 bits (VNNI)."""
    return "avx512vnni" in has if tile(has) == _WIDE else "avxvnni" in has or {"avx512vnni", "avx512vl"} <= has


def usable(precision: str) -> bool:
    """Whether steps can be fused here in this precision: numba is installed, and the processor is one that was measured."""
    has = features()
    return tile(has) is not None and (precision == "fp32" or (precision == "int8" and multiplies_whole(has)))

"""One column of a table as columns of numbers: what `fit` learned of it, and how it reads new values."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from axw.data.values import NOT_KNOWN, Kind, as_float, level_texts, texts_from_days, value_text

MOST_LEVELS = 50  # levels of a category that get a column of their own
FEWEST_ROWS = 2  # rows that a level needs, or one row in a thousand where that is more
ID_RATIO = 0.95  # a text column with more distinct values than this share of its rows names rows, not groups
ID_ROWS = 20
FURTHEST = 1e6  # standard deviations; what lies further out is read as this far out, so nothing overflows


@dataclass(frozen=True)
class Number:
    """z = (x 2^-exponent - mean) / std; the power of two is exact and keeps 1e308 and 1e-308 in range."""

    name: str
    kind: Kind
    varies: bool
    missing: bool
    fill: float
    exponent: int
    mean: float
    std: float

    @property
    def names(self) -> list[str]:
        return [self.name] * self.varies + [f"{self.name} is missing"] * self.missing

    def transform(self, column: pd.Series) -> np.ndarray:
        """(n, 1 or 2): the standardised number where it varied in `fit`, the flag where any was missing."""
        x = as_float(column, self.kind)
        lost = np.isnan(x)
        parts = []
        if self.varies:
            # Far outside the range of the fit the scaled number may overflow; the clip brings it back.
            with np.errstate(over="ignore"):
                z = (np.ldexp(np.where(lost, self.fill, x), -self.exponent) - self.mean) / self.std
            parts.append(np.clip(z, -FURTHEST, FURTHEST))
        if self.missing:
            parts.append(lost.astype(np.float64))
        return np.stack(parts, axis=1)

    def texts(self, block: np.ndarray) -> np.ndarray:
        """(n,) what stood in the column that `transform` made the block of: to twelve digits, a gap as a gap."""
        lost = block[:, -1] > 0 if self.missing else np.zeros(len(block), dtype=bool)
        z, code = np.unique(block[:, 0] if self.varies else np.zeros(len(block)), return_inverse=True)
        x = np.ldexp(z * self.std + self.mean, self.exponent) if self.varies else np.full(len(z), self.fill)
        return np.where(lost, NOT_KNOWN, np.array(self._as_text(x), dtype=object)[code])

    def _as_text(self, x: np.ndarray) -> list[str]:
        if self.kind in ("date", "duration"):
            return texts_from_days(x, self.kind)
        if self.kind == "boolean":
            return [str(bool(value)) for value in x]
        return [value_text(float(f"{value:.12g}")) for value in x.tolist()]

    def unseen(self, column: pd.Series) -> int:
        return 0


@dataclass(frozen=True)
class Category:
    """One column a level. A value that `fit` never saw is "other"; without such a column it is 0 in all."""

    name: str
    levels: tuple[str, ...]
    other: bool
    missing: bool

    @property
    def names(self) -> list[str]:
        # A level that is called "other" is quoted, so that two columns never share a name.
        levels = [f"{self.name} = {level!r}" if level == "other" else f"{self.name} = {level}" for level in self.levels]
        return levels + [f"{self.name} = other"] * self.other + [f"{self.name} is missing"] * self.missing

    def _places(self, column: pd.Series) -> np.ndarray:
        """(n,): the place of each row's level; len(levels) for any other value, len(levels) + 1 for missing."""
        codes, texts = level_texts(column)
        place = {level: at for at, level in enumerate(self.levels)}
        rest = len(self.levels)
        of_text = np.array([place.get(text, rest) for text in texts] + [rest + 1], dtype=np.int64)
        places: np.ndarray = of_text[codes]  # a missing value has the code -1: the last one
        return places

    def transform(self, column: pd.Series) -> np.ndarray:
        """(n, levels [+ other] [+ missing]) of 0 and 1."""
        places, rest = self._places(column), len(self.levels)
        parts = np.zeros((len(column), len(self.names)))
        for wanted, at in [
            (rest, rest if self.other else None),
            (rest + 1, parts.shape[1] - 1 if self.missing else None),
        ]:
            if at is not None:
                parts[places == wanted, at] = 1.0
        known = np.flatnonzero(places < rest)
        parts[known, places[known]] = 1.0
        return parts

    def texts(self, block: np.ndarray) -> np.ndarray:
        """(n,) the level whose column is 1; "other" where it had no column of its own."""
        named = [*self.levels, *["other"] * self.other, *[NOT_KNOWN] * self.missing, "other"]
        nothing = ~block.any(1)
        return np.array(named, dtype=object)[np.where(nothing, len(named) - 1, block.argmax(1))]

    def unseen(self, column: pd.Series) -> int:
        return int((self._places(column) == len(self.levels)).sum())


def fit_number(column: pd.Series, kind: Kind, weight: np.ndarray | None) -> Number | str:
    """A `Number`, or the reason why the column is not used."""
    name = str(column.name)
    x = as_float(column, kind)
    lost = np.isnan(x)
    if lost.all():
        return "every value is missing"
    x, w = x[~lost], None if weight is None else weight[~lost]
    largest = np.abs(x).max()
    # A spread that is no more than rounding is no spread.
    varies = bool(x.max() / 2 - x.min() / 2 > 2 * np.finfo(np.float64).eps * largest)
    if not varies and not lost.any():
        return f"every value is {_short(column.iloc[0])}"
    missing, fill = bool(lost.any()), _median(x, w)
    if kind == "boolean" or not varies:
        return Number(name, kind, varies, missing, float(round(fill)) if kind == "boolean" else fill, 0, 0.0, 1.0)
    exponent = int(np.frexp(largest)[1])
    u = np.ldexp(x, -exponent)  # all within [-1, 1]: sums and squares stay in range
    mean = float(np.average(u, weights=w))
    std = float(np.sqrt(np.average((u - mean) ** 2, weights=w)))
    return Number(name, kind, True, missing, fill, exponent, mean, std)


def fit_category(column: pd.Series) -> Category | str:
    """A `Category`, or the reason why the column is not used."""
    codes, texts = level_texts(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    present, known = int((counts > 0).sum()), int(counts.sum())
    if not known:
        return "every value is missing"
    if known > ID_ROWS and present > ID_RATIO * known:
        return f"names its rows: {present} different values in {known} rows"
    missing = known < len(column)
    if present == 1 and not missing:
        return f"every value is {_short(texts[int(np.argmax(counts))])}"
    fewest = max(FEWEST_ROWS, -(-len(column) // 1000))
    often = [(int(-count), text) for count, text in zip(counts, texts, strict=True) if count >= fewest]
    levels = tuple(sorted(text for _, text in sorted(often)[:MOST_LEVELS]))
    if not levels and not missing:
        return f"no value is seen in {fewest} rows or more"
    return Category(str(column.name), levels, other=present > len(levels), missing=missing)


def _median(x: np.ndarray, weight: np.ndarray | None) -> float:
    """The median as if each row stood there `weight` times; the mean of the middle two."""
    if weight is None:
        middle = (len(x) - 1) // 2, len(x) // 2
        low, high = np.partition(x, middle)[list(middle)]
    else:
        order = np.argsort(x, kind="stable")
        total = np.cumsum(weight[order])
        places = np.searchsorted(total, total[-1] / 2, side="left"), np.searchsorted(total, total[-1] / 2, side="right")
        low, high = x[order[np.minimum(places, len(x) - 1)]]
    return float(low / 2 + high / 2) if low != high else float(low)


def part_from_config(column: dict[str, object]) -> Number | Category:
    """One column of a config, checked: a damaged file must not become a wrong prediction."""
    sort = column.pop("is")
    if sort == "category":
        levels = column.pop("levels")
        if not isinstance(levels, list) or not all(isinstance(level, str) for level in levels):
            raise ValueError("levels are not a list of texts")
        part: Number | Category = Category(levels=tuple(levels), **column)  # type: ignore[arg-type]
    elif sort == "number":
        part = Number(**column)  # type: ignore[arg-type]
        numbers = [part.fill, part.mean, part.std]
        if not all(isinstance(v, (int, float)) and np.isfinite(v) for v in numbers) or part.std <= 0:
            raise ValueError(f"a number of {part.name!r} is not finite")
        if part.kind not in ("number", "boolean", "date", "duration") or not isinstance(part.exponent, int):
            raise ValueError(f"kind {part.kind!r}, exponent {part.exponent!r}")
        part = Number(**{**asdict(part), **dict(zip(("fill", "mean", "std"), map(float, numbers), strict=True))})
    else:
        raise ValueError(f"a column is {sort!r}")
    if not part.names or not isinstance(part.name, str):
        raise ValueError(f"the column {part.name!r} gives nothing")
    return part


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."

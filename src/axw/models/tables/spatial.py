"""The equation of spatial econometrics with what its readers expect of it: SLX, the spatial lag of X.

    y = b + X W + A X V + e          A given: who neighbours whom, with the weights that the relation has

It is Y = A X W once with A = I and once with A given, solved by least squares without a penalty. `AttentionRegressor("given")`
has the same terms, and a penalty and a count of the neighbours as well: that one is for predicting, this one for reading
coefficients. Halleck Vega and Elhorst 2015, "The SLX model", Journal of Regional Science 55, 339-363.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from axw.data import as_frame
from axw.errors import DataError, UsageError, did_you_mean
from axw.models.tables import answers
from axw.relations import Relation, Rows, as_relations, check_named

CONSTANT = "CONSTANT"


@dataclass(frozen=True)
class SlxResult:
    """What least squares found.

    coefficients   one row a coefficient, in the units of the table: coefficient, std_error, t, and p (two-sided, n - k degrees of
                   freedom)
    r2, adjusted_r2
    sigma2         e'e / (n - k), from which the standard errors (X'X)^-1 sigma2 are
    rows           n
    residuals      e (n,), under the ids of the rows
    relation       A;  columns and lagged: the columns of X, and those of A X
    """

    coefficients: pd.DataFrame
    r2: float
    adjusted_r2: float
    sigma2: float
    rows: int
    residuals: pd.Series
    relation: Relation
    columns: tuple[str, ...]
    lagged: tuple[str, ...]
    id: str | None = None
    _memory: Rows = field(repr=False, compare=False, kw_only=True)
    _read: np.ndarray = field(repr=False, compare=False, kw_only=True)

    def predict(self, X: Any) -> np.ndarray:
        """b + X W + A X V of new rows (n): they read the rows that were fitted, and never each other.

        A neighbour that was not fitted is not read; with weights that add up to 1 they then add up to less. Raises `DataError` as
        `slx` does.
        """
        frame = as_frame(X)
        own = _numbers(frame, self.columns)
        A = self.relation.given(_rows(frame, self.relation, self.id), self._memory)
        design = np.concatenate([np.ones((len(frame), 1)), own, A.sum(self._read)], axis=1)
        return np.asarray(design @ self.coefficients["coefficient"].to_numpy())

    def to_frame(self) -> pd.DataFrame:
        """The coefficients as a table."""
        return self.coefficients.copy()

    def to_text(self) -> str:
        """The table that a reader of econometrics knows."""
        wide = max(len(name) for name in self.coefficients.index)
        small = ["< 0.0001" if p < 0.0001 else f"{p:.4f}" for p in self.coefficients["p"]]
        head = f"{'':<{wide}}  {'coefficient':>12}  {'std error':>12}  {'t':>8}  {'p':>8}"
        lines = [
            f"{name:<{wide}}  {line.coefficient:>12.6g}  {line.std_error:>12.6g}  {line.t:>8.3f}  {p:>8}"
            for name, line, p in zip(self.coefficients.index, self.coefficients.itertuples(), small, strict=True)
        ]
        facts = f"n = {self.rows}, k = {len(lines)}, R² {self.r2:.4f} (adjusted {self.adjusted_r2:.4f}), sigma² {self.sigma2:.6g}"
        return "\n".join([f"y = b + X W + A X V by least squares; A: {self.relation.name}", head, *lines, facts])

    def __str__(self) -> str:
        return self.to_text()


def slx(X: Any, y: Any, relation: Any, *, lagged: Sequence[str] | None = None, id: str | None = None) -> SlxResult:
    """Least squares of y = b + X W + A X V + e.

    X         a table of numbers (n rows), whose index, or whose column `id`, names the rows
    y         (n,) numbers
    relation  A: a relation, a `libpysal.graph.Graph` or a `libpysal.weights.W`. Weights are taken as they are: row-standardised
              ones ("r") make A X a mean, ones ("b") a sum
    lagged    the columns of A X; None = all

    The coefficients, standard errors and p values are those of `spreg.OLS(y, X, w=w, slx_lags=1)`; A has no diagonal here.
    Raises `DataError` for columns that hold no numbers or miss some, for fewer rows than coefficients, and for columns that are
    linear combinations of others; `UsageError` for an unknown column in `lagged`.
    """
    frame, (A_from,) = as_frame(X), as_relations([relation])
    # A key such as a place on the map is a number of the model as well; the name of a household or of a row is not.
    keys = {name for name in A_from.columns if name in frame and not pd.api.types.is_float_dtype(frame[name].dtype)} | {
        id
    }
    columns = tuple(str(name) for name in frame.columns if name not in keys)
    chosen = _lagged(columns, lagged)
    values, names = answers.numbers(y, len(frame))
    if values.ndim > 1:
        raise DataError(f"y has {values.shape[1]} columns; allowed: one.", "y", "Fit one at a time.")
    memory = _rows(frame, A_from, id)
    A_from.check(memory)
    own, read = _numbers(frame, columns), _numbers(frame, chosen)
    design = np.concatenate([np.ones((len(frame), 1)), own, A_from.given(memory, memory).sum(read)], axis=1)
    terms = [CONSTANT, *columns, *(f"W_{name}" for name in chosen)]
    b, spread = _least_squares(design, values, terms)
    e = values - design @ b
    n, k = design.shape
    sigma2 = float(e @ e) / (n - k)
    error = np.sqrt(sigma2 * spread)
    t = np.divide(b, error, out=np.full(k, np.inf), where=error > 0)
    table = {"coefficient": b, "std_error": error, "t": t, "p": 2 * stats.t.sf(np.abs(t), n - k)}
    total = float(((values - values.mean()) ** 2).sum())
    r2 = 1 - float(e @ e) / total if total > 0 else float("nan")
    return SlxResult(
        pd.DataFrame(table, index=pd.Index(terms, name="term")),
        r2,
        1 - (1 - r2) * (n - 1) / (n - k),
        sigma2,
        n,
        pd.Series(e, index=pd.Index(memory.ids), name=f"residual of {names[0]}"),
        A_from,
        columns,
        chosen,
        id,
        _memory=memory,
        _read=read,
    )


def _least_squares(design: np.ndarray, y: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """b (k,), and the diagonal of (X'X)^-1 (k,), by Q R of columns of length 1."""
    n, k = design.shape
    if n <= k:
        raise DataError(
            f"{n} rows for {k} coefficients; at least {k + 1} are needed.", "X", "Give more rows, or fewer columns."
        )
    length = np.sqrt((design**2).sum(0))
    Q, R = np.linalg.qr(design / np.where(length > 0, length, 1.0))
    alone = np.abs(np.diag(R)) < 1e-10  # what a column adds to those before it
    if alone.any():
        name = names[int(np.argmax(alone))]
        raise DataError(
            f"The column {name!r} is a linear combination of others, so its coefficient is not determined.",
            "X and A X",
            "Leave the column out. Of the indicators of a category, and of W_ columns that never vary, one is too many.",
        )
    inverse = np.linalg.inv(R)
    return np.linalg.solve(R, Q.T @ y) / length, (inverse**2).sum(1) / length**2


def _lagged(columns: tuple[str, ...], lagged: Sequence[str] | None) -> tuple[str, ...]:
    if lagged is None:
        return columns
    wanted = (lagged,) if isinstance(lagged, str) else tuple(lagged)
    for name in wanted:
        if name not in columns:
            raise UsageError(f"There is no column {name!r}.", "lagged", did_you_mean(str(name), columns))
    return wanted


def _rows(frame: pd.DataFrame, relation: Relation, id: str | None) -> Rows:
    check_named(frame, [relation], id)
    for name in (*relation.columns, *([] if id is None else [id])):
        if name not in frame.columns:
            raise DataError(f"There is no column {name!r}.", "X", did_you_mean(name, map(str, frame.columns)))
    ids = frame.index if id is None else frame[id]
    return Rows(ids.to_numpy(dtype=object), frame[list(relation.columns)])


def _numeric(frame: pd.DataFrame, name: str) -> bool:
    return bool(pd.api.types.is_numeric_dtype(frame[name].dtype))


def _numbers(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """The columns as they are, float64 (n d): least squares has no scale of its own."""
    absent = [name for name in columns if name not in frame.columns]
    if absent:
        raise DataError(f"Columns missing: {', '.join(absent)}.", "X", "Give the columns that the model was fitted on.")
    texts = [name for name in columns if not _numeric(frame, name)]
    if texts:
        todo = "Leave it out, or make a 0/1 column of each value but one: pandas.get_dummies(X, drop_first=True)."
        raise DataError(f"The column {texts[0]!r} holds {frame[texts[0]].dtype}; allowed: numbers.", "X", todo)
    values = frame[list(columns)].to_numpy(dtype=np.float64, na_value=np.nan)
    bad = {name: int(count) for name, count in zip(columns, (~np.isfinite(values)).sum(0), strict=True) if count}
    if bad:
        listed = ", ".join(f"{name} ({count})" for name, count in bad.items())
        raise DataError(f"Missing or infinite numbers in {listed}.", "X", "Fill them, or leave the rows out.")
    return np.asarray(values)

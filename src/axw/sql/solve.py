"""W from sums that an engine computes: the rows of Z never leave it.

ridge     min_W sum_i |y_i - z_i W - b|^2 + l |W|^2      from the Gram matrices Z'Z and Z'Y, one query; the leave-one-out error
          of every l, exact, by one more
logistic  min_W sum_i loss(z_i W + b, y_i) + l/2 |W|^2   by Newton's method, one query for each step: the loss and its gradient
          over all rows, the Hessian over a sample of them (Roosta-Khorasani and Mahoney 2019, arXiv 1601.04737)

These queries are sums of hundreds of products, and are written as SQL that is the same in every engine: +, *, sum, exp, ln.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from axw.errors import DataError, NotFiniteError
from axw.learning.solve import Logistic
from axw.sql.engine import Engine

if TYPE_CHECKING:
    from ibis.expr.types import Table

MOST_COLUMNS = 256
STEPS = 60
FURTHEST = 700.0  # beyond it exp is no double


class Gram(NamedTuple):
    """n, the means of Z (p) and Y (c), and the centred Z'Z (p p) and Z'Y (p c)."""

    n: int
    z_mean: np.ndarray
    y_mean: np.ndarray
    ZZ: np.ndarray
    ZY: np.ndarray


class SqlRidge(NamedTuple):
    """W (p c), b (c), the chosen penalty (c), and the mean squared error of rows left out one at a time (c).

    gram, turn, shrink  what each row's share in its own answer follows from: the eigenvectors (p p) of Z'Z, and 1 / (their
                        eigenvalue + penalty) for each column of Y (c p)
    """

    W: np.ndarray
    b: np.ndarray
    penalty: np.ndarray
    left_out_error: np.ndarray
    gram: Gram
    turn: np.ndarray
    shrink: np.ndarray

    def left_out(self, Z: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """The outputs (m c) of rows Z (m p), Y (m c) that were learned from, each by the W that did not learn from it."""
        squares = np.square((Z - self.gram.z_mean) @ self.turn)
        rest = np.maximum(1.0 - 1.0 / self.gram.n - squares @ self.shrink.T, 1e-10)
        return np.asarray(Y - (Y - Z @ self.W - self.b) / rest)


class SqlLogistic(NamedTuple):
    """What `axw.learning.solve.logistic` gives, and the passes over the rows that it took."""

    fitted: Logistic
    passes: int


def gram(engine: Engine, Z: Table, p: int, c: int) -> Gram:
    """Sums of products of the columns z0 ... z(p-1) and y0 ... y(c-1), in queries of as many sums as the engine takes together.

    Z'Z - n mean mean', of columns that are standardised beforehand, so that little is lost in the subtraction.
    Raises `DataError` beyond `MOST_COLUMNS` columns, and where there is no row.
    """
    if p > MOST_COLUMNS:
        raise DataError(
            f"{p} columns; allowed: {MOST_COLUMNS}, since the engine computes {p * (p + 1) // 2:,} sums of products.",
            "columns of the table",
            "Drop columns, or read fewer relations.",
        )
    z, y = [f"z{i}" for i in range(p)], [f"y{k}" for k in range(c)]
    products = [(i, j) for i in range(p) for j in range(i, p)]
    wanted = [f"sum({a})" for a in z + y] + [f"sum({z[i]} * {z[j]})" for i, j in products]
    wanted += [f"sum({a} * {b})" for a in z for b in y]
    n = int(sums(engine, Z, ["count(*)"])[0])
    if not n:
        raise DataError("There is no row to learn from.", "rows", "Check the table, and that the target is known.")
    found = sums(engine, Z, wanted)
    mean, found = found[: p + c] / n, found[p + c :]
    ZZ = np.zeros((p, p))
    for (i, j), value in zip(products, found, strict=False):
        ZZ[i, j] = ZZ[j, i] = value
    ZY = found[len(products) :].reshape(p, c)
    z_mean, y_mean = mean[:p], mean[p:]
    return Gram(n, z_mean, y_mean, ZZ - n * np.outer(z_mean, z_mean), ZY - n * np.outer(z_mean, y_mean))


def ridge(engine: Engine, Z: Table, p: int, c: int, penalties: Sequence[float]) -> SqlRidge:
    """As `axw.learning.solve.ridge`, from sums: for each column of Y the penalty of least leave-one-out error.

    e_i / (1 - h_i), h_i = 1 / n + z_i (Z'Z + l I)^-1 z_i (Golub, Heath and Wahba 1979), summed by the engine.
    """
    G = gram(engine, Z, p, c)
    values, V = np.linalg.eigh(G.ZZ)
    values = np.maximum(values, 0.0)
    shrink = [_shrink(values, penalty) for penalty in penalties]
    moment = V.T @ G.ZY
    errors = _left_out(engine, Z, G, V, moment, shrink)
    best = errors.argmin(0)
    W = np.stack([V @ (shrink[best[k]] * moment[:, k]) for k in range(c)], axis=1)
    b, chosen = G.y_mean - G.z_mean @ W, np.array(penalties)[best]
    return SqlRidge(W, b, chosen, errors.min(0), G, V, np.stack([shrink[k] for k in best]))


def _shrink(values: np.ndarray, penalty: float) -> np.ndarray:
    kept = values + penalty > 1e-12 * max(values.max(initial=0.0), 1.0)
    return np.where(kept, 1.0 / (values + penalty + 1e-300), 0.0)


def _left_out(
    engine: Engine, Z: Table, G: Gram, V: np.ndarray, moment: np.ndarray, shrink: Sequence[np.ndarray]
) -> np.ndarray:
    """(penalties c): the mean squared error of rows left out one at a time."""
    p, c = moment.shape
    z, v = [f"z{i}" for i in range(p)], [f"v{m}" for m in range(p)]
    turned = [f"{dot(z, V[:, m])} - {literal(G.z_mean @ V[:, m])} AS v{m}" for m in range(p)]
    centred = [f"y{k} - {literal(G.y_mean[k])} AS y{k}" for k in range(c)]
    rows = f"SELECT {', '.join(turned + centred)} FROM ({engine.sql(Z)}) AS design"
    rows = f"SELECT *, {', '.join([f'v{m} * v{m} AS q{m}' for m in range(p)] or ['0 AS q'])} FROM ({rows}) AS turned"
    wanted = []
    for weight in shrink:
        rest = f"greatest({literal(1.0 - 1.0 / G.n)} - {dot([f'q{m}' for m in range(p)], weight)}, {literal(1e-10)})"
        wanted += [f"avg(power((y{k} - {dot(v, weight * moment[:, k])}) / {rest}, 2))" for k in range(c)]
    return sums(engine, rows, wanted).reshape(len(shrink), c)


def logistic(
    engine: Engine,
    Z: Table,
    p: int,
    c: int,
    penalty: float,
    sample: tuple[np.ndarray, np.ndarray],
    tolerance: float = 1e-9,
) -> SqlLogistic:
    """As `axw.learning.solve.logistic`, in 4 to 10 passes; `tolerance` is on the gradient over the number of rows.

    sample  Z (m p) and Y (m c) of some of the rows, for the Hessian: where it is all of them, this is Newton's own method
    Raises `NotFiniteError` where the loss does not fall, or is no number.
    """
    n = float(sums(engine, Z, ["count(*)"])[0])
    Zs = np.concatenate([sample[0], np.ones((len(sample[0]), 1))], axis=1)
    W, loss = np.zeros((p + 1, c)), np.inf
    step, gradient = np.zeros_like(W), np.full_like(W, np.nan)
    for passes in range(1, STEPS + 1):
        new_loss, new_gradient = _loss(engine, Z, W + step, n, penalty)
        if new_loss <= loss + 1e-12 * abs(loss):
            W, loss, gradient = W + step, new_loss, new_gradient
            if np.abs(gradient).max() < tolerance:
                return SqlLogistic(Logistic(W[:-1], W[-1]), passes)
            step = -_newton(Zs, W, gradient, penalty / n)
        else:  # too far: the Hessian of the sample is not that of all rows
            step = step / 4
    raise NotFiniteError(
        f"After {STEPS} passes the loss is {loss:g} and its gradient {np.abs(gradient).max():g}; it does not fall any more.",
        "logistic regression over the engine's rows",
        "Check the columns for extreme values, or give a greater penalty.",
    )


def _loss(engine: Engine, Z: Table, W: np.ndarray, n: float, penalty: float) -> tuple[float, np.ndarray]:
    """Mean loss and its gradient (p + 1, c), both with the penalty on W but for its last row, b."""
    p, c = W.shape[0] - 1, W.shape[1]
    z = [f"z{i}" for i in range(p)]
    logits = [f"{dot(z, W[:-1, k])} + {literal(W[-1, k])} AS o{k}" for k in range(c)]
    rows = f"SELECT *, {', '.join(logits)} FROM ({engine.sql(Z)}) AS design"
    rows = _two_classes(rows) if c == 1 else _classes(rows, c)
    wanted = ["sum(loss)", *(f"sum(e{k} * {a})" for k in range(c) for a in [*z, "1e0"])]
    found = sums(engine, rows, wanted) / n
    gradient = found[1:].reshape(c, p + 1).T.copy()
    gradient[:-1] += penalty / n * W[:-1]
    return float(found[0]) + penalty / n * 0.5 * float(np.square(W[:-1]).sum()), gradient


def _two_classes(rows: str) -> str:
    """The rows with their loss log(1 + exp(o)) - y o, and e0 = 1 / (1 + exp(-o)) - y, neither of which overflows."""
    far = literal(FURTHEST)
    rows = f"SELECT *, greatest(-{far}, least({far}, o0)) AS near FROM ({rows}) AS logits"
    loss = "greatest(o0, 0e0) + ln(1e0 + exp(-abs(near))) - y0 * o0"
    return f"SELECT *, {loss} AS loss, 1e0 / (1e0 + exp(-near)) - y0 AS e0 FROM ({rows}) AS near"


def _classes(rows: str, c: int) -> str:
    """The rows with their loss log sum exp(o) - o_y, and e_k = exp(o_k) / sum exp(o) - y_k."""
    o = [f"o{k}" for k in range(c)]
    rows = f"SELECT *, greatest({', '.join(o)}) AS top FROM ({rows}) AS logits"
    rows = f"SELECT *, {', '.join(f'exp(o{k} - top) AS w{k}' for k in range(c))} FROM ({rows}) AS top"
    rows = f"SELECT *, {' + '.join(f'w{k}' for k in range(c))} AS total FROM ({rows}) AS weights"
    loss = f"ln(total) + top - ({' + '.join(f'y{k} * o{k}' for k in range(c))})"
    residuals = ", ".join(f"w{k} / total - y{k} AS e{k}" for k in range(c))
    return f"SELECT *, {loss} AS loss, {residuals} FROM ({rows}) AS total"


def _newton(Z: np.ndarray, W: np.ndarray, gradient: np.ndarray, penalty: float) -> np.ndarray:
    """H^-1 g, with H the mean Hessian over the sample: blocks Z' (p_k (1[k = l] - p_l)) Z, and the penalty."""
    q, c = W.shape
    P = special.expit(Z @ W) if c == 1 else special.softmax(Z @ W, axis=1)
    H = np.zeros((c, q, c, q))
    for k in range(c):
        for j in range(k, c):
            weight = P[:, k] * ((1.0 if k == j else 0.0) - P[:, j])
            H[k, :, j, :] = (Z * weight[:, None]).T @ Z / len(Z)
            H[j, :, k, :] = H[k, :, j, :].T
    ridge = np.tile(np.append(np.full(q - 1, penalty), 0.0), c)
    # The same number added to every class's b changes nothing: of all such steps the shortest is taken.
    step = np.linalg.lstsq(H.reshape(c * q, c * q) + np.diag(ridge), gradient.T.ravel(), rcond=1e-13)[0]
    return np.asarray(step.reshape(c, q).T)


def literal(value: float) -> str:
    """A number as SQL reads it back to the last bit; with an exponent, since without one it is a decimal."""
    text = repr(float(value))
    text = text if "e" in text else f"{text}e0"
    return f"({text})" if text.startswith("-") else text


def dot(columns: Sequence[str], weight: np.ndarray) -> str:
    """sum_i columns_i weight_i, bracketed in pairs: a thousand terms in a row are too deep for a parser."""
    terms = [f"{column} * {literal(value)}" for column, value in zip(columns, weight, strict=True)]
    while len(terms) > 1:
        pairs = [f"({left} + {right})" for left, right in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[len(terms) & ~1 :]
    return f"({terms[0]})" if terms else "0e0"


def sums(engine: Engine, rows: Table | str, wanted: Sequence[str]) -> np.ndarray:
    """Those aggregates of the rows (a table, or a query), as many in one pass as the engine takes; 0 for a sum over nothing."""
    source = rows if isinstance(rows, str) else engine.sql(rows)
    found: list[float] = []
    for start in range(0, len(wanted), engine.together):
        part = wanted[start : start + engine.together]
        named = ", ".join(f"{text} AS s{place}" for place, text in enumerate(part))
        answer = engine.query(f"SELECT {named} FROM ({source}) AS source")
        found += [float(column[0].as_py() or 0.0) for column in answer.columns]
    return np.array(found)

"""Citation graphs: how many of the test rows are told right, by one recipe whose settings the validation rows choose.

    python benchmarks/citation.py cora.npz citeseer.npz      any file of this layout
    python benchmarks/citation.py --synthetic                block models, from unlike rows linked to like rows linked, beside
                                                            logistic regression, SGC and boosted trees

A file holds a graph: `x_data, x_indices, x_indptr, x_shape` (a CSR matrix of columns), `edges` (pairs of rows), `y` (classes, -1
without one), and the rows of the split: `train`, `valid`, `test`. The model is given columns and edges of all rows, the labels of
`train` and `valid`, and learns from `train` alone. Labels of `test` are looked at once, to count.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

import axw


class Graph(NamedTuple):
    X: pd.DataFrame
    edges: np.ndarray
    y: np.ndarray
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def read(path: Path) -> Graph:
    with np.load(path, allow_pickle=False) as file:
        if "x_data" in file:
            parts = (file["x_data"], file["x_indices"], file["x_indptr"])
            X = csr_array(parts, shape=tuple(file["x_shape"])).toarray()
        else:
            X = file["x"]
        split = [file[name].astype(np.int64) for name in ("train", "valid", "test")]
        return Graph(frame(X), file["edges"].astype(np.int64), file["y"].astype(np.int64), *split)


def frame(X: np.ndarray) -> pd.DataFrame:
    columns = [f"c{j}" for j in range(X.shape[1])]
    return pd.DataFrame(X.astype(np.float64), columns=columns, index=pd.RangeIndex(len(X), name="row"))


def recipe(graph: Graph, seed: int) -> axw.AttentionClassifier:
    """The recipe: two settings, and all others as they are."""
    ends = graph.edges[graph.edges[:, 0] != graph.edges[:, 1]]
    links = axw.Edges(pd.DataFrame({"from": ends[:, 0], "to": ends[:, 1]}), "from", "to", name="links")
    relations = [links] if len(ends) else []
    return axw.AttentionClassifier("smoothing", relations=relations, validation=graph.valid, random_state=seed)


class Run(NamedTuple):
    """accuracy on validation and on test rows; seconds of fit by the clock, and of processor time."""

    model: axw.AttentionClassifier
    valid: float
    test: float
    seconds: float
    processor: float


def run(graph: Graph, seed: int) -> Run:
    y = pd.Series(graph.y.astype(object), index=graph.X.index, name="class")
    told = np.concatenate([graph.train, graph.valid])
    y[~np.isin(graph.X.index, told)] = None
    start, used = time.perf_counter(), time.process_time()
    model = recipe(graph, seed).fit(graph.X, y)
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    answer = model.predict(graph.X)
    right = answer == graph.y
    return Run(model, float(right[graph.valid].mean()), float(right[graph.test].mean()), seconds, processor)


def blocks(n: int, like: float, unlike: float, signal: float, seed: int, classes: int = 3) -> Graph:
    """A stochastic block model: rows of one class are linked with probability `like`, others with `unlike`; noisy columns."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    chance = np.where(y[:, None] == y[None, :], like, unlike)
    edges = np.argwhere(np.triu(rng.random((n, n)) < chance, 1))
    X = rng.normal(size=(n, 20))
    X[:, :classes] += signal * np.eye(classes)[y]
    order = rng.permutation(n)
    train = np.concatenate([order[y[order] == c][:20] for c in range(classes)])
    rest = order[~np.isin(order, train)]
    return Graph(frame(X), edges, y, train, rest[: n // 4], rest[n // 4 :])


class Size(NamedTuple):
    """Rows, classes, how far apart the classes are in their columns (in standard deviations of one), and mean number of links."""

    rows: int
    classes: int
    signal: float
    degree: float

    def __str__(self) -> str:
        return f"{self.rows:,} rows, {self.classes} classes, signal {self.signal:g}, {self.degree:g} links a row"


def linked(homophily: float, size: Size, seed: int) -> Graph:
    """A block model in which that share of a row's links, by chance, leads to its own class."""
    of_class = size.rows / size.classes
    like, unlike = size.degree * homophily / of_class, size.degree * (1 - homophily) / (size.rows - of_class)
    return blocks(size.rows, like, unlike, size.signal, seed, size.classes)


SIZES = (
    Size(600, 3, 1.0, 8.0),
    Size(600, 3, 0.5, 8.0),
    Size(600, 3, 2.0, 3.0),
    Size(600, 2, 1.0, 4.0),
    Size(2_000, 5, 1.0, 6.0),
)
HOMOPHILY = (0.1, 0.3, 0.5, 0.7, 0.9)


def rivals(graph: Graph) -> dict[str, float]:
    """Others on the same rows, each with its settings chosen by validation rows as well: accuracy on test rows."""
    X = StandardScaler().fit_transform(graph.X)
    n, ends = len(X), graph.edges
    A = csr_array((np.ones(2 * len(ends)), (ends.ravel("F"), ends[:, ::-1].ravel("F"))), shape=(n, n))
    degree = np.asarray(A.sum(1))[:, None]
    root = (degree + 1) ** -0.5
    P = [X, hop := (A @ X) / np.maximum(degree, 1), (A @ hop) / np.maximum(degree, 1)]
    S = root * (A @ (root * X) + root * X)
    S = root * (A @ (root * S) + root * S)
    lines = [LogisticRegression(C=C, max_iter=2_000) for C in (0.01, 0.1, 1.0, 10.0)]
    trees = [
        HistGradientBoostingClassifier(min_samples_leaf=leaf, max_iter=60, early_stopping=False, random_state=0)
        for leaf in (5, 20)
    ]
    return {
        "own columns": _best(lines, X, graph),
        "two hops": _best(lines, S, graph),
        "trees": _best(trees, np.concatenate(P, axis=1), graph),
    }


def _best(models: Sequence[Any], Z: np.ndarray, graph: Graph) -> float:
    fitted = [model.fit(Z[graph.train], graph.y[graph.train]) for model in models]
    valid = [log_loss(graph.y[graph.valid], model.predict_proba(Z[graph.valid])) for model in fitted]
    return float(fitted[int(np.argmin(valid))].score(Z[graph.test], graph.y[graph.test]))


def synthetic(seeds: int, sizes: Sequence[Size], homophily: Sequence[float]) -> None:
    """The recipe beside its rivals, and its mean lead over the best of them with the standard error over graphs."""
    for size in sizes:
        print(f"\n{size}; test accuracy, %, mean of {seeds} graphs\n")
        print("| links within a class | own columns | two hops | trees of [X, P X, P² X] | recipe | recipe - best |")
        print("|---|---|---|---|---|---|")
        for share in homophily:
            graphs = [linked(share, size, seed) for seed in range(seeds)]
            others = {
                name: 100 * np.array(each) for name, each in _columns([rivals(graph) for graph in graphs]).items()
            }
            found = 100 * np.array([run(graph, seed).test for seed, graph in enumerate(graphs)])
            best = max(others.values(), key=lambda each: float(each.mean()))
            error = (found - best).std(ddof=1) / np.sqrt(seeds) if seeds > 1 else float("nan")
            cells = " | ".join(f"{each.mean():.1f}" for each in others.values())
            lead = f"{(found - best).mean():+.1f} ± {error:.1f}"
            print(f"| {share:.0%} | {cells} | {found.mean():.1f} | {lead} |", flush=True)


def _columns(rows: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--synthetic", action="store_true")
    parser.add_argument("--size", type=int, nargs="+", choices=range(len(SIZES)), default=range(len(SIZES)))
    parser.add_argument("--homophily", type=float, nargs="+", default=HOMOPHILY)
    parser.add_argument("--validation-only", action="store_true", help="do not look at the labels of test rows")
    options = parser.parse_args()
    if not options.files and not options.synthetic:
        parser.error("give files, or --synthetic")
    for path in options.files:
        graph, found = read(path), []
        for seed in range(options.seeds):
            found.append(one := run(graph, seed))
            shown = "" if options.validation_only else f"  test {100 * one.test:.1f}"
            took = f"fit {one.seconds:.1f} s, {one.processor:.1f} s of processor time"
            print(f"{path.stem} seed {seed}: validation {100 * one.valid:.1f}{shown}  {took}")
        for name, share in found[-1].model.fitted_.chosen:
            print(f"    {share:5.0%}  {name}")
        if not options.validation_only:
            test = 100 * np.array([one.test for one in found])
            print(
                f"{path.stem}: test accuracy {test.mean():.1f} (standard deviation {test.std():.1f}, {len(test)} seeds)"
            )
    if options.synthetic:
        synthetic(options.seeds, [SIZES[number] for number in options.size], options.homophily)


if __name__ == "__main__":
    main()

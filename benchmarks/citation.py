"""Citation graphs: how many of the test rows are told right, by one recipe whose settings the validation rows choose.

    python benchmarks/citation.py cora.npz citeseer.npz      any file of this layout
    python benchmarks/citation.py --synthetic                block models: like rows linked, unlike rows linked, links at random

A file holds a graph: `x_data, x_indices, x_indptr, x_shape` (a CSR matrix of columns), `edges` (pairs of rows), `y` (classes, -1
without one), and the rows of the split: `train`, `valid`, `test`. The model is given columns and edges of all rows, the labels of
`train` and `valid`, and learns from `train` alone. Labels of `test` are looked at once, to count.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

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


def linear(graph: Graph) -> float:
    """X W of the same rows: the accuracy on test rows; the penalty is chosen by folds of all rows with a label."""
    told = np.concatenate([graph.train, graph.valid])
    model = axw.AttentionClassifier("none").fit(graph.X.loc[told], graph.y[told])
    return float((model.predict(graph.X.loc[graph.test]) == graph.y[graph.test]).mean())


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


SYNTHETIC = {"like rows linked": (0.03, 0.004), "unlike rows linked": (0.004, 0.03), "links at random": (0.015, 0.015)}


def synthetic(seeds: int) -> None:
    print(f"{'graph':22} {'X W, train alone':>17} {'recipe':>8}   mean of {seeds} graphs")
    for name, (like, unlike) in SYNTHETIC.items():
        plain, found = [], []
        for seed in range(seeds):
            graph = blocks(600, like, unlike, 1.0, seed)
            only = graph._replace(valid=graph.train[:0])
            plain.append(linear(only))
            found.append(run(graph, seed).test)
        print(f"{name:22} {100 * np.mean(plain):17.1f} {100 * np.mean(found):8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--synthetic", action="store_true")
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
        synthetic(max(options.seeds, 10))


if __name__ == "__main__":
    main()

"""How fast rows read rows, beside other libraries: A X, the fit of W, one million rows, attention over all rows, and new rows.

    AXW_DATA=/path/to/data OMP_NUM_THREADS=2 python benchmarks/rows.py [--part product million ...] [--rounds 7]

Each part runs in a process of its own, so that its peak memory is its own; within one, the peers take turns, round by round,
and the median over the rounds is printed. Peers: SciPy, PyTorch, scikit-learn, and where they are installed PyTorch Geometric
(`pip install torch_geometric`) and scikit-network (`pip install scikit-network`). planetoid/cora.npz of AXW_DATA is used where
it is there, and random rows of that size where it is not. CPU seconds are those of all threads of the process together.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from axw import AttentionClassifier, Edges
from axw.learning import solve
from axw.models.tables import nearest_rows
from axw.models.tables.attending import AttendingStep
from axw.models.tables.problem import TableRows, Target
from axw.networks import RowNetwork, RowSettings
from axw.relations import Rows, SparseGiven, label_hops, propagate

PARTS = ("product", "logistic", "fit", "million", "attention", "new")
SIZES = {"Cora's": (2_708, 10_556, 1_433), "1e5": (100_000, 1_100_000, 128), "1e6": (1_000_000, 11_000_000, 32)}
MISSING = "(not installed, left out)"


CLOCK = time.process_time if "--processor" in sys.argv else time.perf_counter


def medians(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Milliseconds of each way: the median over rounds in which they take turns, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            begin = CLOCK()
            way()
            if number:
                times[name].append(1e3 * (CLOCK() - begin))
    return {name: float(np.median(each)) for name, each in times.items()}


def peak() -> float:
    """The most memory that this process has held, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def cora() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (2708 1433), classes y, edges (e 2); made up where the file is not there."""
    path = Path(os.environ.get("AXW_DATA", ".")) / "planetoid" / "cora.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as file:
            shape = tuple(int(size) for size in file["x_shape"])
            X = csr_array((file["x_data"], file["x_indices"], file["x_indptr"]), shape=shape).toarray()
            return X.astype(np.float64), file["y"].astype(np.int64), file["edges"].astype(np.int64)
    n, e, d = SIZES["Cora's"]
    X, y, edges = made_up(n, e // 2, d, 7)
    return (X > 2.2).astype(np.float64), y, edges


def made_up(n: int, e: int, d: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (n d), classes y that the columns and the rows read say something of, edges (e 2)."""
    rng = np.random.default_rng(0)
    X, edges = rng.normal(size=(n, d)), rng.integers(0, n, (e, 2))
    own = X @ (rng.normal(size=(d, classes)) / np.sqrt(d))
    A = csr_array((np.ones(e), (edges[:, 0], edges[:, 1])), shape=(n, n))
    scores = own + 0.3 * (A @ own) + rng.gumbel(size=(n, classes))
    return X, scores.argmax(1), edges


def product(rounds: int, sizes: list[str]) -> None:
    """A X for weighted edges, by precision."""
    print("A X, ms (median)\n")
    for size in sizes:
        n, e, d = SIZES[size]
        rng = np.random.default_rng(0)
        A = csr_array((rng.uniform(0.5, 2, e), (rng.integers(0, n, e), rng.integers(0, n, e))), shape=(n, n))
        A.sort_indices()
        A.indices, A.indptr = A.indices.astype(np.int32), A.indptr.astype(np.int32)
        for dtype in (np.float32, np.float64):
            X, B, given = rng.normal(size=(n, d)).astype(dtype), A.astype(dtype), SparseGiven(A, np.full(n, -1))
            ways = product_ways(B, X) | {"axw": lambda given=given, X=X: given.sum(X)}
            found = medians(ways, rounds)
            best = min(value for name, value in found.items() if name != "axw")
            each = ", ".join(f"{name} {value:.1f}" for name, value in found.items())
            print(f"{size} ({n:,} rows, {A.nnz:,} pairs, {d} columns) {dtype.__name__}: {each}")
            print(f"    axw takes {found['axw'] / best:.2f} of the fastest peer's time", flush=True)


def product_ways(A: csr_array, X: np.ndarray) -> dict[str, Callable[[], object]]:
    T = torch.from_numpy(X)
    parts = [torch.from_numpy(values) for values in (A.indptr, A.indices, A.data)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sparse = torch.sparse_csr_tensor(*parts, size=A.shape, check_invariants=False)
    ways: dict[str, Callable[[], object]] = {"SciPy CSR": lambda: A @ X, "torch CSR int32": lambda: sparse @ T}
    if find_spec("torch_geometric") is None:
        print(f"PyG {MISSING}")
        return ways
    from torch_geometric.nn import SimpleConv
    from torch_geometric.utils import spmm

    row = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
    index, weight = torch.from_numpy(np.stack([A.indices.astype(np.int64), row])), torch.from_numpy(A.data)
    conv = SimpleConv(aggr="sum")
    return ways | {"PyG CSR": lambda: spmm(sparse, T), "PyG edge_index": lambda: conv(T, index, weight)}


def logistic(rounds: int, sizes: list[str]) -> None:
    """W to the same objective, double precision: scikit-learn stops at its tolerance, axw where it is at least as low."""
    print("Logistic regression with C = 1, seconds (median)\n")
    for size in sizes:
        X, y, _ = cora() if size == "Cora's" else made_up(SIZES[size][0], 1, SIZES[size][2], 10 if size == "1e5" else 2)
        X, y = (X[:1400] - X[:1400].mean(0), y[:1400]) if size == "Cora's" else (X, y)
        Y = np.eye(y.max() + 1)[y]
        Y = Y[:, 1:] if Y.shape[1] == 2 else Y
        for tolerance in (1e-4, 1e-6):
            peer = LogisticRegression(C=1.0, tol=tolerance, max_iter=5_000)
            goal = objective(X, y, peer.fit(X, y).coef_.T, peer.intercept_)
            own = next(
                t
                for t in (1e-3, 5e-4, 2e-4, 1e-4, 5e-5, 2e-5, 1e-5, 5e-6, 1e-6, 1e-7, 1e-8)
                if objective(X, y, *solve.logistic(X, Y, 1.0, tolerance=t)) <= goal * (1 + 1e-9)
            )
            found = medians(
                {
                    "scikit-learn": lambda peer=peer, X=X, y=y: peer.fit(X, y),
                    "axw": lambda X=X, Y=Y, own=own: solve.logistic(X, Y, 1.0, tolerance=own),
                },
                rounds,
            )
            reached = objective(X, y, *solve.logistic(X, Y, 1.0, tolerance=own))
            print(
                f"{size} {X.shape} x {y.max() + 1} classes, scikit-learn tol={tolerance:g}: objective {goal:.6f}, "
                f"axw {reached:.6f} (tolerance {own:g}); scikit-learn {found['scikit-learn'] / 1e3:.3f}, "
                f"axw {found['axw'] / 1e3:.3f}: {found['scikit-learn'] / found['axw']:.1f} times as fast",
                flush=True,
            )


def objective(X: np.ndarray, y: np.ndarray, W: np.ndarray, b: np.ndarray) -> float:
    """sum_i loss + |W|^2 / 2."""
    logits = X @ W + b
    logits = np.concatenate([np.zeros((len(X), 1)), logits], 1) if logits.shape[1] == 1 else logits
    top = logits.max(1)
    return float(
        (np.log(np.exp(logits - top[:, None]).sum(1)) + top - logits[np.arange(len(y)), y]).sum() + (W**2).sum() / 2
    )


def fit(rounds: int, sizes: list[str]) -> None:
    """The whole fit, from a table and a list of edges to predictions, at one penalty; beyond Cora's size each way once."""
    print(
        "Fit and predict, A X W with neighbours' columns, penalty 1, seconds (median) and accuracy on the training rows\n"
    )
    for size in sizes:
        n, e, d = SIZES[size]
        X, y, edges = cora() if size == "Cora's" else made_up(n, e, d, 2)
        frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]).rename_axis("row")
        pairs = pd.DataFrame(edges, columns=["a", "b"])
        ways = fit_ways(frame, X, y, edges, pairs)
        found = medians(ways, max(1, rounds // 2)) if size == "Cora's" else {}
        for name, way in ways.items():
            begin = CLOCK()
            right = float((np.asarray(way()) == y).mean())
            seconds = found[name] / 1e3 if found else CLOCK() - begin
            print(f"{size}: {name} {seconds:.2f} s ({right:.3f})", flush=True)


def fit_ways(
    frame: pd.DataFrame, X: np.ndarray, y: np.ndarray, edges: np.ndarray, pairs: pd.DataFrame
) -> dict[str, Callable[[], np.ndarray]]:
    n = len(X)

    def axw() -> np.ndarray:
        model = AttentionClassifier("given", relations=[Edges(pairs, "a", "b")], penalty=1.0)
        return model.fit(frame, y).predict(frame)

    def adjacency() -> csr_array:
        both = np.concatenate([edges, edges[:, ::-1]])
        A = csr_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(n, n))
        A.data[:] = 1.0
        return A

    def scikit_learn() -> np.ndarray:
        A = adjacency()
        degree = np.asarray(A.sum(1))
        Z = np.concatenate([X, (A @ X) / np.maximum(degree, 1)[:, None], np.log1p(degree)[:, None]], axis=1)
        return LogisticRegression(C=1.0, tol=1e-6, max_iter=5_000).fit(Z, y).predict(Z)

    ways = {"axw (with 5-fold calibration)": axw, "SciPy + scikit-learn (one fit)": scikit_learn}
    if find_spec("sknetwork") is None:
        print(f"scikit-network {MISSING}")
        return ways
    from scipy.sparse import csr_matrix
    from sknetwork.gnn import GNNClassifier

    def scikit_network() -> np.ndarray:
        network = GNNClassifier(dims=int(y.max()) + 1, layer_types="Conv", early_stopping=False)
        network.fit(
            csr_matrix(adjacency()), csr_matrix(X) if (X == 0).mean() > 0.5 else X, y, n_epochs=100, random_state=0
        )
        return network.predict()

    return ways | {"scikit-network GNN (100 epochs)": scikit_network}


def million(rounds: int) -> None:
    """1e6 rows, 1.1e7 edges, 32 columns: two hops and neighbours' labels; and the estimator, which chooses its penalty."""
    n, e, d = SIZES["1e6"]
    X, y, edges = made_up(n, e, d)
    pairs = pd.DataFrame(edges, columns=["a", "b"])
    del edges
    print(f"{n:,} rows, {e:,} edges, {d} columns; before anything is fitted {peak():.2f} GB\n")
    timed("two hops of columns and labels, fit and predict", lambda: two_hops(X, y, pairs))
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(d)]).rename_axis("row")
    del X
    model = AttentionClassifier("given", relations=[Edges(pairs, "a", "b")], labels=True)
    timed("AttentionClassifier('given', labels=True), fit", lambda: model.fit(frame, y))
    timed("AttentionClassifier('given', labels=True), predict", lambda: model.predict_proba(frame))


def timed(name: str, way: Callable[[], object]) -> None:
    begin, cpu = time.perf_counter(), time.process_time()
    way()
    took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    print(f"{name}: {took:.1f} s ({cpu:.1f} CPU seconds), peak {peak():.2f} GB", flush=True)


def two_hops(X: np.ndarray, y: np.ndarray, pairs: pd.DataFrame) -> np.ndarray:
    """P(y = 1) from [X, A X, A A X, labels at one hop and two], each row's own label kept from it."""
    rows = Rows(np.arange(len(X)).astype(object), pd.DataFrame(index=range(len(X))))
    given, Y = Edges(pairs, "a", "b").given(rows, rows), y[:, None].astype(np.float64)
    labels = label_hops(given, Y, np.array([0.5]), hops=2)
    Z = np.concatenate([X, *propagate(given, X, hops=2), *(np.c_[one.rate, np.log1p(one.count)] for one in labels)], 1)
    found = solve.logistic(Z, Y, 1.0)
    return np.asarray(1 / (1 + np.exp(-(Z @ found.W + found.b))))


def attention(rounds: int) -> None:
    """Attention over all rows: low rank without a softmax, and the softmax over the rows that score highest."""
    for normalize, sizes in (("none", (10_000, 100_000, 1_000_000)), ("softmax", (30_000, 100_000, 300_000))):
        for n in sizes:
            of = AttendingStep(RowSettings(normalize=normalize, rank=2, heads=2), (), False, members=1, penalty=1.0)
            X = np.random.default_rng(0).normal(size=(n, 8))
            memory = TableRows(Rows(np.arange(n).astype(object), pd.DataFrame(index=range(n))), X, np.zeros((n, 1)))
            net, target = RowNetwork(8, 9, 1, of.settings).double(), Target("numbers", np.zeros(1), np.ones(1))
            took = medians(
                {"read": lambda of=of, net=net, memory=memory, target=target: of.outputs(net, memory, memory, target)},
                1 if normalize == "softmax" else rounds,
            )
            text = f"{normalize}: {n:,} rows read {n:,} rows: {took['read'] / 1e3:.3f} s, {1e6 * took['read'] / n:.0f} ns a row"
            print(text + (f", recall {recall(net, X):.4f}" if normalize == "softmax" else ""), flush=True)
    print(f"peak {peak():.2f} GB")


def recall(net: RowNetwork, X: np.ndarray, asked: int = 500, k: int = 32) -> float:
    """Of the k rows of greatest score, compared with all others, the share that is found; 500 rows ask."""
    queries, keys = net.sides(0, torch.as_tensor(X[:asked]), torch.as_tensor(X).clamp(-4, 4))
    shares = []
    for Q, K in zip(queries, keys, strict=True):
        found, best = nearest_rows.nearest(Q, K, k, np.full(asked, -1)), np.argsort(-(Q @ K.T), 1)[:, :k]
        shares += [len(np.intersect1d(one, two)) / k for one, two in zip(found, best, strict=True)]
    return float(np.mean(shares))


def new(rounds: int) -> None:
    """Probabilities of 1 and of 100 new rows, at three sizes of what is remembered."""
    for n in (10_000, 100_000, 1_000_000):
        X, y, edges = made_up(n, 11 * n, 8)
        pairs = pd.DataFrame(
            np.concatenate([edges, np.stack([np.arange(n, n + 100), np.arange(100)], 1)]), columns=["a", "b"]
        )
        frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(8)]).rename_axis("row")
        model = AttentionClassifier("given", relations=[Edges(pairs, "a", "b")], labels=True, penalty=1.0).fit(frame, y)
        asked = frame.iloc[:100].set_axis(range(n, n + 100)).rename_axis("row")
        ways = {"1": partial(model.predict_proba, asked[:1]), "100": partial(model.predict_proba, asked)}
        found = medians(ways, rounds)
        print(
            f"{n:,} rows remembered, {11 * n:,} edges: 1 new row {found['1']:.1f} ms, 100 new rows {found['100']:.1f} ms",
            flush=True,
        )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    words.add_argument(
        "--size", nargs="+", choices=SIZES, default=list(SIZES), help="of the parts product, logistic and fit"
    )
    words.add_argument("--rounds", type=int, default=7)
    words.add_argument("--processor", action="store_true", help="time of the processor, all threads together")
    asked = words.parse_args()
    if len(asked.part) == 1:
        print(f"\n## {asked.part[0]} ({torch.get_num_threads()} threads)\n")
        part = asked.part[0]
        globals()[part](asked.rounds, *([asked.size] if part in ("product", "logistic", "fit") else []))
        return
    for part in asked.part:
        subprocess.run(
            [
                sys.executable,
                __file__,
                "--part",
                part,
                "--rounds",
                str(asked.rounds),
                "--size",
                *asked.size,
                *(["--processor"] if asked.processor else []),
            ],
            check=True,
        )


if __name__ == "__main__":
    main()

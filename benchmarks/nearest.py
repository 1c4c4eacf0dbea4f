"""The k rows that score highest: axw's exact search beside faiss, hnswlib and usearch, time and recall.

    OMP_NUM_THREADS=2 python benchmarks/nearest.py [--rows 100000] [--widths 2 8 32] [--k 64] [--queries 1024] [--processor]

Queries and keys are random; every library finds the k keys of greatest product with each query, and builds its index first, which
counts. Recall is against the comparison of 500 queries with all keys. Peers are left out where they are not installed
(`pip install faiss-cpu hnswlib usearch`). A graph index is made wide enough for a recall of about 0.98 where the settings below
reach it; a flat one compares with all. `--processor` gives the time of all threads together, for a machine that does other work;
`--queries` asks for fewer rows than there are keys.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from axw.models.tables.nearest_rows import nearest

Search = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
LINKS, BUILT_WITH, ASKED_WITH = 32, 200, 200


def exact(queries: np.ndarray, keys: np.ndarray, k: int) -> np.ndarray:
    """As `axw` searches: a k-d tree for narrow keys, blocks of products for wide ones."""
    return nearest(queries, keys, k, np.full(len(queries), -1))


def faiss_flat(queries: np.ndarray, keys: np.ndarray, k: int) -> np.ndarray:
    """Every product, kept in heaps."""
    import faiss

    index = faiss.IndexFlatIP(keys.shape[1])
    index.add(keys)
    return np.asarray(index.search(queries, k)[1])


def faiss_graph(queries: np.ndarray, keys: np.ndarray, k: int) -> np.ndarray:
    """HNSW (Malkov and Yashunin 2018)."""
    import faiss

    index: Any = faiss.IndexHNSWFlat(keys.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = BUILT_WITH, ASKED_WITH
    index.add(keys)
    return np.asarray(index.search(queries, k)[1])


def hnswlib_graph(queries: np.ndarray, keys: np.ndarray, k: int) -> np.ndarray:
    """The same index, of its authors."""
    import hnswlib

    index = hnswlib.Index(space="ip", dim=keys.shape[1])
    index.init_index(max_elements=len(keys), ef_construction=BUILT_WITH, M=LINKS, random_seed=0)
    index.set_num_threads(torch.get_num_threads())
    index.add_items(keys)
    index.set_ef(ASKED_WITH)
    return np.asarray(index.knn_query(queries, k)[0]).astype(np.int64)


def usearch_graph(queries: np.ndarray, keys: np.ndarray, k: int) -> np.ndarray:
    """The same index, as usearch builds it."""
    from usearch.index import Index

    index = Index(
        ndim=keys.shape[1],
        metric="ip",
        dtype="f32",
        connectivity=LINKS,
        expansion_add=BUILT_WITH,
        expansion_search=ASKED_WITH,
    )
    index.add(np.arange(len(keys)), keys, threads=torch.get_num_threads())
    return np.asarray(index.search(queries, k, threads=torch.get_num_threads()).keys).astype(np.int64)


WAYS: dict[str, tuple[str, Search]] = {
    "axw (exact)": ("axw", exact),
    "faiss flat": ("faiss", faiss_flat),
    "faiss HNSW": ("faiss", faiss_graph),
    "hnswlib": ("hnswlib", hnswlib_graph),
    "usearch": ("usearch", usearch_graph),
}


def recall(found: np.ndarray, queries: np.ndarray, keys: np.ndarray, k: int, asked: int = 500) -> float:
    """Of the k keys of greatest product of the first queries, the share that was found."""
    best = np.argsort(-(queries[:asked] @ keys.T), 1)[:, :k]
    return float(np.mean([len(np.intersect1d(one, two)) / k for one, two in zip(found[:asked], best, strict=True)]))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rows", type=int, nargs="+", default=[100_000])
    words.add_argument("--widths", type=int, nargs="+", default=[2, 8, 32])
    words.add_argument("--k", type=int, default=64)
    words.add_argument("--queries", type=int, help="as many as keys, unless said otherwise")
    words.add_argument("--processor", action="store_true", help="time of the processor, all threads together")
    words.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS))
    asked = words.parse_args()
    clock = time.process_time if asked.processor else time.perf_counter
    if find_spec("faiss"):
        import faiss

        faiss.omp_set_num_threads(torch.get_num_threads())
    print("| rows, width, k | search | seconds | microseconds a row | recall |\n|---|---|---|---|---|")
    for n in asked.rows:
        for width in asked.widths:
            chance = np.random.default_rng(0)
            queries, keys = (chance.normal(size=(n, width)).astype(np.float32) for _ in range(2))
            queries = queries[: asked.queries]
            for name in asked.only:
                library, way = WAYS[name]
                if library != "axw" and not find_spec(library):
                    continue
                begin = clock()
                found = way(queries, keys, asked.k)
                took = clock() - begin
                share = recall(found, queries, keys, asked.k)
                print(
                    f"| {n:,}, {width}, {asked.k} | {name} | {took:.2f} | {1e6 * took / len(queries):.0f} | {share:.4f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()

"""A X and a fit over edges in Parquet, in DuckDB under a memory limit: time, peak memory, and how both grow with the edges.

    python -m benchmarks.sql_scale --edges 1e6 1e7 1e8 --memory 4GB --threads 2

Each size runs in a process of its own on made-up tables: ten edges a row in scattered order, eight columns of numbers, a number
to predict, and groups of five rows. It does

    mean      D^-1 A X by the edges, for all rows                             (`given(...).read`)
    groups    the same by the groups, in which no pair is formed
    fit       ridge on [X, A X, log(1 + count), A L] by the edges, with neighbours' labels

The Parquet lies in a temporary folder (about 1 GB at 1e8 edges) and is removed.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

COLUMNS = 8
DEGREE = 10

ROWS = """
SELECT i AS id, i // 5 AS household, {columns}, x0 + x1 / 2 + (hash(i + 77) % 1000) / 500.0 AS y
FROM (SELECT i, {numbers} FROM range({n}) AS made(i)) AS numbers
"""
# Row (i p) mod n asks in its turn, ten times; what it reads lies at ten different distances.
EDGES = """
SELECT asks, (asks + 1 + turn * ({n} // 11) + hash(asks) % 1000) % {n} AS reads
FROM (SELECT (i * 7368787) % {n} AS asks, i // {n} AS turn FROM range({edges}) AS made(i)) AS turns
"""


def make(folder: Path, edges: int) -> None:
    """rows.parquet and edges.parquet."""
    import duckdb

    n = edges // DEGREE
    names = [f"x{place}" for place in range(COLUMNS)]
    numbers = ", ".join(f"(hash(i + {1000 * place}) % 10000) / 10000.0 AS {name}" for place, name in enumerate(names))
    rows = ROWS.format(columns=", ".join(names), numbers=numbers, n=n)
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '2GB'; SET preserve_insertion_order = false; SET threads = 2")
        connection.execute(f"COPY ({rows}) TO '{folder / 'rows.parquet'}' (FORMAT parquet)")
        connection.execute(f"COPY ({EDGES.format(n=n, edges=edges)}) TO '{folder / 'edges.parquet'}' (FORMAT parquet)")


def measure(edges: int, memory: str, threads: int, folder: Path) -> dict[str, Any]:
    """Seconds by the clock and of the processor, and the peak memory of this process, which has done nothing else."""
    import axw
    from axw.sql import DuckDB, EdgeTable, fit, given

    found: dict[str, Any] = {"edges": edges, "rows": edges // DEGREE}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start, busy = time.perf_counter(), time.process_time()
        answer = work()
        found[name] = round(time.perf_counter() - start, 1)
        found[f"{name}_cpu"] = round(time.process_time() - busy, 1)
        return answer

    relation = EdgeTable(folder / "edges.parquet", "asks", "reads", both=False, distinct=True)
    names = [f"x{place}" for place in range(COLUMNS)]
    with DuckDB(memory=memory, threads=threads, scratch=folder) as engine:
        table = engine.read(folder / "rows.parquet")
        rows = engine.keep(table.select(row="id", key0="household", **{name: name for name in names}))
        for name, one in (("mean", relation), ("groups", axw.SameValue("household"))):
            A = given(engine, one, rows, rows, keys={"household": "key0"}, square=True)
            engine.drop(timed(name, lambda A=A: engine.keep(A.read(names))))
        engine.drop(rows)
        model = timed(
            "fit", lambda: fit(engine, table, "y", relations=[relation], labels=True, id="id", drop=["household"])
        )
    found["peak_gib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
    found["columns"] = len(model.W)
    return found


def main(arguments: list[str] | None = None) -> None:
    """Run the sizes one after another and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edges", type=float, nargs="+", default=[1e6, 1e7, 1e8])
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--scratch", type=Path, default=None, help="where the tables are made; default: the temporary folder"
    )
    parser.add_argument("--here", type=Path, default=None, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.here is not None:
        print(json.dumps(measure(int(asked.edges[0]), asked.memory, asked.threads, asked.here)))
        return
    print(
        f"DuckDB, {asked.memory} for the process, {asked.threads} threads; seconds by the clock (of the processor)",
        flush=True,
    )
    print(f"{'edges':>12} {'rows':>11} {'parquet':>9} {'mean':>16} {'groups':>16} {'fit':>16} {'peak':>9}  grown by")
    before: dict[str, Any] | None = None
    for edges in asked.edges:
        now = one_size(int(edges), asked)
        times = " ".join(f"{now[name]:8.1f} ({now[f'{name}_cpu']:.1f})".rjust(16) for name in ("mean", "groups", "fit"))
        grown = {"mean": "mean_cpu", "fit": "fit_cpu", "memory": "peak_gib"}
        growth = "" if before is None else ", ".join(f"{n} x{now[k] / before[k]:.1f}" for n, k in grown.items())
        print(
            f"{now['edges']:12,} {now['rows']:11,} {now['parquet']:6.2f}GiB {times} {now['peak_gib']:6.2f}GiB  {growth}",
            flush=True,
        )
        before = now


def one_size(edges: int, asked: argparse.Namespace) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="axw-scale-", dir=asked.scratch))
    try:
        make(folder, edges)
        size = sum(file.stat().st_size for file in folder.glob("*.parquet")) / 2**30
        command = [sys.executable, "-m", "benchmarks.sql_scale", "--edges", str(edges), "--memory", asked.memory]
        command += ["--threads", str(asked.threads), "--here", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{edges:,} edges: exit code {done.returncode}\n{done.stderr[-2000:]}")
        return {**json.loads(done.stdout.splitlines()[-1]), "parquet": size}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

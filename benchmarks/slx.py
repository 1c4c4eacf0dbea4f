"""SLX on libpysal's columbus and baltim: coefficients beside those of spreg, and prediction of held-out rows.

    pip install libpysal spreg geopandas
    python benchmarks/slx.py

Both tables come with libpysal; nothing is downloaded. Columbus: crime in 49 neighbourhoods on income and house value (Anselin
1988). Baltim: 211 house prices on nine columns of the house (Dubin 1992). Neighbours are those of the .gal files beside them.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import RepeatedKFold

import axw
from axw.models.tables.spatial import slx

COLUMBUS = ["INC", "HOVAL"]
BALTIM = ["NROOM", "DWELL", "NBATH", "PATIO", "FIREPL", "AC", "AGE", "LOTSZ", "SQFT"]


def read(libpysal, geopandas, name: str, index: str, columns: list[str], target: str, gal: str):
    """X, y, and the old weights W, under one kind of id."""
    frame = pd.DataFrame(geopandas.read_file(libpysal.examples.get_path(f"{name}.shp")).drop(columns="geometry"))
    frame[index] = frame[index].astype(int)
    frame = frame.set_index(index)
    listed = libpysal.io.open(libpysal.examples.get_path(gal)).read()
    neighbors = {int(i): [int(j) for j in others] for i, others in listed.neighbors.items()}
    return (
        frame[columns],
        frame[target],
        libpysal.weights.W(neighbors, id_order=list(frame.index), silence_warnings=True),
    )


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The greatest relative difference."""
    return float(np.max(np.abs(ours - theirs) / np.abs(theirs)))


def held_out(X: pd.DataFrame, y: pd.Series, graph) -> dict[str, float]:
    """Root of the mean squared error on rows left out, ten folds five times."""
    lost: dict[str, list[float]] = {
        "mean": [],
        "X W by least squares": [],
        "SLX by least squares": [],
        "A X W, penalty chosen": [],
    }
    relation = axw.Edges.from_graph(graph)
    for train, test in RepeatedKFold(n_splits=10, n_repeats=5, random_state=0).split(X):
        learn, ask, told, truth = X.iloc[train], X.iloc[test], y.iloc[train], y.iloc[test].to_numpy()
        answers = [
            np.full(len(test), told.mean()),
            slx(learn, told, relation, lagged=[]).predict(ask),
            slx(learn, told, relation).predict(ask),
            axw.AttentionRegressor("given", relations=[relation]).fit(learn, told).predict(ask),
        ]
        for name, answer in zip(lost, answers, strict=True):
            lost[name].append(float(((answer - truth) ** 2).mean()))
    return {name: float(np.sqrt(np.mean(errors))) for name, errors in lost.items()}


def main() -> None:
    try:
        import geopandas
        import libpysal
        import spreg
    except ImportError:
        sys.exit("This needs the tables of libpysal, and spreg to compare with: pip install libpysal spreg geopandas")
    warnings.simplefilter("ignore")
    tables = {
        "columbus": ("POLYID", COLUMBUS, "CRIME", "columbus.gal"),
        "baltim": ("STATION", BALTIM, "PRICE", "baltim_q.gal"),
    }
    print(f"libpysal {libpysal.__version__}, spreg {spreg.__version__}; differences are relative\n")
    for name, how in tables.items():
        X, y, w = read(libpysal, geopandas, name, *how)
        for transform in ("b", "r"):
            w.transform = transform
            theirs = spreg.OLS(y.to_numpy()[:, None], X.to_numpy(), w=w, slx_lags=1, name_x=list(X.columns))
            for kind, graph in (("Graph", libpysal.graph.Graph.from_W(w)), ("W", w)):
                ours = slx(X, y, graph).coefficients
                far = [
                    apart(ours["coefficient"].to_numpy(), theirs.betas[:, 0]),
                    apart(ours["std_error"].to_numpy(), theirs.std_err),
                ]
                print(
                    f"{name}, {kind} of {transform!r}: coefficients apart by {far[0]:.1e}, standard errors by {far[1]:.1e}"
                )
        print(f"\n{slx(X, y, w)}\n")
        for model, error in held_out(X, y, w).items():
            print(f"  {model:<24} RMSE {error:.3f}")
        print()


if __name__ == "__main__":
    main()

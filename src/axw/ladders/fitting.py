"""One fit of one rung on one fold, many of them in as many processes as wanted, and their metrics."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, clone
from threadpoolctl import threadpool_limits

from axw.errors import AxwError, DataError
from axw.ladders.groups import Fold
from axw.ladders.verdict import Answer
from axw.measures import calibration_error, classification_metrics, clipped, regression_metrics


class Target(NamedTuple):
    """values (n,) as estimators get them; codes (n,) are class numbers, or the values; classes (c,), or None for numbers."""

    values: np.ndarray
    codes: np.ndarray
    classes: np.ndarray | None


class Fit(NamedTuple):
    """predictions (n_test c) or (n_test,), or why there are none; seconds to fit; what warned."""

    predictions: np.ndarray | None
    seconds: float
    failed: str = ""
    warned: str = ""


def in_any_order(calls: Iterator[tuple[Any, ...]], jobs: int) -> Iterator[tuple[int, Fit]]:
    """(number of the call, its fit), as they get done."""
    if jobs == 1:
        yield from (_fit(number, *call) for number, call in enumerate(calls))
        return
    pool = Parallel(n_jobs=jobs, return_as="generator_unordered")
    yield from pool(delayed(_fit)(number, *call) for number, call in enumerate(calls))


def _fit(number: int, estimator: BaseEstimator, X: pd.DataFrame, target: Target, fold: Fold) -> tuple[int, Fit]:
    """Learn from one fold's rows, answer for the others."""
    train, test = fold
    with warnings.catch_warnings(record=True) as caught, _one_thread():
        warnings.simplefilter("always")
        start = time.perf_counter()
        try:
            fitted = clone(estimator).fit(X.iloc[train], target.values[train])
            seconds = time.perf_counter() - start
            predictions = _predictions(fitted, X.iloc[test], target.classes)
        except Exception as error:  # whatever a model raises is that rung's, and the ladder goes on
            failed = error.what if isinstance(error, AxwError) else f"{type(error).__name__}: {error}"
            return number, Fit(None, time.perf_counter() - start, failed.splitlines()[0] if failed else "")
    warned = str(caught[0].message).splitlines()[0] if caught else ""
    return number, Fit(predictions, seconds, "", warned)


def _predictions(fitted: Any, X: pd.DataFrame, classes: np.ndarray | None) -> np.ndarray:
    """Numbers (n,), or probabilities (n c) in the order of `classes`; 0 for a class that was not learned from."""
    if classes is None:
        predictions = np.asarray(fitted.predict(X), dtype=float).reshape(len(X))
    else:
        place = {label: number for number, label in enumerate(classes.tolist())}
        predictions = np.zeros((len(X), len(classes)))
        predictions[:, [place[label] for label in fitted.classes_.tolist()]] = fitted.predict_proba(X)
    if not np.isfinite(predictions).all():
        raise DataError("The predictions are not all finite numbers.")
    return predictions


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for everything inside: the order of a sum, and so its last bits, depends on their number."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 1
    with threadpool_limits(1):
        try:
            if torch:
                torch.set_num_threads(1)
            yield
        finally:
            if torch:
                torch.set_num_threads(before)


def answer_of(fits: Sequence[Fit], tests: Sequence[np.ndarray], target: Target) -> Answer:
    """The metrics of one rung on one question."""
    seconds = np.array([fit.seconds for fit in fits])
    failures = [fit.failed or "no message" for fit in fits if fit.predictions is None]
    if failures:
        return Answer(seconds=seconds, failed=failures[0])
    predictions = [fit.predictions for fit in fits if fit.predictions is not None]
    measure = regression_metrics if target.classes is None else classification_metrics
    measured = [measure(target.codes[test], P) for test, P in zip(tests, predictions, strict=True)]
    calibration = float("nan")
    if target.classes is not None:
        calibration = calibration_error(target.codes[np.concatenate(tests)], clipped(np.concatenate(predictions)))
    warned = [fit.warned for fit in fits if fit.warned]
    folds = {name: np.array([m[name] for m in measured]) for name in measured[0]}
    first = (len(warned), warned[0] if warned else "")
    return Answer(folds, calibration, seconds, "", first, np.concatenate(predictions))

"""What a sample of the rows says of a fit: which penalty and temperature, and what each row got that was not learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from axw.learning import solve as in_memory
from axw.measures import calibration_error
from axw.models.tables.linear import PENALTIES
from axw.models.tables.problem import Target


class LeftOut(NamedTuple):
    """Training rows of a sample, and what each got from a W that was not learned from it.

    Z (m p), Y (m c), outputs (m c) are as the solver sees them: numbers in standard deviations, log-odds before the temperature.
    error  of numbers: the mean squared error of all rows, each left out once, in squared standard deviations
    """

    Z: np.ndarray
    Y: np.ndarray
    outputs: np.ndarray
    error: float | None


@dataclass(frozen=True)
class Chosen:
    """The penalty, the temperature, the calibration error of the sampled rows (None for numbers), and their outputs, held out."""

    penalty: float
    temperature: float
    calibration_error: float | None
    left_out: LeftOut


def choose(target: Target, sample: tuple[np.ndarray, np.ndarray], n: int, penalty: float | None, seed: int) -> Chosen:
    """Five folds of the sample. A penalty on n rows is one of penalty * m / n on the m rows of the sample."""
    Z, Y = sample
    penalties = PENALTIES if penalty is None else (penalty,)
    fold = np.random.default_rng(seed).permutation(len(Z)) % 5
    outputs = [np.zeros_like(Y) for _ in penalties]
    for part in range(min(5, len(Z))):
        learned, held_out = fold != part, fold == part
        fitted: in_memory.Logistic | None = None
        for place, one in reversed(list(enumerate(penalties))):
            fitted = in_memory.logistic(Z[learned], Y[learned], one * len(Z) / n, None, fitted, 1e-6)
            outputs[place][held_out] = Z[held_out] @ fitted.W + fitted.b
    losses = [target.mean_loss(output, Y, np.ones(len(Y))) for output in outputs]
    best = int(np.argmin(losses))
    temperature = in_memory.temperature(outputs[best], Y)
    codes = Y[:, 0].astype(int) if Y.shape[1] == 1 else Y.argmax(1)
    error = calibration_error(codes, probabilities(outputs[best] / temperature))
    return Chosen(float(penalties[best]), temperature, float(error), LeftOut(Z, Y, outputs[best], None))


def probabilities(output: np.ndarray) -> np.ndarray:
    """P (n classes) of outputs (n c) in this process."""
    if output.shape[1] == 1:
        positive = special.expit(output[:, 0])
        return np.stack([1.0 - positive, positive], axis=1)
    return np.asarray(special.softmax(output, axis=1))

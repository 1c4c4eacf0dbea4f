"""The door for tables: scikit-learn estimators whose rows may read each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from axw.errors import DataError
from axw.learning import solve
from axw.measures import calibration_error, classification_metrics, regression_metrics
from axw.models.tables import answers
from axw.models.tables.attending import AttendingStep
from axw.models.tables.cells import Cells
from axw.models.tables.explanation import Explanation, Term, explain
from axw.models.tables.known_labels import held_rows, known_labels
from axw.models.tables.linear import Linear, LinearStep
from axw.models.tables.nearby import MemoryIndex
from axw.models.tables.problem import TableRows, Target
from axw.models.tables.reading import Reader, names_of
from axw.models.tables.settings import check_settings, row_settings
from axw.models.tables.smoothing import SmoothingStep
from axw.models.tables.written_out import model_terms
from axw.relations import Relation, as_relations


class _AttentionModel(BaseEstimator):
    """What the classifier and the regressor share: Y = A X W over the rows of a table."""

    def __init__(  # noqa: PLR0913  scikit-learn stores each parameter by its name
        self,
        attention: str = "query-key",
        *,
        normalize: str = "softmax-or-nothing",
        relations: Sequence[Relation] = (),
        labels: bool = False,
        rank: int = 2,
        heads: int = 2,
        feedforward: str | None = None,
        width: int = 8,
        members: int = 1,
        penalty: float | None = None,
        id: str | None = None,
        categorical: Any = "from_dtype",
        random_state: Any = 0,
    ) -> None:
        self.attention = attention
        self.normalize = normalize
        self.relations = relations
        self.labels = labels
        self.rank = rank
        self.heads = heads
        self.feedforward = feedforward
        self.width = width
        self.members = members
        self.penalty = penalty
        self.id = id
        self.categorical = categorical
        self.random_state = random_state

    # -- fit ---------------------------------------------------------------------------------------------------------------

    def _fit(
        self, X: Any, Y: np.ndarray, kind: str, targets: Sequence[str], weight: np.ndarray | None, loss: np.ndarray
    ) -> None:
        """Read the rows, remember them, and solve: `loss` (n) weighs the answers, `weight` (n) the rows that are read."""
        check_settings(self)
        seed = answers.seed(self.random_state)
        reader = Reader.of(X, as_relations(self.relations), self.id, self.categorical, weight)
        rows = reader.rows(X, np.ascontiguousarray(Y), weight)
        known = ~np.isnan(Y).any(1)
        target = Target.of(kind, Y[known], rows.weights()[known])
        kept = loss > 0
        rows, loss = (rows, loss) if kept.all() else (rows.take(np.flatnonzero(kept)), loss[kept])
        self._reader, self.targets_ = reader, tuple(targets)
        self.target_, self.memory_ = target, rows
        self._solve(rows, target, loss, seed)
        self._index = MemoryIndex.of(self.step_, rows, reader)
        self.n_iter_ = 1 if isinstance(self.fitted_, Linear) else max(1, self._iterations)

    def _solve(self, rows: TableRows, target: Target, loss: np.ndarray, seed: int) -> None:
        names, relations = self._reader.columns.names, as_relations(self.relations)
        if self.attention == "smoothing":
            self._smooth(rows, relations, loss, seed)
            return
        simple = self.attention in ("none", "given", "dot")
        step = LinearStep(self.attention if simple else "none", relations, self.labels, names, self.targets_)
        linear = step.solve(rows, target, loss, self.penalty if simple else None, seed)
        self.step_: LinearStep | AttendingStep | SmoothingStep
        self.fitted_: Any
        if simple:
            self.step_, self.fitted_, held_out = step, linear, linear.held_out
        else:
            settings = row_settings(self)
            penalty = 3.0 if self.penalty is None else self.penalty
            attending = AttendingStep(settings, relations, self.labels, members=self.members, penalty=penalty)
            found = attending.solve(rows, target, loss, linear, seed)
            self.step_, self.fitted_, held_out = attending, found.network, found.held_out
            self._iterations = found.iterations
        self._held_out = held_out
        assert rows.Y is not None
        self.temperature_ = solve.temperature(held_out, rows.Y, loss) if target.kind == "classes" else 1.0

    def _smooth(self, rows: TableRows, relations: Sequence[Relation], loss: np.ndarray, seed: int) -> None:
        codes = cast(Any, self)._memory_codes()
        held = held_rows(cast(Any, self).validation, rows.rows.ids, codes >= 0)
        step = SmoothingStep(relations, self.penalty)
        found = step.solve(rows, codes, loss, held, seed)
        self.step_, self.fitted_, self._held_out, self._iterations = step, found, found.held_out, 1
        self.temperature_ = 1.0  # the voices are calibrated on the rows that chose them

    # -- predict -----------------------------------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> np.ndarray:
        """Calibrated outputs (n c) of new rows: they read the memory, never each other."""
        check_is_fitted(self)
        return self._answer(self._asking(X))

    def _asking(self, X: Any) -> TableRows:
        self._reader.check(self, X)
        return self._reader.asking(X, self.memory_, self._index.ids)

    def _answer(self, asking: TableRows) -> np.ndarray:
        return self._answer_from(*self._index.part(self.step_, asking, self.memory_), asking)

    def _answer_from(self, step: Any, memory: TableRows, asking: TableRows) -> np.ndarray:
        """Calibrated outputs (n c) of rows that read this memory by this step."""
        if isinstance(step, LinearStep):
            linear = self.fitted_
            output = step.design(asking, memory, self.target_) @ linear.W + linear.b
        elif isinstance(step, SmoothingStep):
            output = step.outputs(self.fitted_, asking, memory)
        else:
            output = step.outputs(self.fitted_, asking, memory, self.target_)
        return output / self.temperature_

    def explain(self, X: Any) -> Explanation:
        """Why each row of X got its answer: contributions by relation, row read and column, which add up to the output.

        For a classifier the outputs are the calibrated log-odds (two classes) or class scores; for a regressor, the prediction.
        """
        check_is_fitted(self)
        asking = self._asking(X)
        found, exact = model_terms(self, asking)
        found, outputs = self._in_units(found, self._answer(asking))
        cells = Cells.of(self, X, asking)
        return explain(found, names_of(asking), self.memory_.rows.ids, self.targets_, exact, outputs, cells)

    def _in_units(self, found: list[Term], outputs: np.ndarray) -> tuple[list[Term], np.ndarray]:
        return [term._replace(W=term.W / self.temperature_) for term in found], outputs

    # -- what scikit-learn asks --------------------------------------------------------------------------------------------

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns that the answer is made of, such as "mean(age | same family)"."""
        check_is_fitted(self)
        if isinstance(self.step_, LinearStep):
            return np.array([column.name for column in self.step_.columns()], dtype=object)
        return np.array(self._reader.columns.names, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def save(self, path: Any, *, context: str = "full", overwrite: bool = False) -> None:
        """Write the model to a folder: weights, settings, model card; see `axw.models.tables.saved.save`."""
        from axw.models.tables.saved import save

        check_is_fitted(self)
        save(self, path, context=context, overwrite=overwrite)


class AttentionClassifier(ClassifierMixin, _AttentionModel):
    """P(y) = softmax(A X W / T): a classifier whose rows may read each other.

    attention    "none": X W;  "given": A X W, A from `relations`;  "dot": A = X X';  "bilinear": A = X U V' X';
                 "query-key": A = X K Q' X';  "metric": A of -|X_i L - X_j L|², so that near rows are read;
                 "smoothing": a mean of A X W, each A of powers of what is given (see below)
    normalize    for "bilinear", "query-key" and "metric": "softmax-or-nothing" (a row may look away from all it could read),
                 "softmax", or "none" (not for "metric")
    relations    who may read whom, keyed by row id or by columns; without any, attention reads all remembered rows
    labels       rows read the labels of the rows that they read; never their own
    rank, heads  key width of a head, and number of heads
    feedforward, width  a feed-forward layer on top: its kind (`axw.equation.KINDS`) and hidden width
    members      random starts; the networks of all starts and folds are averaged into one, which is kept
    penalty      on the squared weights; None = chosen on held-out training rows (linear rungs), 3 (attention)
    class_weight None, "balanced", or a mapping from class to weight
    validation   for "smoothing": ids of the rows whose labels choose the settings and are not learned from; None = rows with a
                 label choose for each other, in folds
    id           name of the column that identifies rows; None = the DataFrame's index
    categorical  "from_dtype", or the names of the columns that hold categories
    random_state seed

    With "smoothing" y may be NaN, None or pandas.NA: such a row has no label, and is in the memory with its columns and its place
    in the relation. Held-out rows choose among plain columns, hops side by side, personalised PageRank and S²GC, with and without
    the nearest rows (`axw.models.tables.smoothing`); `fitted_.chosen` says what.
    `rank`, `heads`, `feedforward`, `labels` have no say.

    After `fit`: classes_, temperature_ (Guo et al. 2017), calibration_error_ (on rows that were held out), memory_ (the rows that
    may be read), feature_names_in_, n_features_in_.
    """

    def __init__(  # noqa: PLR0913  scikit-learn stores each parameter by its name
        self,
        attention: str = "query-key",
        *,
        normalize: str = "softmax-or-nothing",
        relations: Sequence[Relation] = (),
        labels: bool = False,
        rank: int = 2,
        heads: int = 2,
        feedforward: str | None = None,
        width: int = 8,
        members: int = 1,
        penalty: float | None = None,
        class_weight: Any = None,
        validation: Any = None,
        id: str | None = None,
        categorical: Any = "from_dtype",
        random_state: Any = 0,
    ) -> None:
        super().__init__(
            attention,
            normalize=normalize,
            relations=relations,
            labels=labels,
            rank=rank,
            heads=heads,
            feedforward=feedforward,
            width=width,
            members=members,
            penalty=penalty,
            id=id,
            categorical=categorical,
            random_state=random_state,
        )
        self.class_weight = class_weight
        self.validation = validation

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> AttentionClassifier:
        """Learn from rows X (n columns; pandas, polars or numpy) and their classes y (n)."""
        check_settings(self)
        frame = Reader.frame(self, X)
        labels, known = known_labels(y, len(frame), self.attention == "smoothing")
        check_classification_targets(labels)
        weight = answers.weights(sample_weight, len(frame))
        self.classes_, codes = np.unique(labels, return_inverse=True)
        of_known = None if weight is None else weight[known]
        present = np.bincount(codes, weights=of_known, minlength=len(self.classes_)) > 0
        if present.sum() < 2:
            raise DataError(
                f"The classifier got one class, {self.classes_[present][0]!r}; at least two classes are needed.",
                "y",
                "Give rows of at least two classes.",
            )
        one_hot = np.full((len(frame), len(self.classes_)), np.nan)
        one_hot[known] = np.eye(len(self.classes_))[codes]
        Y = one_hot[:, 1:] if len(self.classes_) == 2 else one_hot
        loss = np.ones(len(frame)) if weight is None else weight.copy()
        if self.class_weight is not None:
            loss[known] *= answers.class_weights(self.class_weight, labels, codes, loss[known])
        name = getattr(y, "name", None) or "y"
        targets = [f"{name} = {value}" for value in (self.classes_[1:] if len(self.classes_) == 2 else self.classes_)]
        self._fit(frame, Y, "classes", targets, weight, loss)
        told = ~np.isnan(self._held_out).any(1)
        held_out = self._probabilities(self._held_out[told] / self.temperature_)
        self.calibration_error_ = calibration_error(self._memory_codes()[told], held_out)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Calibrated log-odds (n) of two classes, or class scores (n c)."""
        output = self._outputs(X)
        return output[:, 0] if len(self.classes_) == 2 else output

    def predict_proba(self, X: Any) -> np.ndarray:
        """Calibrated probabilities (n c)."""
        return self._probabilities(self._outputs(X))

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row (n)."""
        place = self.predict_proba(X).argmax(1)
        return self.classes_[place]

    def evaluate(self, X: Any, y: Any) -> dict[str, float]:
        """log_loss, auroc, accuracy, brier and calibration_error of rows that were not learned from."""
        P = self.predict_proba(X)
        truth = answers.asked_classes(y, self.classes_, len(P))
        # A class that was never learned gets the probability that it was given: none.
        unknown = [value for value in np.unique(truth) if value not in set(self.classes_.tolist())]
        classes = [*self.classes_.tolist(), *unknown]
        codes = np.array([classes.index(value) for value in truth.tolist()], dtype=np.int64)
        P = np.concatenate([P, np.zeros((len(P), len(unknown)))], axis=1)
        return {**classification_metrics(codes, P), "calibration_error": calibration_error(codes, P)}

    def _memory_codes(self) -> np.ndarray:
        """The place of each remembered row's class, -1 for a row without a label."""
        Y = cast(np.ndarray, self.memory_.Y)
        code = Y[:, 0] if Y.shape[1] == 1 else Y.argmax(1)
        return np.where(np.isnan(Y).any(1), -1, code).astype(int)

    @staticmethod
    def _probabilities(output: np.ndarray) -> np.ndarray:
        if output.shape[1] == 1:
            positive = 1.0 / (1.0 + np.exp(-np.clip(output[:, 0], -700, 700)))
            return np.stack([1.0 - positive, positive], axis=1)
        exponent = np.exp(output - output.max(1, keepdims=True))
        return exponent / exponent.sum(1, keepdims=True)


class AttentionRegressor(RegressorMixin, _AttentionModel):
    """y = A X W: a regressor whose rows may read each other, for one target or several.

    The parameters are those of `AttentionClassifier`; there is no class_weight. Linear rungs are ridge regressions in closed
    form, whose penalty has the least leave-one-out error.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> AttentionRegressor:
        """Learn from rows X (n columns) and their numbers y (n) or (n targets)."""
        check_settings(self)
        frame = Reader.frame(self, X)
        Y, names = answers.numbers(y, len(frame))
        weight = answers.weights(sample_weight, len(frame))
        self._one_target = Y.ndim == 1
        self._fit(
            frame, Y.reshape(len(Y), -1), "numbers", names, weight, np.ones(len(frame)) if weight is None else weight
        )
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The number of each row (n), or (n targets)."""
        Y = self._outputs(X) * self.target_.scale + self.target_.prior
        return Y[:, 0] if self._one_target else Y

    def evaluate(self, X: Any, y: Any) -> dict[str, float]:
        """squared_error, rmse, mae and r2 of rows that were not learned from."""
        return regression_metrics(np.asarray(y, dtype=float), self.predict(X))

    def _in_units(self, found: list[Term], outputs: np.ndarray) -> tuple[list[Term], np.ndarray]:
        scaled = [term._replace(W=term.W * self.target_.scale) for term in found]
        n = scaled[0].A.shape[0]
        mean = Term(
            scaled[0].relation, np.ones((n, 1)), None, np.ones((n, 1)), self.target_.prior[None, :], ("(base)",)
        )
        return [mean, *scaled], outputs * self.target_.scale + self.target_.prior

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

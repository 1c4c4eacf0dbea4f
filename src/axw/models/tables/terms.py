"""Each rung written out as the terms of the equation, for its explanation."""

from __future__ import annotations

import numpy as np
import torch

from axw.models.tables.attending import AttendingStep
from axw.models.tables.explanation import OWN, Term
from axw.models.tables.linear import Linear, LinearStep, gram_scale
from axw.models.tables.problem import TableRows, Target
from axw.models.tables.reach import check_pairs
from axw.networks import RowNetwork
from axw.relations import Given

EXACT = "exact: the contributions add up to the output"
GIVEN_A = "exact given A: A itself was learned from the columns"
ABOVE = "exact given A, but for the feed-forward part, which is one number that no row or column owns"


def linear_terms(step: LinearStep, fitted: Linear, asking: TableRows, memory: TableRows, target: Target) -> list[Term]:
    """Z W + b of a `LinearStep`, with every mean written as the rows it is the mean of."""
    n, names = len(asking.X), step.names
    base = _own(np.ones((n, 1)), fitted.b[None, :], ("(base)",))
    if step.attention == "dot":
        check_pairs(n, len(memory.X))
        A, Z, W = _dot(asking.X, memory), memory.X, fitted.W
        return [base, Term("all rows", A, np.tile(np.arange(len(memory.X)), (n, 1)), Z, W, names)]
    d = len(names)
    terms, place = [base, _own(asking.X, fitted.W[:d], names)], d
    for relation in step.relations:
        given = relation.given(asking.rows, memory.rows)
        index, A, degree = _rows_read(given)
        terms.append(
            Term(
                relation.name,
                A / np.maximum(degree, 1e-300)[:, None],
                index,
                memory.X,
                fitted.W[place : place + d],
                names,
            )
        )
        place += d
        count = np.log1p(given.count())[:, None]
        terms.append(Term(relation.name, np.ones((n, 1)), None, count, fitted.W[place : place + 1], ("n",)))
        place += 1
        if step.labels:
            assert memory.Y is not None
            labels, c = target.standard(memory.Y), len(step.targets)
            W = fitted.W[place : place + c]
            terms.append(Term(relation.name, A / (degree + 1.0)[:, None], index, labels, W, step.targets))
            place += c
    return terms


def attending_terms(
    step: AttendingStep,
    network: RowNetwork,
    asking: TableRows,
    memory: TableRows,
    target: Target,
    names: tuple[str, ...],
    targets: tuple[str, ...],
) -> list[Term]:
    """X W + b, and A Z V of every part and head; what the feed-forward layer makes of both is one term without columns."""
    if not step.relations and not step.many(memory):
        check_pairs(len(asking.X), len(memory.X))
    question = step.question(asking, memory, target, network=network)
    if not step.relations and question.parts[0].mask is None:
        # Asking with a mask that allows everything keeps A, which the faster order of the products never forms.
        everyone = torch.ones(len(asking.X), len(memory.X), dtype=torch.bool)
        question = question._replace(parts=(question.parts[0]._replace(mask=everyone),))
    with torch.no_grad():
        reads = network.read(question)
        above = (
            network.above(question, [read for read, _ in reads]).numpy() if network.feedforward is not None else None
        )
    terms = [_own(np.ones((len(asking.X), 1)), network.bias.detach().numpy()[None, :], ("(base)",))]
    if network.own is not None:
        terms.append(_own(asking.X, network.own.weight.detach().numpy().T, names))
    features = ("being there", *(targets if step.labels else ()), *names)
    for part, (_, A) in enumerate(reads):
        assert A is not None
        name = step.relations[part].name if step.relations else "all rows"
        index = question.parts[part].places
        places = np.tile(np.arange(len(memory.X)), (len(asking.X), 1)) if index is None else index.numpy()
        V = network.values(part).detach().numpy()
        # The weight that is shown of a row is the mean over heads, so that it stays a share; V times their number makes up.
        heads, Z = A.shape[1], question.Z.numpy()
        terms += [Term(name, A[:, head].numpy() / heads, places, Z, V[head] * heads, features) for head in range(heads)]
    if above is not None:
        terms += [
            Term(
                "feed-forward",
                np.ones((len(above), 1)),
                None,
                above[:, [c]],
                np.eye(above.shape[1])[[c]],
                ("(all it read)",),
            )
            for c in range(above.shape[1])
        ]
    return terms


def _own(Z: np.ndarray, W: np.ndarray, features: tuple[str, ...]) -> Term:
    return Term(OWN, np.ones((len(Z), 1)), None, Z, W, features)


def _dot(X: np.ndarray, memory: TableRows) -> np.ndarray:
    """A = X X' over its scale, as `LinearStep` reads it."""
    return (X @ memory.X.T) * memory.weights() / gram_scale(memory)


def _rows_read(given: Given) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """index (n r), weight (n r) and degree (n) of every row read, none left out."""
    most = int(given.count().max(initial=0))
    index, weight, mask = given.neighbours(max(most, 1))
    return index, np.where(mask, weight, 0.0), given.degree()

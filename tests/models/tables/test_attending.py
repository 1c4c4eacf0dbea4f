"""Attention over rows by each of its ways, against A written out pair by pair."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from axw.errors import ResourceError
from axw.models import AttentionClassifier
from axw.models.tables import attending, nearest_rows, reach
from axw.models.tables.attending import AttendingStep
from axw.models.tables.nearest_rows import nearest
from axw.models.tables.problem import TableRows, Target
from axw.models.tables.reach import check_pairs
from axw.networks import RowNetwork, RowSettings
from axw.relations import Edges, Rows

N, D = 23, 3


def rows(n: int = N, seed: int = 0, *, weighted: bool = False, start: int = 0) -> TableRows:
    rng = np.random.default_rng(seed)
    ids = np.array([f"r{i}" for i in range(start, start + n)], dtype=object)
    Y = (rng.random((n, 1)) < 0.5).astype(float)
    weight = rng.integers(1, 4, n).astype(float) if weighted else None
    return TableRows(Rows(ids, pd.DataFrame(index=range(n))), rng.normal(size=(n, D)), Y, weight)


def step(normalize: str, relations=(), labels: bool = True, score: str = "query-key", most: int = 64) -> AttendingStep:
    settings = RowSettings(score=score, normalize=normalize, heads=2 if score == "query-key" else 1)
    return AttendingStep(settings, relations, labels, members=1, penalty=1.0, most=most)


def network(of: AttendingStep, seed: int = 3) -> RowNetwork:
    return RowNetwork(D, 1 + of.labels + D, 1, of.settings, seed).double()


def target(memory: TableRows) -> Target:
    return Target.of("classes", memory.Y, memory.weights())


def scores(net: RowNetwork, X: np.ndarray, M: np.ndarray, part: int = 0) -> np.ndarray:
    """S (h n m)."""
    queries, keys = net.sides(part, torch.as_tensor(X), torch.as_tensor(M))
    return queries @ np.swapaxes(keys, 1, 2)


def given_off(of: AttendingStep, memory: TableRows) -> np.ndarray:
    """Z (m e): a constant, the label, the columns."""
    labels = [target(memory).standard(memory.Y)] if of.labels else []
    return np.concatenate([np.ones((len(memory.X), 1)), *labels, memory.X.clip(-4, 4) if of._softmax else memory.X], 1)


def written_out(of: AttendingStep, net: RowNetwork, A: np.ndarray, asking: TableRows, Z: np.ndarray) -> np.ndarray:
    """b + X W + sum over heads of A Z V, A (h n m)."""
    own = 0 if net.own is None else asking.X @ net.own.weight.detach().numpy().T
    return (
        net.bias.detach().numpy() + own + sum(a @ Z @ V for a, V in zip(A, net.values(0).detach().numpy(), strict=True))
    )


@pytest.mark.parametrize("score", ["query-key", "bilinear"])
def test_without_a_softmax_a_weight_multiplies_a(score):
    rng = np.random.default_rng(1)
    edges = pd.DataFrame({"a": rng.integers(0, N, 70), "b": rng.integers(0, N, 70), "w": rng.uniform(0.1, 5, 70)})
    edges["a"], edges["b"] = (edges[name].map("r{}".format) for name in "ab")
    relation, memory = Edges(edges, "a", "b", "w"), rows()
    of = step("none", [relation], score=score)
    net = network(of)
    A = scores(net, memory.X, memory.X) * relation.given(memory.rows, memory.rows).csr().toarray()
    expected = written_out(of, net, A, memory, given_off(of, memory))
    np.testing.assert_allclose(of.outputs(net, memory, memory, target(memory)), expected, atol=1e-12)
    question = of.question(memory, memory, target(memory))
    (_, found), places = net.read(question)[0], question.parts[0].places
    dense = np.zeros((2 if score == "query-key" else 1, N, N))
    for i in range(N):
        for slot in np.flatnonzero(question.parts[0].mask[i].numpy()):
            dense[:, i, places[i, slot]] = found[i, :, slot].detach().numpy()
    np.testing.assert_allclose(dense, A, atol=1e-12)


@pytest.mark.parametrize("score", ["query-key", "bilinear"])
@pytest.mark.parametrize("weighted", [False, True])
def test_over_all_rows_without_a_softmax_no_row_reads_its_own_label(score, weighted):
    memory = rows(weighted=weighted)
    of = step("none", score=score)
    net = network(of)
    weight = memory.weights()
    left = np.tile(weight, (N, 1)) - np.eye(N)  # of a row that stands for w rows, w - 1 are read by itself
    A = scores(net, memory.X, memory.X) * left / weight.sum()
    expected = written_out(of, net, A, memory, given_off(of, memory))
    found = of.outputs(net, memory, memory, target(memory))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    if not weighted:
        for i in range(0, N, 5):
            Y = memory.Y.copy()
            Y[i] = 1 - Y[i]
            again = of.outputs(net, memory, memory._replace(Y=Y), target(memory))
            np.testing.assert_allclose(again[i], found[i], atol=1e-12)
            assert np.abs(again - found).max() > 1e-6  # while others do read it
    new = rows(7, seed=5, start=100)
    A = scores(net, new.X, memory.X) * weight / weight.sum()
    expected = written_out(of, net, A, new, given_off(of, memory))
    np.testing.assert_allclose(of.outputs(net, new, memory, target(memory)), expected, atol=1e-12)


def test_the_explanation_leaves_the_row_out_too():
    rng = np.random.default_rng(2)
    X = pd.DataFrame(rng.normal(size=(N, D)), columns=list("abc"), index=[f"r{i}" for i in range(N)])
    y = rng.integers(0, 2, N)
    fitted = AttentionClassifier("query-key", normalize="none", labels=True, rank=1, heads=2).fit(X, y)
    of, memory = fitted.step_, fitted.memory_
    reach = of.question(memory, memory, fitted.target_)
    everyone = torch.ones(N, N, dtype=torch.bool)
    (read, A), (plain, _) = (
        fitted.fitted_.read(reach._replace(parts=(reach.parts[0]._replace(mask=mask),)))[0] for mask in (everyone, None)
    )
    np.testing.assert_allclose(read.detach(), plain.detach(), atol=1e-12)
    np.testing.assert_allclose(A.detach().diagonal(dim1=0, dim2=2), 0, atol=1e-12)


@pytest.mark.parametrize("normalize", ["softmax", "softmax-or-nothing"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("score", ["query-key", "bilinear"])
def test_the_highest_of_all_rows_are_all_rows(normalize, weighted, score, monkeypatch):
    """With as many to read as there are, the rows that score highest are all others, and A is the softmax over them."""
    memory, new = rows(), rows(7, seed=5, start=100)
    memory = memory._replace(weight=1.0 + np.random.default_rng(6).random(N) if weighted else None)
    of = step(normalize, score=score, most=2 * N)
    net = network(of)
    for asking in (new,) if weighted else (new, memory):  # a row of weight 1.5 reads half of itself only over all rows
        whole = of.outputs(net, asking, memory, target(memory))
        with monkeypatch.context() as patch:
            patch.setattr(reach, "MOST_ROWS", 5)
            assert of.many(memory)
            np.testing.assert_allclose(of.outputs(net, asking, memory, target(memory)), whole, atol=1e-10)


def test_chunks_of_asking_rows_are_the_whole(monkeypatch):
    memory = rows(weighted=True)
    edges = pd.DataFrame({"a": ["r1", "r2", "r7"], "b": ["r3", "r3", "r3"]})
    for of in (step("none"), step("softmax"), step("softmax", [Edges(edges, "a", "b")]), step("none", labels=False)):
        net = network(of)
        for limit in (reach.MOST_ROWS, 5):
            with monkeypatch.context() as patch:
                patch.setattr(reach, "MOST_ROWS", limit)
                whole = of.outputs(net, memory, memory, target(memory))
                patch.setattr(reach, "CELLS", 11)
                np.testing.assert_allclose(of.outputs(net, memory, memory, target(memory)), whole, atol=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_the_nearest_are_those_of_greatest_product(d):
    rng = np.random.default_rng(d)
    queries, keys = rng.normal(size=(61, d)), rng.normal(size=(311, d)) + 1.0
    own = np.where(rng.random(61) < 0.5, rng.integers(0, 311, 61), -1)
    product = queries @ keys.T
    product[np.flatnonzero(own >= 0), own[own >= 0]] = -np.inf
    best = np.sort(product, axis=1)[:, ::-1][:, :7]
    for way in (nearest_rows._tree, nearest_rows._blocks):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nearest_rows, "_tree", way)
            patch.setattr(nearest_rows, "_blocks", way)
            patch.setattr(nearest_rows, "_CELLS", 1000)
            found = nearest(queries, keys, 7, own)
        assert found.shape == (61, 7) and (found != own[:, None]).all()
        np.testing.assert_allclose(np.take_along_axis(product, found, 1), best, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keys_that_get_better_and_better_are_compared_in_little_memory(dtype, monkeypatch):
    """Every key exceeds those before it, so that none can be dropped at a look."""
    rng = np.random.default_rng(0)
    queries, keys = np.abs(rng.normal(size=(131, 5))).astype(dtype), rng.normal(size=(997, 5)).astype(dtype)
    keys = keys[np.argsort(keys.sum(1))]
    monkeypatch.setattr(nearest_rows, "_CELLS", 3000)
    found, product = nearest_rows._blocks(queries, keys, 7), queries @ keys.T
    best = np.sort(product, axis=1)[:, ::-1][:, :7]
    np.testing.assert_allclose(np.take_along_axis(product, found, 1), best, rtol=1e-5, atol=1e-5)
    assert nearest_rows._blocks(queries[:0], keys, 7).shape == (0, 7)


def test_nearest_of_equal_keys_and_of_a_query_of_nothing():
    found = nearest(np.zeros((2, 2)), np.ones((5, 2)), 3, np.array([1, -1]))
    assert found.shape == (2, 3) and 1 not in found[0] and all(len(set(row)) == 3 for row in found.tolist())


@pytest.mark.slow
def test_a_fit_over_many_rows_reads_the_highest_alone_and_predicts(monkeypatch):
    monkeypatch.setattr(reach, "MOST_ROWS", 50)
    monkeypatch.setattr(attending, "LEARNED_CELLS", 64 * 90)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 2))
    y = (np.abs(X).max(1) > 1.2).astype(int)  # no straight line tells them apart
    model = AttentionClassifier("query-key", labels=True, rank=2, heads=2, penalty=0.1).fit(X[:120], y[:120])
    P = model.predict_proba(X[120:])
    assert P.shape == (40, 2) and np.isfinite(P).all()
    again = AttentionClassifier("query-key", labels=True, rank=2, heads=2, penalty=0.1).fit(X[:120], y[:120])
    np.testing.assert_array_equal(again.predict_proba(X[120:]), P)
    highest = model.step_.question(model.memory_, model.memory_, model.target_, network=model.fitted_).parts[0]
    assert highest.places.shape == (120, 64)
    assert not (highest.places == torch.arange(120)[:, None])[highest.mask].any()


def test_an_explanation_that_would_not_fit_is_refused_with_its_size():
    with pytest.raises(ResourceError) as refused:
        check_pairs(300_000, 1_000_000)
    assert refused.value.what == (
        "A over all rows, 300,000 x 1,000,000, would fill 4,470.3 GiB; at most 2 GiB are filled."
    )
    assert refused.value.todo == "Explain fewer rows at once."
    check_pairs(10, 1_000_000)

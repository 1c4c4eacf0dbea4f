"""The scores of Luong et al. 2015 that are not an inner product, against loops written from the paper."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from axw.equation import Attention, Concat, ConcatIdentity, Location, Score, kernels, masks, sentences
from axw.equation.scores import BilinearScore

B, N, M, D, E, K = 2, 3, 5, 7, 11, 13


def rows(n: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(B, n, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def naive_concat(X, Z, W_a, v):
    """v' tanh(W_a [x ; z]) one pair after the other; W_a (k d+e)."""
    scores = torch.zeros(B, 1, N, M, dtype=torch.float64)
    for b in range(B):
        for i in range(N):
            for j in range(M):
                scores[b, 0, i, j] = v @ torch.tanh(W_a @ torch.cat([X[b, i], Z[b, j]]))
    return scores


def test_concat_is_the_formula():
    score, X, Z = Concat(D, K, E).double(), rows(N, D), rows(M, E, 1)
    W_a = torch.cat([score.W, score.U]).T
    torch.testing.assert_close(score(X, score.keys(Z)), naive_concat(X, Z, W_a, score.v))


def test_the_papers_concat_has_the_identity_for_the_memory():
    score, X, Z = ConcatIdentity(D, E).double(), rows(N, D), rows(M, E, 1)
    W_a = torch.cat([score.W.T, torch.eye(E, dtype=torch.float64)], 1)
    torch.testing.assert_close(score(X, score.keys(Z)), naive_concat(X, Z, W_a, score.v))
    assert {name for name, _ in score.named_parameters()} == {"W", "v"}


def test_concat_with_an_identity_is_the_papers():
    score, fixed = Concat(D).double(), ConcatIdentity(D).double()
    with torch.no_grad():
        score.U.copy_(torch.eye(D))
        fixed.load_state_dict({name: value for name, value in score.state_dict().items() if name != "U"})
    X, Z = rows(N, D), rows(M, D, 1)
    torch.testing.assert_close(score(X, score.keys(Z)), fixed(X, fixed.keys(Z)))


@pytest.mark.parametrize("longest", [M, 3, 8])
def test_location_scores_places_whatever_stands_there(longest):
    score, X = Location(D, longest).double(), rows(N, D)
    A, W = torch.softmax(score(X, score.keys(rows(M, E))), -1).detach(), score.W.detach()
    for b in range(B):
        for i in range(N):
            weight = [math.exp(float(X[b, i] @ W[:, j])) for j in range(min(M, longest))]
            expected = [w / sum(weight) for w in weight] + [0.0] * max(0, M - longest)
            torch.testing.assert_close(A[b, 0, i], torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(score(X, score.keys(rows(M, E))), score(X, score.keys(rows(M, E, 5))))


def test_location_of_a_padded_sentence_equals_the_sentence_alone():
    score, X, Z = Location(D, 4).double(), rows(N, D), rows(M, D)
    attention = Attention(score, nn.Identity(), nn.Identity())
    lengths = torch.tensor([M, 2])
    Y, A = attention(X, attention.remember(Z, masks.padding(lengths, M)))
    alone, _ = attention(X[1:], attention.remember(Z[1:, :2]))
    torch.testing.assert_close(Y[1:], alone)
    torch.testing.assert_close(A.sum(-1), torch.ones(B, 1, N, dtype=torch.float64))


@pytest.mark.parametrize("score", [Concat(D, K), ConcatIdentity(D), Location(D, 4)])
def test_scores_keep_their_contract_and_their_gradient(score):
    assert isinstance(score, Score) and score.heads == 1
    score = score.double()
    attention = Attention(score, nn.Identity(), nn.Identity())
    X, Z = rows(2, D).requires_grad_(), rows(3, D, 1).requires_grad_()

    def answer(X, Z, *parameters):
        return attention(X, attention.remember(Z))[0]

    assert torch.autograd.gradcheck(answer, (X, Z, *score.parameters()))


@pytest.mark.parametrize("normalize", ["none", "softmax"])
@pytest.mark.parametrize("make", [lambda: Concat(D, K, E), lambda: ConcatIdentity(D, E), lambda: Location(D, 11)])
def test_every_way_of_reading_gives_what_the_score_says(make, normalize, monkeypatch):
    """They are no inner products, so that no kernel may choose its order."""
    monkeypatch.setattr(kernels, "EXPLICIT_CELLS", 1)
    score, X, Z = make().double(), rows(53, D), rows(59, E, 1)
    assert not isinstance(score, BilinearScore)
    for masked in (None, masks.padding(torch.tensor([59, 2]), 59)):
        attention = Attention(score, nn.Identity(), nn.Identity(), normalize=normalize)
        memory = attention.remember(Z, masked)
        expected = attention(X, memory)[0]
        torch.testing.assert_close(attention.read(X, memory), expected)
        torch.testing.assert_close(sentences.read(attention, X, memory), expected)

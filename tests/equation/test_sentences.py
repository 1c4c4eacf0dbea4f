"""Attention of sentences by fewer operations is the plain one: values, gradients, dropout, masks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from axw.equation import Attention, Dot, General, QueryKey, Rotary, kernels, masks, sentences
from axw.equation.scores import Score

B, H, N, D, K, V = 2, 3, 5, 11, 4, 7


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


SCORES: dict[str, Callable[[], Score]] = {
    "query-key": lambda: QueryKey(D, K, H),
    "query-key with biases": lambda: QueryKey(D, K, H, bias=True),
    "rotary": lambda: Rotary(D, K, H),
    "general": lambda: General(D, rank=K),
    "dot": Dot,
}


def attention_of(name: str, dropout: float = 0.0) -> Attention:
    score = SCORES[name]()
    value = nn.Linear(D, score.heads * V, bias="biases" in name)
    return Attention(score, value, nn.Linear(score.heads * V, D), dropout=dropout).double()


def same(attention: Attention, one: Callable[[], Tensor], other: Callable[[], Tensor], *leaves: Tensor) -> None:
    """Values, and gradients of `leaves` and of all weights."""
    found = []
    for answer in (one, other):
        torch.manual_seed(1)
        Y = answer()
        weights = [p for p in attention.parameters() if p.requires_grad]
        found.append((Y, *torch.autograd.grad((Y * Y.detach().cos()).sum(), [*leaves, *weights], allow_unused=True)))
    for got, wanted in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize("m", [7, 19])
@pytest.mark.parametrize("name", SCORES)
def test_reading_another_sentence(name: str, m: int, dropout: float) -> None:
    attention, X, Z = attention_of(name, dropout), torch.randn(B, N, D).double(), torch.randn(B, m, D).double()
    mask = torch.rand(B, 1, N, m) > 0.3
    mask[0, :, 1] = False
    bias = torch.randn(1, attention.score.heads, N, m).double().requires_grad_()
    leaves = [X.requires_grad_(), Z.requires_grad_(), bias]
    if name == "dot":
        leaves[2] = bias = torch.randn(1, 1, 1, m).double().requires_grad_()
    same(
        attention,
        lambda: sentences.read(attention, X, attention.remember(Z, mask), None, bias),
        lambda: attention(X, attention.remember(Z, mask), None, bias)[0],
        *leaves,
    )


@pytest.mark.parametrize("n", [5, 17])
@pytest.mark.parametrize("name", SCORES)
def test_reading_each_other(name: str, n: int) -> None:
    attention, X = attention_of(name, 0.25), torch.randn(B, n, D).double().requires_grad_()
    for mask in (None, masks.causal(n, n), torch.rand(B, 1, 1, n) > 0.4):
        same(
            attention,
            lambda mask=mask: sentences.read_own(attention, X, mask),
            lambda mask=mask: attention(X, attention.remember(X), mask)[0],
            X,
        )


@pytest.mark.parametrize("name", SCORES)
def test_the_memories_of_several_layers(name: str) -> None:
    attentions, X = [attention_of(name) for _ in range(3)], torch.randn(B, N, D).double()
    mask = torch.rand(B, 1, 1, N) > 0.4
    for memory, attention in zip(sentences.remember_all(attentions, X, mask), attentions, strict=True):
        alone = attention.remember(X, mask)
        torch.testing.assert_close(memory.keys, alone.keys)
        torch.testing.assert_close(memory.values, alone.values)
        assert memory.mask is mask


def test_what_is_asked_without_a_gradient_goes_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "softmax_read", None)
    attention, X = attention_of("query-key"), torch.randn(B, N, D).double()
    with torch.no_grad():
        wanted = attention(X, attention.remember(X))[0]
        torch.testing.assert_close(sentences.read_own(attention, X), wanted)


def test_of_long_rows_A_is_not_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "softmax_read", None)
    monkeypatch.setattr(kernels, "EXPLICIT_CELLS", H * N * N - 1)
    attention, X = attention_of("query-key"), torch.randn(B, N, D).double()
    torch.testing.assert_close(sentences.read_own(attention, X), attention(X, attention.remember(X))[0])


@pytest.mark.parametrize("m", [9, 31])
def test_bfloat16_is_as_near_as_its_numbers(m: int) -> None:
    attention = attention_of("query-key").float()
    X, Z = torch.randn(B, N, D), torch.randn(B, m, D)
    mask = torch.rand(B, 1, 1, m) > 0.3
    wanted = sentences.read(attention, X, attention.remember(Z, mask))
    attention.bfloat16()
    got = sentences.read(attention, X.bfloat16(), attention.remember(Z.bfloat16(), mask))
    assert float((got.float() - wanted).detach().norm() / wanted.detach().norm()) < 0.01

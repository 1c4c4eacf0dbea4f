"""The loss over a large vocabulary, rows at a time, is the loss of all logits at once."""

from __future__ import annotations

import pytest
import torch

from axw.equation.whole_blocks import whole_blocks
from axw.errors import UsageError
from axw.learning import projected
from axw.learning.losses import cross_entropy
from axw.learning.projected import Taught, projected_cross_entropy


@pytest.mark.parametrize("count", [41, 263])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("biased", [False, True])
def test_rows_at_a_time_is_all_at_once(
    count: int, smoothing: float, biased: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projected, "_ROWS", 7)
    monkeypatch.setattr(projected, "_HELD", 17)
    torch.manual_seed(0)
    shapes = [(count, 5), (13, 5), (13,)]
    hidden, projection, bias = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)
    target = torch.randint(0, 13, (count,))
    leaves = [hidden, projection, bias] if biased else [hidden, projection]
    one = projected_cross_entropy(hidden, projection, target, bias=bias if biased else None, smoothing=smoothing)
    logits = hidden @ projection.T + (bias if biased else 0.0)
    other = cross_entropy(logits, target, smoothing=smoothing)
    assert one.count == other.count == count
    torch.testing.assert_close(one.sum, other.sum)
    for got, wanted in zip(
        torch.autograd.grad(2 * one.sum, leaves), torch.autograd.grad(2 * other.sum, leaves), strict=True
    ):
        torch.testing.assert_close(got, wanted)


def _some_q(rows: int, words: int) -> torch.Tensor:
    return torch.softmax(torch.randn(rows, words, dtype=torch.float64), -1)


@pytest.mark.parametrize("count", [41, 263])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_what_teachers_hold_likely_is_asked_for_as_by_all_logits_at_once(
    count: int, share: float, smoothing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projected, "_ROWS", 7)
    monkeypatch.setattr(projected, "_HELD", 17)
    torch.manual_seed(0)
    hidden, projection, bias = (
        torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in [(count, 5), (13, 5), (13,)]
    )
    target, q = torch.randint(0, 13, (count,)), _some_q(count, 13)
    leaves, taught = [hidden, projection, bias], Taught(share, lambda part: whole_blocks(q)[part])
    one = projected_cross_entropy(hidden, projection, target, bias=bias, smoothing=smoothing, taught=taught)
    logits = hidden @ projection.T + bias
    said = cross_entropy(logits, target, smoothing=smoothing).sum
    other = (1 - share) * said - share * (q * torch.log_softmax(logits, -1)).sum()
    torch.testing.assert_close(one.sum, other)
    for got, wanted in zip(torch.autograd.grad(one.sum, leaves), torch.autograd.grad(other, leaves), strict=True):
        torch.testing.assert_close(got, wanted)
    with torch.no_grad():
        alike = projected_cross_entropy(hidden, projection, target, bias=bias, smoothing=smoothing, taught=taught)
    torch.testing.assert_close(alike.sum, other)


def test_a_teacher_who_is_certain_of_the_target_asks_for_it_alone() -> None:
    torch.manual_seed(0)
    hidden, projection, target = torch.randn(11, 5, requires_grad=True), torch.randn(7, 5), torch.randint(0, 7, (11,))
    certain = torch.nn.functional.one_hot(target, 7).float()
    taught = projected_cross_entropy(
        hidden, projection, target, smoothing=0.1, taught=Taught(1.0, lambda part: certain[part])
    )
    plain = projected_cross_entropy(hidden, projection, target)
    torch.testing.assert_close(taught.sum, plain.sum)
    torch.testing.assert_close(*(torch.autograd.grad(found.sum, hidden)[0] for found in (taught, plain)))


def test_bfloat16_is_as_near_as_its_numbers() -> None:
    torch.manual_seed(0)
    hidden, projection = torch.randn(301, 64), torch.randn(1009, 64) * 0.2
    target = torch.randint(0, 1009, (301,))
    exact = [hidden.requires_grad_(), projection.requires_grad_()]
    rounded = [t.detach().bfloat16().requires_grad_() for t in exact]
    wanted, got = (projected_cross_entropy(h, p, target, smoothing=0.1) for h, p in (exact, rounded))
    assert got.mean == pytest.approx(wanted.mean, rel=2e-3)
    for a, b in zip(torch.autograd.grad(got.sum, rounded), torch.autograd.grad(wanted.sum, exact), strict=True):
        assert float((a.float() - b).norm() / b.norm()) < 0.01


def test_without_gradients_none_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projected, "_Gradients", None)
    with torch.no_grad():
        found = projected_cross_entropy(
            torch.zeros(3, 2, requires_grad=True), torch.zeros(5, 2, requires_grad=True), torch.tensor([0, 1, 4])
        )
    assert found.mean == pytest.approx(torch.log(torch.tensor(5.0)).item())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_word_that_is_next_to_impossible_costs_much_and_not_infinitely_much(smoothing: float) -> None:
    hidden, projection = torch.tensor([[1.0, 0.0]], requires_grad=True), torch.tensor([[200.0, 0.0], [0.0, 1.0]])
    found = projected_cross_entropy(hidden, projection, torch.tensor([1]), smoothing=smoothing)
    found.sum.backward()
    assert 70 < found.mean <= 200
    torch.testing.assert_close(hidden.grad, torch.tensor([[200.0 * (1 - smoothing / 2), smoothing / 2 - 1]]))


def test_wrong_shapes_are_said() -> None:
    with pytest.raises(UsageError, match=r"hidden has shape \(3, 2\), projection \(5, 4\), target \(3,\)"):
        projected_cross_entropy(torch.zeros(3, 2), torch.zeros(5, 4), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(UsageError, match="smoothing is 1.0"):
        projected_cross_entropy(torch.zeros(3, 2), torch.zeros(5, 2), torch.zeros(3, dtype=torch.int64), smoothing=1.0)
    with pytest.raises(UsageError, match=r"The taught share is 1\.5; allowed: 0 to 1\."):
        projected_cross_entropy(
            torch.zeros(3, 2),
            torch.zeros(5, 2),
            torch.zeros(3, dtype=torch.int64),
            taught=Taught(1.5, lambda part: torch.zeros(3, 5)),
        )

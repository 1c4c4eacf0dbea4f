import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from axw.errors import UsageError
from axw.learning import Measured, binary_cross_entropy, cross_entropy, squared_error
from axw.learning.randomness import generator


def test_mean():
    assert Measured(torch.tensor(6.0), 4).mean == 1.5
    assert Measured(torch.tensor(0.0), 0).mean == 0.0


@given(st.integers(0, 50), st.sampled_from([0.0, 0.1, 0.5]))
def test_cross_entropy_is_its_formula_and_leaves_padding_out(seed, smoothing):
    random = generator(seed, "test")
    logits = torch.randn(2, 5, 7, generator=random, dtype=torch.float64)
    target = torch.randint(0, 7, (2, 5), generator=random)
    got = cross_entropy(logits, target, smoothing=smoothing, padding=0)
    log_p = logits.log_softmax(-1)
    want, count = 0.0, 0
    for i in range(2):
        for j in range(5):
            y = int(target[i, j])
            if y != 0:
                want -= float((1 - smoothing) * log_p[i, j, y] + smoothing / 7 * log_p[i, j].sum())
                count += 1
    assert got.count == count
    assert math.isclose(float(got.sum), want, rel_tol=1e-12, abs_tol=1e-12)


def test_cross_entropy_without_padding_counts_all():
    assert cross_entropy(torch.zeros(3, 2), torch.tensor([0, 1, 0])).count == 3


def test_all_padding_is_zero_of_zero_with_a_gradient():
    logits = torch.zeros(3, 2, requires_grad=True)
    got = cross_entropy(logits, torch.zeros(3, dtype=torch.int64), padding=0)
    got.sum.backward()
    assert (got.mean, got.count) == (0.0, 0)
    assert logits.grad is not None and not logits.grad.any()


def test_bfloat16_logits_are_added_up_in_float32():
    logits = torch.randn(11, 7, generator=generator(1, "test")).bfloat16()
    target = torch.arange(11) % 7
    assert cross_entropy(logits, target).sum.dtype == torch.float32
    torch.testing.assert_close(cross_entropy(logits, target).sum, cross_entropy(logits.float(), target).sum)


def test_binary_and_squared_error_are_their_formulas():
    z, y, s = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([1.0, 0.0, 0.25]), torch.tensor([1.0, 2.0, 3.0])
    want = sum(float(w) * (math.log1p(math.exp(a)) - float(b) * float(a)) for a, b, w in zip(z, y, s, strict=True))
    assert math.isclose(float(binary_cross_entropy(z, y, s).sum), want, rel_tol=1e-6)
    assert binary_cross_entropy(z, y).count == 3
    assert float(squared_error(z, y, s).sum) == pytest.approx(1 + 2 + 3 * 0.0625)
    assert float(squared_error(z, y).sum) == pytest.approx(1 + 1 + 0.0625)


def test_errors_say_what_is_allowed():
    with pytest.raises(UsageError, match=r"logits have shape \(3, 2\), targets \(4,\); allowed: logits \(..., V\)"):
        cross_entropy(torch.zeros(3, 2), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(UsageError, match="smoothing is 1.0; allowed: 0 or more, below 1"):
        cross_entropy(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64), smoothing=1.0)
    with pytest.raises(UsageError, match=r"shapes \(3,\), \(3, 1\); allowed: one shape for all"):
        squared_error(torch.zeros(3), torch.zeros(3, 1))
    with pytest.raises(UsageError, match="binary_cross_entropy"):
        binary_cross_entropy(torch.zeros(3), torch.zeros(3), torch.zeros(2))

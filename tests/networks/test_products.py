"""Products with weights laid out once, against X W' + b + what they are added to; with oneDNN's order of them and without."""

from __future__ import annotations

import platform
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from axw.networks.products import Linear, Packed, WholeNumbers, laid_out


@pytest.mark.parametrize("machine", [platform.machine(), "elsewhere"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("rows", [1, 2, 71])
@pytest.mark.parametrize("biased", [False, True])
def test_they_are_the_plain_product(
    machine: str, precision: Any, rows: int, biased: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    generator = torch.Generator().manual_seed(rows)
    X, W, b, onto = (torch.randn(*shape, generator=generator) for shape in [(rows, 37), (53, 37), (53,), (rows, 53)])
    bias = b if biased else None
    made = laid_out(precision, W, bias)
    if machine == "elsewhere":
        assert not isinstance(made, Packed)
    kind, most = (torch.bfloat16, 0.2) if precision == "bf16" else (torch.float32, 1e-4 if precision == "fp32" else 0.3)
    wanted = F.linear(X, W, bias)
    found, added = made(X.to(kind)), made(X.to(kind), onto.to(kind))
    assert found.dtype == added.dtype == kind
    torch.testing.assert_close(found.float(), wanted, rtol=0, atol=most)
    torch.testing.assert_close(added.float(), wanted + onto, rtol=0, atol=most)


def test_what_is_added_to_stays_as_it_is() -> None:
    W, X, onto = torch.randn(5, 3), torch.randn(1, 3), torch.zeros(1, 5)
    for made in (laid_out("fp32", W), laid_out("int8", W), Linear(W, None)):
        made(X, onto)
        made(X.expand(4, 3).contiguous(), onto.expand(4, 5).contiguous())
        assert not onto.any()


@pytest.mark.parametrize("biased", [False, True])
def test_whole_numbers_are_the_same_by_both_products(biased: bool) -> None:
    """oneDNN's product of unsigned rows, for many, against the plain one: bit for bit, the largest numbers among them."""
    generator = torch.Generator().manual_seed(2)
    X, W, b = (torch.randn(*shape, generator=generator) for shape in [(37, 67), (4099, 67), (4099,)])
    X[3], X[5] = X[3].sign(), 0.0
    W[7] = W[7].sign()
    made = laid_out("int8", W, b if biased else None)
    assert isinstance(made, WholeNumbers)
    plain, onto = made._replace(packed=None), torch.randn(37, 4099, generator=generator)
    assert torch.equal(made(X), plain(X))
    assert torch.equal(made(X, onto), plain(X, onto))
    alone = torch.cat([made(row, into) for row, into in zip(X.split(1), onto.split(1), strict=True)])
    torch.testing.assert_close(alone, made(X, onto), rtol=1e-6, atol=1e-5)

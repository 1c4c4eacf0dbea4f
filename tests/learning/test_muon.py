"""Muon: updates whose singular values are equal; matrices of products by Muon, everything else by Adam."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from axw.equation import General
from axw.learning import OptimizerSettings
from axw.learning.muon import Muon, orthogonal
from axw.learning.optimizers import load_optimizer, make_optimizer, optimizer_tensors
from axw.learning.parameters import FlatParameters, Leaves


@pytest.mark.parametrize("shape", [(3, 7, 11), (2, 11, 7), (5, 13, 13)])
def test_singular_values_come_out_near_one_and_directions_stay(shape):
    M = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonal(M)
    values = torch.linalg.svdvals(found)
    assert found.shape == M.shape
    assert values.max() < 1.3 and values.min() > 0.3
    U, _, V = torch.linalg.svd(M, full_matrices=False)
    # U' (U S V') V = S: what is not on the diagonal would be another direction.
    inside = U.mT @ found @ V.mT
    torch.testing.assert_close(inside, torch.diag_embed(inside.diagonal(dim1=-2, dim2=-1)), atol=1e-4, rtol=0)


def test_bfloat16_finds_about_the_same_directions():
    M = torch.randn(3, 17, 29, generator=torch.Generator().manual_seed(2))
    plain, fast = orthogonal(M), orthogonal(M, torch.bfloat16)
    assert fast.dtype == M.dtype
    assert torch.linalg.matrix_norm(plain - fast).max() < 0.1 * torch.linalg.matrix_norm(plain).min()


def test_nothing_stays_nothing():
    assert torch.equal(orthogonal(torch.zeros(2, 3, 5)), torch.zeros(2, 3, 5))


def test_together_is_one_after_the_other():
    M = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(orthogonal(M), torch.cat([orthogonal(one[None]) for one in M]), atol=1e-6, rtol=1e-5)


def test_one_matrix_is_updated_as_pytorch_does_it():
    """PyTorch's Muon computes in bfloat16: equal to its precision."""
    W, gradients = (
        torch.randn(13, 7),
        [torch.randn(13, 7, generator=torch.Generator().manual_seed(i)) for i in range(3)],
    )
    ours, theirs = W.clone().requires_grad_(), W.clone().requires_grad_()
    mine = Muon([{"params": [ours], "orthogonal": True, "weight_decay": 0.1}])
    reference = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    mine.param_groups[0]["lr"] = 0.02
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        reference.step()
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=0)


def test_what_is_no_matrix_of_a_product_is_updated_by_adamw():
    first = [torch.randn(7), torch.randn(11, 3)]
    ours, theirs = ([t.clone().requires_grad_() for t in first] for _ in range(2))
    mine = Muon([{"params": ours, "weight_decay": 0.1}], betas=(0.9, 0.98), eps=1e-9)
    reference = torch.optim.AdamW(theirs, lr=0.01, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.1)
    mine.param_groups[0]["lr"] = 0.01
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        mine.step()
        reference.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=1e-6)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Parameter(torch.randn(23, 5))
        self.first, self.score = nn.Linear(5, 7), General(7, rank=3)


def test_products_are_told_from_tables_and_vectors():
    leaves = FlatParameters(Network()).leaves("products")
    assert sorted(tuple(p.shape) for p in leaves.products) == [(7, 3), (7, 3), (7, 5)]
    assert [p.ndim for p in (*leaves.tables, *leaves.vectors)] == [1, 1]
    assert leaves.tables[0].numel() >= 23 * 5 and leaves.vectors[0].numel() >= 7


def test_what_it_remembers_is_saved_and_loaded_to_the_bit():
    torch.manual_seed(0)
    settings = OptimizerSettings(name="muon", weight_decay=0.01)

    def leaves() -> Leaves:
        return Leaves([torch.ones(5, 3)], [torch.ones(7, 2)], [torch.ones(3)])

    def gradients(found: Leaves, seed: int) -> None:
        torch.manual_seed(seed)
        for p in (*found.products, *found.tables, *found.vectors):
            p.grad = torch.randn_like(p)

    one, other = leaves(), leaves()
    first = make_optimizer(settings, one)
    gradients(one, 1)
    first.step()
    second = make_optimizer(settings, other)
    for a, b in zip(
        (*one.products, *one.tables, *one.vectors), (*other.products, *other.tables, *other.vectors), strict=True
    ):
        b.data.copy_(a.data)
    load_optimizer(second, {name: t.clone() for name, t in optimizer_tensors(first).items()})
    for optimizer, found in ((first, one), (second, other)):
        gradients(found, 2)
        optimizer.step()
    for a, b in zip(
        (*one.products, *one.tables, *one.vectors), (*other.products, *other.tables, *other.vectors), strict=True
    ):
        assert torch.equal(a, b)

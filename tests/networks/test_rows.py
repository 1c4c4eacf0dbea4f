"""The network of a table: merged members equal their mean, related rows equal a mask over all rows."""

from __future__ import annotations

import pytest
import torch

from axw.equation import masks
from axw.errors import UsageError
from axw.networks import Reachable, RowNetwork, RowSettings, RowsToRead, merge

N, M, D, E, C = 5, 11, 3, 7, 2


def question(*parts: Reachable) -> RowsToRead:
    generator = torch.Generator().manual_seed(1)
    X, keys, Z = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((N, D), (M, D), (M, E)))
    return RowsToRead(X, keys, Z, parts)


@pytest.mark.parametrize("kind", [None, "relu", "swiglu"])
def test_merged_members_answer_the_mean_of_the_members(kind):
    settings = RowSettings(parts=2, heads=3, rank=2, feedforward=kind, width=13)
    members = [RowNetwork(D, E, C, settings, seed).double() for seed in range(3)]
    for member in members:
        torch.nn.init.normal_(member.own.weight)
    rows = question(Reachable(), Reachable(torch.randint(M, (N, 4)), torch.rand(N, 4) > 0.3))
    with torch.no_grad():
        mean = torch.stack([member(rows) for member in members]).mean(0)
        torch.testing.assert_close(merge(members)(rows), mean)


@pytest.mark.parametrize("score", ["query-key", "bilinear"])
def test_a_list_of_related_rows_equals_a_mask_over_all(score):
    network = RowNetwork(D, E, C, RowSettings(score=score), seed=1).double()
    index = torch.stack([torch.randperm(M)[:4] for _ in range(N)])
    real = torch.rand(N, 4) > 0.3
    mask = torch.zeros(N, M, dtype=torch.bool).scatter(1, index, real)
    weight = torch.randn(M, dtype=torch.float64)
    few = network(question(Reachable(index, real, weight[index])))
    torch.testing.assert_close(few, network(question(Reachable(None, mask, weight.expand(N, M)))))


def test_without_a_softmax_the_row_itself_is_left_out_and_A_is_never_formed():
    network = RowNetwork(D, E, C, RowSettings(normalize="none", rank=1), seed=1).double()
    rows = question(Reachable())
    assert network.own is None
    assert network.read(rows)[0][1] is None
    everyone = question(Reachable(None, torch.ones(N, M, dtype=torch.bool)))
    torch.testing.assert_close(network(rows), network(everyone))


def test_output_is_own_columns_plus_A_times_values():
    network = RowNetwork(D, E, C, RowSettings(heads=2), seed=1).double()
    rows = question(Reachable(None, masks.others(M)[0, 0, :N]))
    A = network.read(rows)[0][1]
    by_hand = network.bias + network.own(rows.X) + torch.einsum("nhm,me,hec->nc", A, rows.Z, network.values(0))
    torch.testing.assert_close(network(rows), by_hand)


def test_gradients_reach_every_weight():
    network = RowNetwork(D, E, C, RowSettings(feedforward="geglu", heads=2), seed=1).double()
    network(question(Reachable())).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


def test_unknown_score_says_what_is_allowed():
    with pytest.raises(
        UsageError, match="Unknown score 'query_key'.\nAllowed: bilinear, metric, query-key. Did you mean 'query-key'?"
    ):
        RowNetwork(D, E, C, RowSettings(score="query_key"))


def test_an_outlier_draws_no_more_attention_than_a_row_at_the_edge():
    network = RowNetwork(D, E, C, RowSettings(), seed=1).double()
    rows = question(Reachable())
    far = rows._replace(X=rows.X.sign() * 1e6)
    edge = rows._replace(X=rows.X.sign() * 4.0)
    torch.testing.assert_close(network.read(far)[0][0], network.read(edge)[0][0])

"""Two ways, one answer: the equation against naive loops, every kernel against the plain one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from axw.equation import Attention, Dot, General, Memory, QueryKey, append, attend, gather, kernels, masks, normalize
from axw.equation.attention import join
from axw.errors import UsageError

B, H, N, M, D, K, V, O = 2, 3, 5, 7, 11, 13, 17, 19  # noqa: E741  every axis a prime of its own


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def query_key(normalize: str = "softmax", value: int = V) -> Attention:
    score = QueryKey(D, K, heads=H)
    return Attention(score, nn.Linear(D, H * value), nn.Linear(H * value, O), normalize=normalize).double()


def rows(n: int, batch: int = B) -> torch.Tensor:
    return torch.randn(batch, n, D, dtype=torch.float64)


def naive(attention: Attention, X, Z, mask):
    """Softmax attention as three loops, from the formula."""
    score, heads = attention.score, attention.score.heads
    Q, Ks, Vs = score.query(X), score.key(Z), attention.value(Z)
    read = torch.zeros(B, N, heads * V, dtype=torch.float64)
    for b in range(B):
        for h in range(heads):
            for i in range(N):
                q = Q[b, i, h * K : (h + 1) * K]
                weight = [
                    math.exp(q @ Ks[b, j, h * K : (h + 1) * K] / math.sqrt(K)) if mask[b, i, j] else 0.0
                    for j in range(M)
                ]
                total = sum(weight) or 1.0
                for j in range(M):
                    read[b, i, h * V : (h + 1) * V] += weight[j] / total * Vs[b, j, h * V : (h + 1) * V]
    return attention.out(read)


def test_attention_is_the_formula():
    attention, X, Z = query_key(), rows(N), rows(M)
    mask = torch.rand(B, N, M) > 0.3
    mask[0, 1] = False
    with torch.no_grad():
        Y, A = attention(X, attention.remember(Z), mask[:, None])
        torch.testing.assert_close(Y, naive(attention, X, Z, mask))
    assert A.shape == (B, H, N, M)
    torch.testing.assert_close(A.sum(-1), mask.any(-1).double()[:, None].expand(B, H, N))


def test_no_A_is_the_identity():
    X = torch.randn(B, H, N, V)
    torch.testing.assert_close(attend(None, X), attend(torch.eye(N).expand(B, H, N, N), X))


@pytest.mark.parametrize("how", ["softmax", "softmax-or-nothing", "none"])
def test_a_row_that_may_read_nothing_gets_zero_and_a_finite_gradient(how):
    scores = torch.randn(B, H, N, M, requires_grad=True)
    mask = torch.ones(B, 1, N, M, dtype=torch.bool)
    mask[:, :, 2] = False
    A = normalize(scores, mask, how)
    assert (A[:, :, 2] == 0).all()
    A.square().sum().backward()
    assert scores.grad.isfinite().all()


def test_softmax_or_nothing_is_softmax_with_one_more_place_of_score_zero():
    scores = 30 * torch.randn(B, H, N, M, dtype=torch.float64)
    mask = torch.rand(B, 1, N, M) > 0.4
    more = torch.cat([scores.masked_fill(~mask, -torch.inf), torch.zeros(B, H, N, 1, dtype=torch.float64)], -1)
    torch.testing.assert_close(normalize(scores, mask, "softmax-or-nothing"), more.softmax(-1)[..., :-1])


def test_extreme_scores_stay_finite():
    scores = torch.tensor([[[[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]]]], requires_grad=True)
    for how in ("softmax", "softmax-or-nothing"):
        A = normalize(scores, None, how)
        assert A.isfinite().all()
        assert torch.autograd.grad(A.sum(), scores)[0].isfinite().all()


def test_unknown_normalize_says_what_is_allowed():
    with pytest.raises(
        UsageError, match="Unknown normalize 'softmx'.\nAllowed: mean, none, softmax, .* Did you mean 'softmax'?"
    ):
        normalize(torch.zeros(1, 1, 2, 2), None, "softmx")


@pytest.mark.parametrize("masked", [False, True])
def test_fused_equals_plain(masked):
    attention, X, Z = query_key(), rows(N), rows(M)
    memory = attention.remember(Z)
    mask = torch.rand(B, 1, N, M) > 0.3 if masked else None
    if mask is not None:
        mask[1, :, 3] = False
    plain = attend(normalize(attention.score(X, memory.keys), mask), memory.values)
    torch.testing.assert_close(kernels.fused(attention.score.queries(X), memory, mask), plain)


def test_free_order_equals_plain_and_is_chosen_where_it_is_cheaper():
    attention = query_key("none", value=2)
    X, Z = rows(401), rows(409)
    memory = attention.remember(Z)
    assert kernels.choose(attention.score, memory, n=401, normalize="none", masked=False) == "associative"
    assert kernels.choose(attention.score, memory, n=401, normalize="none", masked=True) == "explicit"
    assert kernels.choose(attention.score, memory, n=401, normalize="softmax", masked=False) == "explicit"
    torch.testing.assert_close(attention.read(X, memory), attention(X, memory)[0])


def test_large_softmax_reads_by_the_fused_kernel_and_gives_the_same():
    attention = query_key(value=3).float()
    X, Z = rows(1201, 1).float(), rows(1213, 1).float()
    memory = attention.remember(Z)
    assert kernels.choose(attention.score, memory, n=1201, normalize="softmax", masked=False) == "fused"
    with torch.no_grad():
        torch.testing.assert_close(attention.read(X, memory), attention(X, memory)[0], atol=1e-5, rtol=1e-4)


def test_sparse_product_equals_dense():
    A = torch.rand(N, M, dtype=torch.float64) * (torch.rand(N, M) > 0.6)
    A[2] = 0
    X = torch.randn(M, D, dtype=torch.float64)
    row, index = A.nonzero(as_tuple=True)
    offsets = torch.searchsorted(row, torch.arange(N))
    torch.testing.assert_close(kernels.sparse_product(index, offsets, A[row, index], X), A @ X)


@pytest.mark.parametrize(
    "score", [Dot(), General(D), General(D, rank=3), QueryKey(D, K, heads=H), QueryKey(D, K, heads=H, bias=True)]
)
def test_scores_are_inner_products_of_queries_and_keys(score):
    score = score.double()
    X, Z = rows(N), rows(M)
    keys = score.keys(Z)
    torch.testing.assert_close(score(X, keys), score.queries(X) @ keys.mT)


def test_low_rank_general_is_query_key_times_root_of_the_rank():
    general, query_key = General(D, rank=K).double(), QueryKey(D, K).double()
    with torch.no_grad():
        query_key.query.weight.copy_(general.U.T)
        query_key.key.weight.copy_(general.V.T)
    X, Z = rows(N), rows(M)
    torch.testing.assert_close(general(X, general.keys(Z)), math.sqrt(K) * query_key(X, query_key.keys(Z)))


def test_gathered_memory_equals_a_mask_over_all_rows():
    attention = query_key("softmax-or-nothing")
    X, Z = rows(N, 1), rows(M, 1)
    index = torch.stack([torch.randperm(M)[:3] for _ in range(N)])
    real = torch.rand(N, 3) > 0.3
    mask = torch.zeros(N, M, dtype=torch.bool).scatter(1, index, real)
    memory = attention.remember(Z)
    Y, _ = attention(X, memory, mask[None, None])
    own, A = attention(X[0][:, None], gather(memory, index, real))
    torch.testing.assert_close(own[:, 0], Y[0])
    assert A.shape == (N, H, 1, 3)


def test_gather_refuses_a_batch():
    attention = query_key()
    with pytest.raises(ValueError, match="batch of 2"):
        gather(attention.remember(rows(M)), torch.zeros(N, 1, dtype=torch.long))


def test_a_memory_that_grows_equals_one_made_at_once():
    attention, Z = query_key(), rows(M)
    grown = append(attention.remember(Z[:, :3]), attention.remember(Z[:, 3:]))
    whole = attention.remember(Z)
    torch.testing.assert_close(grown.keys, whole.keys)
    torch.testing.assert_close(grown.values, whole.values)


def test_padded_sentence_equals_the_sentence_alone():
    attention, Z = query_key(), rows(M)
    lengths = torch.tensor([M, 4])
    Y, _ = attention(Z, attention.remember(Z, masks.padding(lengths, M)))
    alone, _ = attention(Z[1:, :4], attention.remember(Z[1:, :4]))
    torch.testing.assert_close(Y[1:, :4], alone)


def test_rows_permuted_answers_permuted():
    attention, X, Z = query_key(), rows(N), rows(M)
    order = torch.randperm(M)
    torch.testing.assert_close(attention(X, attention.remember(Z))[0], attention(X, attention.remember(Z[:, order]))[0])


def test_gradients_are_those_of_the_equation():
    for how in ("softmax", "softmax-or-nothing", "none"):
        attention = Attention(QueryKey(3, 2, heads=2), nn.Linear(3, 2), nn.Linear(2, 1), normalize=how).double()
        X = torch.randn(1, 4, 3, dtype=torch.float64, requires_grad=True)
        mask = masks.others(4)

        def answer(X, attention=attention, mask=mask):
            return attention(X, attention.remember(X), mask)[0]

        assert torch.autograd.gradcheck(answer, (X,))


def test_masks_say_who_may_read():
    assert masks.causal(2, 4, offset=1)[0, 0].tolist() == [[True, True, False, False], [True, True, True, False]]
    assert masks.padding(torch.tensor([2]), 3)[0, 0, 0].tolist() == [True, True, False]
    assert masks.window(torch.tensor([[1]]), 5, 1)[0, 0, 0].tolist() == [True, True, True, False, False]
    assert (masks.others(3)[0, 0] == ~torch.eye(3, dtype=torch.bool)).all()
    mask = masks.others(3)
    assert join(None, None) is None
    assert join(mask, None) is mask
    assert (join(mask, masks.causal(3, 3))[0, 0] == torch.ones(3, 3).tril(-1).bool()).all()


def test_attention_dropout_keeps_the_mean_and_stays_off_in_evaluation():
    attention = query_key()
    attention.dropout = 0.5
    X, memory = rows(N), attention.remember(rows(M))
    attention.eval()
    torch.testing.assert_close(attention(X, memory)[0], attention.read(X, memory))
    attention.train()
    # 4,000 draws: 20 batches in which every row stands 200 times.
    many, remembered = X.repeat(200, 1, 1), Memory(memory.keys.repeat(200, 1, 1, 1), memory.values.repeat(200, 1, 1, 1))
    draws = torch.stack([attention(many, remembered)[1] for _ in range(20)])
    mean = draws.unflatten(1, (200, -1)).mean((0, 1))
    attention.eval()
    torch.testing.assert_close(mean, attention(X, memory)[1], atol=0.03, rtol=0)


def test_constructor_has_five_settings_and_no_flags():
    import inspect

    assert list(inspect.signature(Attention).parameters) == ["score", "value", "out", "normalize", "dropout"]
    assert Memory._fields == ("keys", "values", "mask")

"""The whole network learns: gradients checked by differences, dropout where it belongs, a small task learnt to the end."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from axw.networks.luong import LuongNetwork, LuongSettings

TINY = LuongSettings(layers=1, d_model=3, d_embedding=2, window_width=2, dropout=0.0, longest=3, initial_range=0.5)


@pytest.mark.parametrize("score", ["dot", "general", "concat", "concat-paper", "location"])
@pytest.mark.parametrize("window", ["global", "local-p"])
def test_gradients_are_differences(score, window):
    network = LuongNetwork(replace(TINY, score=score, window=window), 7, 8, seed=2).double()
    source, target = torch.tensor([[5, 6, 5, 6], [6, 5, 0, 0]]), torch.tensor([[1, 5, 7], [1, 6, 5]])

    def answer(*parameters):
        return network.logits(network(source, target))

    assert torch.autograd.gradcheck(answer, tuple(network.parameters()), fast_mode=True)


@pytest.mark.parametrize("score", ["general", "concat"])
def test_deferred_gradients_are_plain_autograds_to_a_millionth(score, monkeypatch):
    """float32, the same loop over plain tensors: only the order of the sums differs."""
    settings = LuongSettings(layers=2, d_model=48, score=score, window="local-p", dropout=0.0)
    network, generator = LuongNetwork(settings, 13, 17, seed=1), torch.Generator().manual_seed(0)
    source, target = (torch.randint(5, 13, (6, n), generator=generator) for n in (11, 13))
    weights = [weight for name, weight in network.named_parameters() if name != "output"]
    mix = torch.randn(6, 13, 48, generator=generator)
    deferred = torch.autograd.grad((network(source, target) * mix).sum(), weights)
    monkeypatch.setattr("axw.networks.luong.Reused", lambda M: M)
    monkeypatch.setattr(network.cross, "reused_factors", network.cross.factors)
    plain = torch.autograd.grad((network(source, target) * mix).sum(), weights)
    for one, other in zip(deferred, plain, strict=True):
        assert (one - other).norm() < 1e-6 * other.norm()


def reversed_words(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Sentences of 3 to 6 words out of 8, with the end id 2, and the same words backwards after the start id 1."""
    source, target = torch.zeros(count, 7, dtype=torch.long), torch.zeros(count, 8, dtype=torch.long)
    for row, n in enumerate(torch.randint(3, 7, (count,), generator=generator).tolist()):
        words = torch.randint(5, 13, (n,), generator=generator)
        source[row, :n], source[row, n] = words, 2
        target[row, 0], target[row, 1 : n + 1], target[row, n + 1] = 1, words.flip(0), 2
    return source, target


@pytest.mark.slow
def test_a_small_task_is_learnt():
    generator = torch.Generator().manual_seed(0)
    settings = LuongSettings(layers=1, d_model=48, d_embedding=16, dropout=0.0, initial_range=0.2, reverse=False)
    network = LuongNetwork(settings, 13, 13, seed=0)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(180):
        source, target = reversed_words(32, generator)
        logits = network.logits(network(source, target[:, :-1]))
        loss = F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=0)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
    source, target = reversed_words(200, generator)
    with torch.no_grad():
        state, said = network.start(network.encode(source)), torch.ones(200, 1, dtype=torch.long)
        right = torch.ones(200, dtype=torch.bool)
        for t in range(1, target.shape[1]):
            found, state = network.step(said, state)
            said = found.argmax(-1)
            right &= (said[:, 0] == target[:, t]) | (target[:, t] == 0)
    assert right.float().mean() > 0.95


@pytest.mark.parametrize("feed", [True, False])
def test_dropout_is_in_training_alone(feed):
    network = LuongNetwork(replace(TINY, dropout=0.5, input_feeding=feed, layers=2), 7, 8, seed=2)
    source, target = torch.tensor([[5, 6, 5, 6]]), torch.tensor([[1, 5, 7]])
    torch.manual_seed(0)
    first, second = network(source, target), network(source, target)
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(network(source, target), first)
    network.eval()
    assert torch.equal(network(source, target), network(source, target))


def test_what_goes_from_step_to_step_is_never_dropped(monkeypatch):
    """With a dropout that drops everything a layer is left with its bias and its own past (Zaremba et al. 2015, section 3)."""
    monkeypatch.setattr("axw.networks.luong.dropout", lambda X, p, training: torch.zeros_like(X))
    network = LuongNetwork(replace(TINY, dropout=0.5, layers=2), 7, 8, seed=2)
    source, zero = network.encode(torch.tensor([[5, 6, 5, 6]])), torch.zeros(1, 3)
    assert (source.memory.values == 0).all()
    for layer, h, c in zip(network.encoder, source.hidden, source.cells, strict=True):
        H, C = layer(torch.zeros(4, 1, layer.e), zero, zero)
        torch.testing.assert_close(h[:, 0], H[-1])
        torch.testing.assert_close(c[:, 0], C[-1])
    state, after = network.start(source), list(zip(source.hidden, source.cells, strict=True))
    for word in (1, 5):
        _, state = network.step(torch.tensor([[word]]), state)
        for number, layer in enumerate(network.decoder):
            H, C = layer(torch.zeros(1, 1, layer.e), *(value[:, 0] for value in after[number]))
            after[number] = (H[:1].transpose(0, 1), C[:1].transpose(0, 1))
            torch.testing.assert_close(state.hidden[number], after[number][0])


@pytest.mark.parametrize("score", ["general", "concat"])
def test_bfloat16_stays_near_float32(score):
    settings = LuongSettings(layers=2, d_model=24, score=score, window="local-p", dropout=0.0)
    exact = LuongNetwork(settings, 13, 17, seed=1)
    rough = LuongNetwork(settings, 13, 17, seed=1).bfloat16()
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randint(5, 13, (4, n), generator=generator) for n in (9, 7))
    answer, near = exact(source, target), rough(source, target)
    assert near.dtype == torch.bfloat16
    torch.testing.assert_close(near.float(), answer, atol=0.02, rtol=0.1)
    answer.square().sum().backward()
    near.square().sum().backward()
    one, other = (
        torch.cat([w.grad.float().flatten() for n, w in x.named_parameters() if n != "output"]) for x in (exact, rough)
    )
    assert F.cosine_similarity(one, other, dim=0) > 0.99

"""Luong et al. 2015, two ways and one answer: batches and whole sentences against one word and one place at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from axw.errors import UsageError
from axw.networks.luong import LuongNetwork, LuongSettings, reversal
from tests.networks import luong_slow

SMALL = LuongSettings(
    layers=2, d_model=5, d_embedding=3, window_width=2, dropout=0.0, longest=4, initial_range=0.5, input_feeding=True
)
SCORES = ("dot", "general", "concat", "concat-paper", "location")
WINDOWS = ("global", "local-m", "local-p")
VARIANTS = [
    replace(SMALL, score=score, window=window, input_feeding=feed, reverse=feed)
    for score in SCORES
    for window in WINDOWS
    for feed in (True, False)
] + [replace(SMALL, score="none", input_feeding=False, reverse=reverse) for reverse in (True, False)]
VARIANTS += [replace(SMALL, reverse=False), replace(SMALL, input_feeding=False, reverse=True)]

SOURCES = [[5, 6, 7, 8, 9, 10, 11], [12, 5, 7], [6, 6, 9, 12, 8]]
TARGETS = [[1, 5, 9], [1, 16, 7, 8, 12, 5, 6, 9, 10, 11], [1]]


def name_of(s: LuongSettings) -> str:
    return f"{s.score} {s.window}{' feed' if s.input_feeding else ''}{' reverse' if s.reverse else ''}"


def padded(sentences: list[list[int]]) -> torch.Tensor:
    m = max(map(len, sentences))
    return torch.tensor([sentence + [0] * (m - len(sentence)) for sentence in sentences])


def network_of(settings: LuongSettings = SMALL) -> LuongNetwork:
    return LuongNetwork(settings, 13, 17, seed=3).double().eval()


@pytest.fixture(params=VARIANTS, ids=name_of)
def network(request) -> LuongNetwork:
    return network_of(request.param)


def test_forward_and_attention_are_the_paper_word_by_word(network):
    """Padded batches against each sentence alone, written out; the longest target says more than its source holds."""
    source, target = padded(SOURCES), padded(TARGETS)
    with torch.no_grad():
        answer, A = network(source, target), network.attention(source, target)
        for b, (x, y) in enumerate(zip(SOURCES, TARGETS, strict=True)):
            expected, weights = luong_slow.translate(network, x, y)
            torch.testing.assert_close(answer[b, : len(y)], expected)
            if weights is not None:
                torch.testing.assert_close(A["cross 1"][b, 0, : len(y), : len(x)], weights)
                assert (A["cross 1"][b, 0, :, len(x) :] == 0).all()
    assert set(A) == (set() if network.cross is None else {"cross 1"})


def test_gradients_are_those_of_the_paper_word_by_word(network):
    """Every weight's gradient, deferred or not, against plain autograd through single words."""
    readers = [(x, y) for x, y in zip(SOURCES, TARGETS, strict=True)]
    mix = torch.randn(3, 10, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    slow = sum((luong_slow.translate(network, x, y)[0] * mix[b, : len(y)]).sum() for b, (x, y) in enumerate(readers))
    expected = torch.autograd.grad(slow, list(network.parameters()), materialize_grads=True)
    real = (padded(TARGETS) != 0)[..., None]
    (network(padded(SOURCES), padded(TARGETS)) * mix * real).sum().backward()
    for (name, weight), gradient in zip(network.named_parameters(), expected, strict=True):
        found = torch.zeros_like(weight) if weight.grad is None else weight.grad
        torch.testing.assert_close(found, gradient, msg=lambda m, name=name: f"{name}: {m}")


def test_step_by_step_equals_all_at_once(network):
    source, target = padded(SOURCES), padded(TARGETS)
    with torch.no_grad():
        expected = torch.log_softmax(network.logits(network(source, target)).float(), -1)
        state = network.start(network.encode(source))
        for t in range(target.shape[1]):
            found, state = network.step(target[:, t : t + 1], state)
            assert found.dtype == torch.float32 and found.shape == (3, 1, 17)
            torch.testing.assert_close(found[:, 0], expected[:, t])
    assert state.said == target.shape[1]


def test_hypotheses_beside_each_other_equal_sentences_of_their_own(network):
    """Three hypotheses each, from the first step; then selected, dropped, doubled, and gone on with."""
    source = padded(SOURCES)
    first, second = torch.tensor([[1, 5, 6], [1, 7, 7], [1, 8, 9]]), torch.tensor([[10, 11], [12, 16]])
    sentences, parents = torch.tensor([2, 0]), torch.tensor([[1, 1], [0, 2]])
    with torch.no_grad():
        _, state = network.step(first, network.start(network.encode(source)))
        found, state = network.step(second, network.select(state, sentences, parents))
        for i, sentence in enumerate(sentences.tolist()):
            for j, parent in enumerate(parents[i].tolist()):
                said = torch.stack([first[sentence, parent], second[i, j]])[None]
                alone = network(source[sentence : sentence + 1], said)
                torch.testing.assert_close(found[i, j], torch.log_softmax(network.logits(alone)[0, 1].float(), -1))


def test_selecting_all_keeps_the_memory_where_it_is():
    network = network_of()
    state = network.start(network.encode(padded(SOURCES)))
    kept = network.select(state, torch.arange(3), torch.zeros(3, 2, dtype=torch.long))
    assert kept.memory.keys is state.memory.keys and kept.hidden[0].shape == (3, 2, 5)


def test_the_order_of_the_batch_does_not_matter(network):
    order = torch.tensor([2, 0, 1])
    source, target = padded(SOURCES), padded(TARGETS)
    with torch.no_grad():
        torch.testing.assert_close(network(source[order], target[order]), network(source, target)[order])


@pytest.mark.parametrize("window", WINDOWS)
def test_rows_of_A(window):
    """Global and local-m add up to 1; the Gaussian of local-p is not made up for."""
    network = network_of(replace(SMALL, window=window))
    total = network.attention(padded(SOURCES), padded(TARGETS)[:, :4])["cross 1"].sum(-1)
    if window == "local-p":
        assert (total < 1).all() and (total > 0).all()
    else:
        torch.testing.assert_close(total, torch.ones_like(total))


def test_a_window_beyond_the_source_reads_nothing_and_stays_finite():
    network = network_of(replace(SMALL, window="local-m"))
    A = network.attention(padded([[5, 6]]), padded([[1] * 9]))["cross 1"]
    assert (A[0, 0, 4:] == 0).all() and (A[0, 0, :4].sum(-1) > 0.999).all()
    network.logits(network(padded([[5, 6]]), padded([[1] * 9]))).sum().backward()
    assert all(weight.grad.isfinite().all() for weight in network.parameters())


def test_reversal_leaves_padding_and_is_undone_by_itself():
    source = padded(SOURCES)
    order = reversal((source != 0).sum(1), 7)
    turned = source.gather(1, order)
    assert turned.tolist() == padded([sentence[::-1] for sentence in SOURCES]).tolist()
    assert turned.gather(1, order).tolist() == source.tolist()


def test_reverse_is_the_turned_source_with_its_places_turned_back():
    forward, backward = (network_of(replace(SMALL, reverse=reverse)) for reverse in (False, True))
    source, target = padded(SOURCES), padded(TARGETS)
    turned = padded([sentence[::-1] for sentence in SOURCES])
    torch.testing.assert_close(forward(source, target), backward(turned, target))
    A, B = (network.attention(s, target)["cross 1"] for network, s in ((forward, source), (backward, turned)))
    for b, sentence in enumerate(SOURCES):
        torch.testing.assert_close(A[b, ..., : len(sentence)], B[b, ..., : len(sentence)].flip(-1))


def test_an_empty_source_is_finite():
    network = network_of()
    answer = network(padded([[], [5, 6]]), padded([[1, 5], [1, 6]]))
    network.logits(answer).sum().backward()
    assert answer.isfinite().all() and all(weight.grad.isfinite().all() for weight in network.parameters())


def test_the_loss_in_plain_numbers():
    network = network_of()
    x, y, expected = SOURCES[1], [1, 5, 6], [5, 6, 2]
    logits = network.logits(network(padded([x]), padded([y])))
    loss = F.cross_entropy(logits[0], torch.tensor(expected), reduction="sum")
    assert loss.item() == pytest.approx(luong_slow.loss_of(network, x, y, expected), rel=1e-10)


def test_the_seed_decides_the_first_weights_and_nothing_else_is_drawn():
    before = torch.get_rng_state()
    networks = [LuongNetwork(replace(SMALL, initial_range=0.1), 13, 17, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(before, torch.get_rng_state())
    first, same, other = (torch.cat([w.flatten() for w in network.parameters()]) for network in networks)
    assert torch.equal(first, same) and not torch.equal(first, other)
    assert first.abs().max() <= 0.1 and first.abs().max() > 0.099 and abs(first.mean()) < 0.01


@pytest.mark.parametrize("shared, count", [("none", 3), ("target", 2), ("all", 1)])
def test_shared_matrices(shared, count):
    network = LuongNetwork(replace(SMALL, d_embedding=None, shared=shared), 13, 13)
    assert sum(weight.shape[0] == 13 for weight in network.parameters()) == count


def test_errors_say_what_is_allowed():
    with pytest.raises(UsageError, match="score is 'generl'. Allowed: .* Did you mean 'general'?"):
        LuongSettings(score="generl")
    with pytest.raises(UsageError, match="window_width is 0; allowed: 1 or more. dropout is 1.0; allowed: 0 or more"):
        LuongSettings(window_width=0, dropout=1.0)
    with pytest.raises(UsageError, match="score is none with window global, input_feeding True; allowed without atten"):
        LuongSettings(score="none")
    with pytest.raises(UsageError, match="shared is 'target' with d_embedding 3, d_model 512; allowed: equal widths"):
        LuongSettings(shared="target", d_embedding=3)
    with pytest.raises(UsageError, match="shared is 'all' with 13 source and 17 target ids; allowed: one vocabulary"):
        LuongNetwork(LuongSettings(shared="all"), 13, 17)
    with pytest.raises(UsageError, match="initial_range is 0.0; allowed: above 0.\nIn the settings"):
        LuongSettings(initial_range=0.0)


def test_settings_go_to_json_and_back():
    from axw.learning.settings import from_dict, to_dict, with_settings

    settings = with_settings(SMALL, ["alignment_shift=output", "window=local-p", "d_embedding=none"])
    assert settings == replace(SMALL, alignment_shift="output", window="local-p", d_embedding=None)
    assert from_dict(LuongSettings, to_dict(settings)) == settings


def test_which_word_A_belongs_to():
    assert LuongSettings(score="location").aligned_word == "output"
    assert LuongSettings(score="general").aligned_word == "input"
    assert LuongSettings(score="dot", alignment_shift="output").aligned_word == "output"

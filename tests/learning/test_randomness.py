import torch
from hypothesis import given
from hypothesis import strategies as st

from axw.learning.randomness import generator, hash64, kept_generators, permutation, reseed

parts = st.lists(st.one_of(st.integers(-(2**70), 2**70), st.text(max_size=5)), max_size=4)


def test_hash64_is_the_same_for_ever():
    assert hash64(7, "dropout", 1, 2) == 7683529889813859895
    assert hash64() == 6510301506637419378


@given(parts, parts)
def test_hash64_tells_lists_apart(a, b):
    same = len(a) == len(b) and all(type(x) is type(y) and x == y for x, y in zip(a, b, strict=True))
    assert (hash64(*a) == hash64(*b)) is same
    assert 0 <= hash64(*a) < 2**63


def test_a_generator_is_a_function_of_its_counters():
    def draw(*counters):
        return torch.randn(3, generator=generator(1, "mask", *counters))

    assert torch.equal(draw(2, 3), draw(2, 3))
    assert not torch.equal(draw(2, 3), draw(3, 2))


def test_permutation_is_one_and_differs_by_epoch():
    first = permutation(17, seed=1, epoch=1)
    assert sorted(first.tolist()) == list(range(17))
    assert torch.equal(first, permutation(17, seed=1, epoch=1))
    assert not torch.equal(first, permutation(17, seed=1, epoch=2))
    assert not torch.equal(first, permutation(17, seed=2, epoch=1))


def test_reseed_decides_dropout_and_the_callers_generator_is_left_alone():
    torch.manual_seed(3)
    want = torch.rand(2)
    torch.manual_seed(3)
    with kept_generators():
        reseed(1, "step", 4)
        a = torch.nn.functional.dropout(torch.ones(20))
        reseed(1, "step", 4)
        assert torch.equal(a, torch.nn.functional.dropout(torch.ones(20)))
        assert not torch.equal(a, torch.nn.functional.dropout(torch.ones(20)))
    assert torch.equal(torch.rand(2), want)

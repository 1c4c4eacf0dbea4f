"""Steps by the faster way against the network's own: every form, every precision, alone and beside others, taken twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from axw.decoding import SearchSettings, score, search
from axw.equation import turns
from axw.errors import UsageError
from axw.networks.blocks import TransformerSettings
from axw.networks.luong import LuongNetwork
from axw.networks.luong_settings import LuongSettings
from axw.networks.products import whole
from axw.networks.steps import steps_of
from axw.networks.transformer import Transformer
from axw.networks.transformer_steps import TransformerSteps

TINY = TransformerSettings(d_model=14, layers=2, heads=2, d_ff=22, longest=64)
FORMS = [
    TINY,
    replace(TINY, norm_place="post", bias=True, attention_bias=True, shared="target", embedding_norm=True),
    replace(TINY, norm="rms", shared="none", feedforward="swiglu", output_bias=True, norm_epsilon=1e-3),
    replace(TINY, positions="learned", feedforward="none", decoder_layers=3),
    replace(TINY, positions="none", layers=0, decoder_layers=1, d_k=6, d_v=6),
    replace(TINY, positions="rotary", feedforward="geglu", d_k=6, d_v=6),
]
LUONG = LuongSettings(layers=2, d_model=11, d_embedding=7, shared="none", dropout=0.0)
LUONGS = [
    LUONG,
    replace(LUONG, input_feeding=False, score="dot", window="local-m", window_width=2),
    replace(LUONG, score="concat", window="local-p", window_width=2, reverse=False),
    replace(LUONG, score="none", input_feeding=False),
    replace(LUONG, score="location", longest=4),
]
SOURCE = torch.tensor([[7, 8, 9, 10, 2], [11, 5, 2, 0, 0], [6, 2, 0, 0, 0]])


def network(settings: TransformerSettings | LuongSettings) -> Any:
    kind: Any = Transformer if isinstance(settings, TransformerSettings) else LuongNetwork
    made = kind(settings, 17, 17, seed=3).eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in made.parameters():  # biases and norms that are not what they begin as
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    return made


def walk(decoder: Any, widths: tuple[int, ...] = (1, 3, 5, 2, 2, 1, 4), seed: int = 0) -> list[Tensor]:
    """log p of each step of a walk on which hypotheses are chosen, dropped and taken twice, and a sentence leaves."""
    generator = torch.Generator().manual_seed(seed)
    state, b, found = decoder.start(decoder.encode(SOURCE)), len(SOURCE), []
    for number, (w, after) in enumerate(zip(widths, [*widths[1:], 1], strict=True)):
        log_p, state = decoder.step(torch.randint(5, 17, (b, w), generator=generator), state)
        found.append(log_p)
        keep = torch.arange(b) if number != 3 else torch.tensor([2, 0])
        b = len(keep)
        state = decoder.select(state, keep, torch.randint(0, w, (b, after), generator=generator))
    return found


@pytest.mark.parametrize("settings", [*FORMS, *LUONGS], ids=str)
def test_steps_are_the_networks_own(settings: TransformerSettings | LuongSettings) -> None:
    model = network(settings)
    fast = steps_of(model)
    assert type(fast) is not type(model)
    for own, found in zip(walk(model), walk(fast), strict=True):
        torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [*FORMS, *LUONGS], ids=str)
def test_the_search_finds_the_same(settings: TransformerSettings | LuongSettings) -> None:
    """Word for word, greedily and with a beam, alone and beside others; and what it says of a hypothesis is what teacher forcing
    with the network itself says."""
    model = network(settings)
    lengths = (SOURCE != 0).sum(1).tolist()
    for beam in (1, 4):
        wanted = SearchSettings(beam=beam, nbest=beam, max_constant=6)
        own, fast = (
            search(d, d.start(d.encode(SOURCE)), wanted, source_lengths=lengths) for d in (model, steps_of(model))
        )
        for row, (mine, found) in enumerate(zip(own, fast, strict=True)):
            assert [h.ids for h in found] == [h.ids for h in mine]
            source = SOURCE[row : row + 1, : lengths[row]]
            alone = steps_of(model)
            again = search(alone, alone.start(alone.encode(source)), wanted, source_lengths=lengths[row : row + 1])[0]
            assert [h.ids for h in again] == [h.ids for h in found]
            with torch.no_grad():
                forced = score(model, model.start(model.encode(source)), [found[0].ids])[0]
            likely = forced.sum() if found[0].finished else forced[:-1].sum()
            assert found[0].log_probability == pytest.approx(float(likely), abs=1e-4)


@pytest.mark.parametrize(("precision", "most"), [("bf16", 0.15), ("int8", 0.15)])
@pytest.mark.parametrize("settings", [FORMS[0], FORMS[1], FORMS[2], LUONGS[0]], ids=str)
def test_other_precisions_are_near(settings: Any, precision: Any, most: float) -> None:
    model = network(settings)
    for own, found in zip(walk(model), walk(steps_of(model, precision)), strict=True):
        assert found.dtype == torch.float32
        assert float((found - own).detach().abs().max()) < most * float(own.detach().std() + 1)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_alone_is_beside_others(precision: Any) -> None:
    """A row's scale in int8 is its own: nobody else's words change an answer, but for rounding of sums."""
    fast = TransformerSteps(network(TINY), precision)
    tokens = torch.tensor([[5, 9], [7, 6], [12, 8]])
    copies = torch.zeros(3, 2, dtype=torch.int64)
    state = fast.select(
        fast.step(torch.ones(3, 1, dtype=torch.int64), fast.start(fast.encode(SOURCE)))[1], torch.arange(3), copies
    )
    together, _ = fast.step(tokens, state)
    for row in range(3):
        source = SOURCE[row][SOURCE[row] != 0][None]
        for place in range(2):
            alone = fast.step(torch.ones(1, 1, dtype=torch.int64), fast.start(fast.encode(source)))[1]
            log_p, _ = fast.step(tokens[row : row + 1, place : place + 1], alone)
            most = 1e-5 if precision == "fp32" else 0.1
            torch.testing.assert_close(log_p[0, 0], together[row, place], rtol=most, atol=most)


def test_a_state_is_a_value() -> None:
    """What is said after a state does not change what the state answers, although its rows share one room."""
    fast = TransformerSteps(network(TINY))
    state = fast.start(fast.encode(SOURCE))
    for _ in range(3):
        _, state = fast.step(torch.full((3, 1), 6), state)
    one, other = torch.full((3, 1), 9), torch.full((3, 1), 12)
    first, after = fast.step(one, state)
    second, _ = fast.step(other, state)
    further, _ = fast.step(one, after)
    again, after_again = fast.step(one, state)
    assert torch.equal(first, again) and not torch.equal(first, second)
    assert torch.equal(fast.step(one, after_again)[0], further)
    assert torch.equal(fast.step(one, after)[0], further)


def test_room_grows() -> None:
    model = network(TINY)
    for own, found in zip(walk(model, (4,) * 40), walk(steps_of(model), (4,) * 40), strict=True):
        torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-5)


def test_attention_is_the_networks_own() -> None:
    tokens = torch.full((3, 1), 6)
    for settings in (TINY, LUONG):
        model = network(settings)
        own, fast = (d.step_with_attention(tokens, d.start(d.encode(SOURCE))) for d in (model, steps_of(model)))
        for wanted, found in zip(own[:2], fast[:2], strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_places_beyond_those_that_are_kept() -> None:
    steps = TransformerSteps(network(replace(TINY, positions="rotary", d_k=6, d_v=6)))
    at_once = turns(1030, 6)
    for place, n in ((0, 5), (1023, 1), (1023, 2), (1025, 5)):
        torch.testing.assert_close(steps._turns(place, n), at_once[:, place : place + n])


def test_whole_numbers() -> None:
    X = torch.tensor([[1.0, -254.0, 63.0], [0.0, 0.0, 0.0], [1e-20, 3e-20, -2e-20]])
    X8, z = whole(X)
    assert X8.tolist() == [[0, -127, 32], [0, 0, 0], [42, 127, -85]] or X8[0].tolist() == [0, -127, 32]
    assert float((X8 * z - X).abs().max()) <= 1.0
    torch.manual_seed(0)
    X = torch.randn(7, 13)
    X8, z = whole(X)
    assert float((X8 * z - X).abs().max()) <= float(z.max()) / 2 + 1e-6


def test_what_is_not_known() -> None:
    for settings in (
        replace(TINY, positions="alibi"),
        replace(TINY, d_k=4, d_v=5),
        replace(TINY, heads=1, score="dot"),
    ):
        model = Transformer(settings, 17, 17).eval()
        assert steps_of(model) is model
        with pytest.raises(
            UsageError, match="precision is int8 for a network whose scores or places are of another kind"
        ):
            steps_of(model, "int8")
    with pytest.raises(UsageError, match="precision is 'fp8'; allowed: fp32, bf16, int8"):
        steps_of(network(TINY), "fp8")  # type: ignore[arg-type]
    learned = TransformerSteps(Transformer(replace(TINY, positions="learned", longest=4), 17, 17).eval())
    with pytest.raises(UsageError, match="A sentence has 5 pieces; learned positions know 4"):
        learned.encode(SOURCE)

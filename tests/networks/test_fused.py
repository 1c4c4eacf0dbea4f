"""Compiled steps against PyTorch's: every form, both tiles, alone and beside others, on one thread and on several."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from axw.decoding import SearchSettings, search
from axw.decoding.top import best
from axw.errors import Notice, UsageError
from axw.networks.fused import processor
from axw.networks.fused.__main__ import main
from axw.networks.products import laid_out, whole
from axw.networks.steps import steps_of
from axw.networks.transformer import Transformer
from axw.networks.transformer_steps import TransformerSteps
from tests.networks.test_steps import FORMS, SOURCE, TINY, network, walk

pytestmark = pytest.mark.skipif(not processor.usable("fp32"), reason="numba, or a processor that was measured")
PRECISIONS = ["fp32", *(["int8"] if processor.usable("int8") else [])]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("settings", FORMS, ids=str)
def test_they_are_pytorchs_up_to_rounding(settings: Any, precision: Any) -> None:
    """In int8 too: both round rows and weights to the same whole numbers."""
    model = network(settings)
    fast = steps_of(model, precision)
    assert type(fast).__name__ == "FusedSteps"
    for own, found in zip(walk(TransformerSteps(model, precision)), walk(fast), strict=True):
        torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["gelu", "swish", "relu2", "glu", "bilinear", "reglu"])
def test_each_activation(kind: str) -> None:
    model = network(replace(TINY, feedforward=kind))
    for own, found in zip(walk(model, (1, 3)), walk(steps_of(model), (1, 3)), strict=True):
        torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-5)


def test_rows_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from axw.networks.fused import steps

    model, before = network(TINY), torch.get_num_threads()
    monkeypatch.setattr(steps, "_ROWS_WORTH", 1)
    try:
        torch.set_num_threads(1)
        alone = walk(steps_of(model))
        torch.set_num_threads(3)
        shared = walk(steps_of(model))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(alone, shared, strict=True))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("rows", "k", "n"), [(1, 7, 3), (2, 64, 65), (5, 13, 130), (6, 4, 64), (7, 31, 17), (13, 66, 131)]
)
def test_products(precision: Any, rows: int, k: int, n: int) -> None:
    """Of any number of rows, inputs and outputs; whole numbers are the very same."""
    from numba import njit

    from axw.networks.fused.products import in_blocks, multiply

    @njit
    def multiplied(X: Any, product: Any, Y: Any, add: bool) -> None:
        multiply(X, product, 0, Y, add)

    generator = torch.Generator().manual_seed(rows)
    X, W, bias, onto = (torch.randn(*shape, generator=generator) for shape in ((rows, k), (n, k), (n,), (rows, n)))
    for add in (False, True):
        Y = onto.clone()
        multiplied(X.numpy(), in_blocks(precision, [W], [bias]), Y.numpy(), add)
        wanted = laid_out(precision, W, bias, "plain")(X, onto if add else None)
        torch.testing.assert_close(Y, wanted, rtol=1e-4, atol=1e-5)


def test_rows_of_zeros_and_of_what_is_no_number() -> None:
    from axw.networks.fused.products import _whole

    X = torch.tensor([[1.0, -254.0, 63.0], [0.0, 0.0, 0.0], [1e-20, 3e-20, -2e-20], [1.0, float("nan"), 2.0]])
    X8, z = _whole(X.numpy(), 4)
    wanted, scale = whole(X[:3])
    assert (X8[:3, :3].astype(int) - 128).tolist() == wanted.tolist() and z[:3].tolist() == scale[:, 0].tolist()
    assert np.isnan(z[3])


def test_a_model_whose_weights_are_not_finite_is_told() -> None:
    from axw.errors import NotFiniteError

    model = network(TINY)
    with torch.no_grad():
        model.layers[0].around_own.norm.weight[0] = float("nan")
    for precision in PRECISIONS:
        fast = steps_of(model, precision)  # type: ignore[arg-type]
        with pytest.raises(NotFiniteError, match="not a number"):
            search(fast, fast.start(fast.encode(SOURCE)), SearchSettings(beam=2), source_lengths=[5, 3, 2])


@given(st.data())
def test_the_likeliest(data: st.DataObject) -> None:
    """With many equal numbers, hypotheses that hold none, and ids that are never said: as `best` finds them, to the last bit."""
    from axw.networks.fused.likeliest import likeliest
    from axw.networks.fused.rows import log_softmax

    w, V = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 300))
    seed, several = data.draw(st.integers(0, 10**6)), data.draw(st.integers(1, 4))
    random = np.random.default_rng(seed)
    logits = random.integers(0, several, (w, V)).astype(np.float32)
    total = random.integers(-2, 1, w).astype(np.float64)
    total[random.random(w) < 0.2] = -np.inf
    never = [v for v in range(V) if random.random() < 0.1]
    k = min(data.draw(st.integers(1, 8)), w * V)
    found = np.empty(k), np.empty(k, np.int64), np.empty(k, np.int64)
    likeliest(logits, total, np.array(never, np.int64), *found)
    for row in logits:
        log_softmax(row)
    log_p = torch.from_numpy(logits)
    wanted = [x[0].numpy() for x in best(log_p[None], torch.from_numpy(total)[None], k, never)]
    real = wanted[0] > -np.inf
    assert found[0].tolist() == wanted[0].tolist()
    assert all(mine[real].tolist() == theirs[real].tolist() for mine, theirs in zip(found[1:], wanted[1:], strict=True))


@given(st.lists(st.floats(-90, 90, width=32), min_size=1, max_size=90))
def test_a_softmax(numbers: list[float]) -> None:
    from axw.networks.fused.rows import largest, log_softmax, softmax

    x = np.array(numbers, np.float32)
    A, log_p = x.copy(), x.copy()
    softmax(A)
    log_softmax(log_p)
    wanted = torch.softmax(torch.tensor(numbers, dtype=torch.float64), 0)
    assert largest(x) == x.max()
    np.testing.assert_allclose(A, wanted.numpy(), rtol=3e-5, atol=1e-30)
    np.testing.assert_allclose(log_p, wanted.log().numpy(), rtol=1e-5, atol=1e-5)


def test_one_search_for_both() -> None:
    """A decoder that finds the likeliest itself leads to the same hypotheses as one that writes all down."""

    class WritesAll:
        def __init__(self, steps: Any) -> None:
            self.step, self.select = steps.step, steps.select

    model = network(TINY)
    fast: Any = steps_of(model)
    for beam, never in ((1, ()), (3, (5, 6)), (40, (0, 1))):
        wanted = SearchSettings(beam=beam, nbest=beam, max_constant=6, min_length=2, never=never)
        one, other = (
            search(d, fast.start(fast.encode(SOURCE)), wanted, source_lengths=[5, 3, 2])
            for d in (fast, WritesAll(fast))
        )
        assert [[h.ids for h in own] for own in one] == [[h.ids for h in own] for own in other]


NARROW = "+avx,+avx2,+fma,+bmi,+bmi2,+sse4.2,+popcnt,+f16c,+lzcnt"


@pytest.mark.slow
@pytest.mark.parametrize("more", ["", ",+avx512f,+avx512vl,+avx512vnni"])
def test_narrow_tiles(more: str, tmp_path: Any) -> None:
    """As processors without registers of 512 bits have them."""
    if not {name[1:] for name in (NARROW + more).split(",")} <= processor.features():
        pytest.skip("a processor that has these")
    code = """
import torch
from axw.networks.fused import processor
from axw.networks.steps import steps_of
from axw.networks.transformer_steps import TransformerSteps
from tests.networks.test_steps import TINY, network, walk
assert processor.tile(processor.features()).lanes == 8
for precision in [p for p in ("fp32", "int8") if processor.usable(p)]:
    model = network(TINY)
    for own, found in zip(walk(TransformerSteps(model, precision)), walk(steps_of(model, precision))):
        torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-5)
    print(precision)
"""
    environment = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": NARROW + more, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.stdout.split() == ["fp32", *(["int8"] if more else [])], done.stderr


def test_which_processors() -> None:
    wide = frozenset({"avx512f", "avx512bw", "avx512vl", "avx2", "fma"})
    narrow = frozenset({"avx2", "fma"})
    assert processor.tile(wide) == (16, 4, 6) and processor.tile(narrow) == (8, 2, 6)
    assert processor.tile(frozenset({"neon"})) is None and processor.tile(frozenset()) is None
    assert processor.multiplies_whole(wide | {"avx512vnni"}) and not processor.multiplies_whole(wide | {"avxvnni"})
    assert processor.multiplies_whole(narrow | {"avxvnni"}) and not processor.multiplies_whole(narrow)


def test_without_numba_it_is_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert not processor.features() and not processor.usable("fp32")
    assert type(steps_of(network(TINY))) is TransformerSteps


def test_bf16_is_pytorch() -> None:
    assert type(steps_of(network(TINY), "bf16")) is TransformerSteps


def test_compiling_is_told_once() -> None:
    from numba import njit

    from axw.networks.fused.entries import compiling

    told = []
    with compiling(lambda: told.append(True)):
        njit(lambda x: x + 1)(1)
        njit(lambda x: x + 2)(1)
    njit(lambda x: x + 3)(1)
    assert told == [True]


def test_compiled_ahead(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    main()
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line.endswith(": compiled")] == [
        f"{precision}: compiled" for precision in PRECISIONS
    ]
    monkeypatch.setitem(sys.modules, "numba", None)
    main()
    assert capsys.readouterr().out.count("left to PyTorch: numba is not installed, or not for this processor") == 2


def test_compiled_steps_say_nothing() -> None:
    model = network(TINY)
    steps_of(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        steps_of(model)


def test_it_is_compiled_once_for_each_precision() -> None:
    """Whatever kind of numbers ids have, and in one piece or not: 20 seconds are enough."""
    from axw.networks.fused.entries import answered

    for settings in FORMS:
        for precision in PRECISIONS:
            fast: Any = steps_of(network(settings), precision)  # type: ignore[arg-type]
            for source in (SOURCE, SOURCE.int(), SOURCE.flip(0).T.contiguous().T):
                state = fast.start(fast.encode(source))
                search(fast, state, SearchSettings(beam=3, max_constant=4), source_lengths=[5, 5, 5])
                fast.step_with_attention(torch.ones(3, 1, dtype=torch.int32), state)
    assert len(answered.signatures) == len(PRECISIONS)


def test_a_full_disk_keeps_nothing_and_translates(monkeypatch: pytest.MonkeyPatch) -> None:
    """numba keeps a function after it is compiled, and says so where it cannot."""
    from axw.networks.fused import steps

    own, left = steps.answered, [OSError(28, "No space left on device")]

    def full(*given: Any) -> Any:
        found = own(*given)
        if left:
            raise left.pop()
        return found

    monkeypatch.setattr(steps, "answered", full)
    for own_step, found in zip(walk(network(TINY), (1, 3)), walk(steps_of(network(TINY)), (1, 3)), strict=True):
        torch.testing.assert_close(found, own_step, rtol=1e-4, atol=1e-5)
    assert not left


@pytest.mark.parametrize("token", [-1, 17, 10**9])
def test_ids_outside_the_vocabulary(token: int) -> None:
    """Compiled code would read what lies behind the words."""
    fast = steps_of(network(TINY))
    with pytest.raises(IndexError, match="An id outside the vocabulary"):
        fast.encode(torch.tensor([[5, token]]))
    with pytest.raises(IndexError, match="An id outside the vocabulary"):
        fast.step(torch.full((3, 1), token), fast.start(fast.encode(SOURCE)))


def test_places_that_are_not_known() -> None:
    learned: nn.Module = Transformer(replace(TINY, positions="learned", longest=4), 17, 17).eval()
    with pytest.raises(UsageError, match="A sentence has 5 pieces; learned positions know 4"):
        steps_of(learned).encode(SOURCE)

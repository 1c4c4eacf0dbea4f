"""What comes back is what was written, and what safetensors itself says; what lies is refused before it costs anything."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from axw.errors import ModelError, NotFiniteError, UsageError
from axw.storage.tensors import DTYPES, check_header, tensors_from_bytes, tensors_to_bytes
from tests.storage.hostile import headers, payloads


def sample(dtype: torch.dtype, shape: tuple[int, ...], seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=draw).to(dtype)
    return torch.randint(0, 2 if dtype is torch.bool else 100, shape, generator=draw).to(dtype)


tensors = st.dictionaries(
    st.text(min_size=1, max_size=9).filter(lambda name: name != "__metadata__" and name.isprintable()),
    st.builds(
        sample,
        st.sampled_from(list(DTYPES.values())),
        st.lists(st.integers(0, 5), max_size=4).map(tuple),
        st.integers(0, 99),
    ),
    max_size=6,
)


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a)


@given(tensors)
@settings(max_examples=60, deadline=None)
def test_there_and_back_and_as_the_library_reads_it(named: dict[str, Tensor]) -> None:
    data = tensors_to_bytes(named)
    assert same(tensors_from_bytes(data), named)
    assert same(safetensors.torch.load(data), named)
    assert same(tensors_from_bytes(safetensors.torch.save(named)), named)
    expected = {name: (t.dtype, tuple(t.shape)) for name, t in named.items()}
    assert same(tensors_from_bytes(data, expected), named)


def test_the_same_tensors_give_the_same_bytes() -> None:
    named = {"b": torch.arange(7.0), "a": torch.arange(5)}
    metadata = {str(i): "é" * i for i in range(9)}
    all_bytes = {
        tensors_to_bytes(dict(order), dict(texts))
        for order in (list(named.items()), list(named.items())[::-1])
        for texts in (list(metadata.items()), list(metadata.items())[::-1])
    }
    assert len(all_bytes) == 1
    data = all_bytes.pop()
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0 and json.loads(data[8 : 8 + length])["__metadata__"] == metadata
    assert same(tensors_from_bytes(data), named) and same(safetensors.torch.load(data), named)


def test_views_and_tied_tensors_are_written_as_they_look() -> None:
    W = torch.arange(21.0).reshape(3, 7)
    named = {"W": W, "tied": W, "transposed": W.T, "row": W[1], "every second": W[:, ::2], "last": W[2]}
    assert same(tensors_from_bytes(tensors_to_bytes(named)), named)


def test_parameters_with_gradients_can_be_written() -> None:
    W = torch.ones(3, requires_grad=True)
    read = tensors_from_bytes(tensors_to_bytes({"W": W}))["W"]
    assert not read.requires_grad and torch.equal(read, W.detach())


def test_what_is_read_may_be_changed() -> None:
    data = tensors_to_bytes({"W": torch.zeros(3)})
    tensors_from_bytes(data)["W"].add_(1)
    assert torch.equal(tensors_from_bytes(data)["W"], torch.zeros(3))


def test_dtypes_that_are_not_kept() -> None:
    with pytest.raises(
        UsageError, match="'W' is torch.strided, torch.complex64; allowed: strided and float64, float32"
    ):
        tensors_to_bytes({"W": torch.zeros(2, dtype=torch.complex64)})
    with pytest.raises(UsageError, match="'W' is torch.sparse_coo"):
        tensors_to_bytes({"W": torch.eye(2).to_sparse()})


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_not_finite(dtype: torch.dtype, value: float) -> None:
    named = {"good": torch.ones(2), "bad": torch.zeros(3, 5, dtype=dtype)}
    named["bad"][1, 2] = value
    with pytest.raises(NotFiniteError, match=r"Not finite: 'bad' \(1 of 15 numbers\)\.\nNothing was written") as caught:
        tensors_to_bytes(named)
    assert caught.value.exit_code == 5
    data = tensors_to_bytes(named, finite=False)
    with pytest.raises(ModelError, match=r"not finite: 'bad' \(1 of 15 numbers\)"):
        tensors_from_bytes(data)
    assert tensors_from_bytes(data, finite=False)["bad"].isfinite().sum() == 14


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_sum_that_overflows_is_not_taken_for_infinity(dtype: torch.dtype) -> None:
    named = {"large": torch.full((17,), torch.finfo(dtype).max, dtype=dtype)}
    assert same(tensors_from_bytes(tensors_to_bytes(named)), named)


def test_expected_names_each_difference() -> None:
    data = tensors_to_bytes({"W": torch.zeros(3, 5), "b": torch.zeros(5), "more": torch.zeros(1)})
    expected = {"W": (torch.float32, (3, 7)), "b": (torch.float64, (5,)), "scale": (torch.float32, (1,))}
    with pytest.raises(ModelError) as caught:
        tensors_from_bytes(data, expected)
    assert "missing: 'scale'; not expected: 'more'; another dtype or shape: " in caught.value.what
    assert "'W' is torch.float32 (3, 5), expected torch.float32 (3, 7)" in caught.value.what
    assert "Keep the configuration and the weights of one model together" in caught.value.todo


@pytest.mark.parametrize(
    "vocabulary, width, layers",
    [
        (10**9, 4, 1),
        (11, 10**9, 1),
        (11, 4, 10**4),
        (0, 4, 1),
        (11, 3, 1),
        (10, 4, 1),
        (12, 4, 1),
        (-11, 4, 1),
        (4, 11, 1),
    ],
)
def test_a_configuration_that_lies_is_refused_without_memory(vocabulary: int, width: int, layers: int) -> None:
    def expected(vocabulary: int, width: int, layers: int) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
        shapes = {"words": (vocabulary, width)} | {f"layer.{i}": (width, width) for i in range(layers)}
        return {name: (torch.float32, shape) for name, shape in shapes.items()}

    data = tensors_to_bytes({name: torch.zeros(shape) for name, (_, shape) in expected(11, 4, 1).items()})
    tensors_from_bytes(data, expected(11, 4, 1))
    with pytest.raises(ModelError, match="do not fit the configuration"):
        tensors_from_bytes(data, expected(vocabulary, width, layers))


HEADERS = headers()


@pytest.mark.parametrize("label", HEADERS)
def test_a_header_that_lies(label: str) -> None:
    data = HEADERS[label]
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="tensor file is damaged: |Not a safetensors file") as caught:
            tensors_from_bytes(data)
        grown = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.exit_code == 4 and caught.value.todo and len(caught.value.what) < 500
    assert grown < 64 << 20


def test_the_hostile_headers_are_near_a_good_one() -> None:
    """The cases above are refused for their lie, and not because of how the test builds them."""
    good = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    assert tensors_from_bytes(len(good).to_bytes(8, "little") + good + bytes(8))["a"].tolist() == [0, 0]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_change_is_read_or_refused_but_nothing_else(data: st.DataObject) -> None:
    good = bytearray(tensors_to_bytes({"W": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(3, dtype=torch.bool)}))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(good) - 1))
        good[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not good:
            break
    try:
        entries = check_header(bytes(good))
        read = tensors_from_bytes(bytes(good), finite=False)
    except ModelError:
        return
    assert {name: tuple(t.shape) for name, t in read.items()} == {name: e.shape for name, e in entries.items()}
    assert same(read, safetensors.torch.load(bytes(good))) or any(t.isnan().any() for t in read.values())


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ModelError):
        tensors_from_bytes(data)


def test_other_kinds_of_file_are_named(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    all_payloads = payloads(flag)
    for data in all_payloads.values():
        with pytest.raises(ModelError):
            tensors_from_bytes(data)
    for label, says in {
        "pickle, protocol 2": "a pickle",
        "torch.save": "a zip archive, as torch.save",
        "torch.save, old": "a pickle, as Python, joblib and old torch.save write it",
        "npz of objects": "a zip archive",
        "npy of objects": "a NumPy array",
        "gzip": "a gzip archive",
        "LFS pointer": "a Git LFS pointer; the file itself was not downloaded",
        "web page": "a web page",
    }.items():
        with pytest.raises(ModelError, match=f"begins like {says}.*cannot run code") as caught:
            tensors_from_bytes(all_payloads[label])
        assert "Ask for the weights as .safetensors" in caught.value.todo
    assert not flag.exists()

import pytest
import torch

from axw.errors import ModelError, UsageError
from axw.learning import average
from axw.learning.averaging import Ema, LastMean
from axw.learning.randomness import generator


def test_ema_is_its_formula():
    values = [torch.tensor([1.0, 2.0], dtype=torch.float64)]
    ema, want = Ema(values, 0.6), values[0].clone()
    for step in range(1, 20):
        values[0].add_(torch.randn(2, generator=generator(1, "ema", step), dtype=torch.float64))
        ema.update(values, step)
        d = min(0.6, (1 + step) / (10 + step))
        want = d * want + (1 - d) * values[0]
    torch.testing.assert_close(ema.values[0], want)


def test_last_mean_keeps_the_last_few():
    mean = LastMean(3)
    for i in range(5):
        mean.add([torch.full((2,), float(i))])
    assert mean.values[0].tolist() == [3.0, 3.0]
    assert len(mean.added) == 3


def test_average_of_checkpoints_keeps_dtype_and_takes_the_last_counter():
    states = [{"w": torch.full((2,), float(i)).bfloat16(), "n": torch.tensor(i)} for i in (1, 2, 6)]
    got = average(states)
    assert got["w"].tolist() == [3.0, 3.0] and got["w"].dtype == torch.bfloat16
    assert int(got["n"]) == 6


def test_average_errors():
    with pytest.raises(UsageError, match="0 checkpoints to average; allowed: 1 or more"):
        average([])
    with pytest.raises(ModelError, match="different tensors: v, w; allowed: checkpoints of one model"):
        average([{"w": torch.zeros(2)}, {"w": torch.zeros(3), "v": torch.zeros(1)}])

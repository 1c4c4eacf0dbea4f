import pytest
import torch
from torch import nn
from torch.nn import functional as F

from axw.errors import UsageError
from axw.learning import OptimizerSettings, ScheduleSettings, Trainer
from axw.learning.parameters import FlatParameters
from tests.learning.tiny import Net, Plain, batches, evaluate, loss, settings

ROUNDING = {torch.float64: 1e-12, torch.float32: 2e-6}


def by_hand(model, name, weight_decay, clip, rates):
    """The same training without any of ours: per-parameter tensors, mean loss, PyTorch's optimizer in its plain form."""
    plain = {"lr": 1.0, "foreach": False}
    kind = {
        "sgd": lambda g: torch.optim.SGD(g, momentum=0.5, **plain),
        "adam": lambda g: torch.optim.Adam(g, betas=(0.9, 0.98), eps=1e-9, **plain),
        "adamw": lambda g: torch.optim.AdamW(g, betas=(0.9, 0.98), eps=1e-9, **plain),
        "adafactor": lambda g: torch.optim.Adafactor(g, **plain),
    }[name]
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer, done = kind(groups), 0
    for epoch in range(1, 100):
        for batch in batches(epoch):
            if done == len(rates):
                return
            for group in optimizer.param_groups:
                group["lr"] = rates[done]
            optimizer.zero_grad()
            F.cross_entropy(model(batch.X), batch.y, label_smoothing=0.1).backward()
            norm = sum(float(p.grad.square().sum()) for p in model.parameters()) ** 0.5
            for p in model.parameters():
                p.grad.mul_(min(1.0, clip / norm))
            optimizer.step()
            done += 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "adafactor"])
def test_flat_training_equals_training_by_hand(name, dtype):
    ours, theirs = Plain(dtype=dtype), Plain(dtype=dtype)
    chosen = OptimizerSettings(name=name, weight_decay=0.05, momentum=0.5, clip=0.8)
    schedule = ScheduleSettings(name="constant", rate=0.02, warmup=7)
    Trainer(ours, loss, settings(optimizer=chosen, schedule=schedule, steps=25)).fit(batches)
    by_hand(theirs, name, 0.05, 0.8, [0.02 * min(1, step / 7) for step in range(1, 26)])
    for (n, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=ROUNDING[dtype] * 10, atol=ROUNDING[dtype], msg=n)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "adafactor"])
def test_bfloat16_learns_about_what_float32_learns(name):
    chosen = OptimizerSettings(name=name)
    rate = ScheduleSettings(rate=0.3 if name == "sgd" else 0.03, warmup=5)
    found = {}
    for precision in ("fp32", "bf16"):
        model = Plain()
        train = settings(optimizer=chosen, schedule=rate, steps=60, precision=precision, accumulate=2)
        Trainer(model, loss, train).fit(batches)
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        found[precision] = evaluate(model)["loss"]
    assert found["fp32"] < 0.75 < evaluate(Plain())["loss"]
    assert abs(found["bf16"] - found["fp32"]) < 0.03


def test_bfloat16_steps_smaller_than_its_rounding_are_not_lost():
    model = nn.Linear(3, 2, bias=False)
    nn.init.ones_(model.weight)
    train = settings(
        optimizer=OptimizerSettings(name="sgd", clip=None),
        schedule=ScheduleSettings(name="constant", rate=1e-4, warmup=0),
        precision="bf16",
        steps=40,
    )

    def push(model, batch):
        from axw.learning import Measured

        return Measured(model.weight.sum(), 1)

    Trainer(model, push, train).fit(lambda epoch: [0, 1])
    torch.testing.assert_close(model.weight.detach(), torch.full((2, 3), 1 - 40e-4))


def test_bfloat16_gives_buffers_back_as_they_were():
    model = Net()
    model.register_buffer("table", torch.tensor([1 / 3]))
    Trainer(model, loss, settings(precision="bf16", steps=3)).fit(batches)
    assert model.table.dtype == torch.float32 and torch.equal(model.table, torch.tensor([1 / 3]))
    assert model.norm.running_mean.dtype == torch.float32 and model.norm.running_mean.any()


def test_views_start_on_cache_lines_and_parameters_are_their_own_after_release():
    model = Plain()
    flat = FlatParameters(model)
    assert all(p.data_ptr() % 64 == flat.values[0].data_ptr() % 64 for p in model.parameters())
    before = [p.detach().clone() for p in model.parameters()]
    flat.release()
    for p, kept in zip(model.parameters(), before, strict=True):
        assert torch.equal(p, kept) and p.untyped_storage().nbytes() == p.nbytes and p.grad is None


def test_tied_and_frozen_parameters():
    model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3))
    model[1].weight = model[0].weight
    model[2].bias.requires_grad_(False)
    frozen = model[2].bias.detach().clone()
    before = model[0].weight.detach().clone()
    Trainer(model, loss, settings(steps=3)).fit(batches)
    assert model[1].weight is model[0].weight and not torch.equal(model[0].weight, before)
    assert torch.equal(model[2].bias, frozen)


def test_one_dtype_on_one_device():
    model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 3, dtype=torch.float64))
    with pytest.raises(UsageError, match="allowed: parameters of one dtype on one device"):
        Trainer(model, loss, settings())
    with pytest.raises(UsageError, match="no parameter that can be learnt"):
        FlatParameters(nn.Identity())

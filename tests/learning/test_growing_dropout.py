"""Dropout grows with the epochs to what the network says, and not a number of the network has changed when training ends."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from axw.equation.dropout import LEVELS
from axw.errors import UsageError
from axw.learning import Trainer, TrainSettings, from_dict, to_dict
from axw.learning.growing_dropout import GrowingDropout
from axw.networks.blocks import TransformerSettings
from axw.networks.luong import LuongNetwork
from axw.networks.luong_settings import LuongSettings
from axw.networks.transformer import Transformer
from tests.learning import tiny

SETTINGS = TransformerSettings(d_model=8, layers=1, heads=2, d_ff=6, dropout=0.3, attention_dropout=0.1)
NETWORKS = {
    "transformer": lambda: Transformer(SETTINGS, 11, 11),
    "luong": lambda: LuongNetwork(LuongSettings(layers=1, d_model=8, dropout=0.3), 11, 11),
    "PyTorch's": lambda: nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.3)),
}


def shares(network: nn.Module) -> list[float]:
    found = [getattr(m, "dropout", None) for m in network.modules()]
    return [p for p in found if isinstance(p, float)] + [m.p for m in network.modules() if isinstance(m, nn.Dropout)]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("epochs", [13.0, 6.5])
def test_it_grows_by_as_much_in_each_epoch_and_is_whole_in_the_end(name: str, epochs: float) -> None:
    network = NETWORKS[name]()
    full = shares(network)
    assert 0.3 in full
    growing = GrowingDropout(network, epochs)
    for epoch in range(1, 7):
        growing.at(epoch)
        now = [round(p * epoch / epochs * LEVELS) / LEVELS for p in full]
        assert shares(network) == [max(p, 1 / LEVELS) if own else 0.0 for p, own in zip(now, full, strict=True)]
    for epoch in (13, 14, 700):
        growing.at(epoch)
        assert shares(network) == full
    growing.at(1)
    growing.whole()
    assert shares(network) == full


@pytest.mark.parametrize("epochs", [0.0, 3.0])
def test_too_small_to_be_drawn_in_128ths_it_stays_as_it_is(epochs: float) -> None:
    network = nn.Dropout(0.001)
    GrowingDropout(network, epochs).at(1)
    assert network.p == 0.001


def test_without_epochs_it_is_whole_from_the_first_step() -> None:
    network = NETWORKS["transformer"]()
    full = shares(network)
    GrowingDropout(network, 0.0).at(1)
    assert shares(network) == full


def test_every_step_has_the_dropout_of_its_epoch_and_the_model_its_own_in_the_end() -> None:
    """61 rows in batches of 8 are 8 steps an epoch."""
    model, seen = tiny.Net(dropout=0.5), []

    def loss(network: Any, batch: Any) -> Any:
        if torch.is_grad_enabled() and network.training:
            seen.append(network.dropout.p)
        return tiny.loss(network, batch)

    settings = tiny.settings(steps=29, dropout_epochs=2.5, evaluate_every=0)
    Trainer(model, loss, settings).fit(tiny.batches, tiny.evaluate)
    assert seen == [26 / LEVELS] * 8 + [51 / LEVELS] * 8 + [0.5] * 13
    assert model.dropout.p == 0.5


def test_a_run_that_fails_leaves_the_model_its_own_dropout() -> None:
    model = tiny.Net(dropout=0.5)

    def loss(network: Any, batch: Any) -> Any:
        if network.dropout.p > 0.2:
            raise ZeroDivisionError
        return tiny.loss(network, batch)

    with pytest.raises(ZeroDivisionError):
        Trainer(model, loss, tiny.settings(dropout_epochs=3.0)).fit(tiny.batches)
    assert model.dropout.p == 0.5


def test_settings_of_before_have_all_of_it_from_the_first_step() -> None:
    old = {name: value for name, value in to_dict(tiny.settings()).items() if name != "dropout_epochs"}
    assert from_dict(TrainSettings, old).dropout_epochs == 0.0
    with pytest.raises(UsageError, match="dropout_epochs is -1.0; allowed: 0 or more"):
        tiny.settings(dropout_epochs=-1.0)

"""An ensemble is a decoder: of equal members it is the member, of others the mean of their probabilities."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from axw.decoding import Ensemble, search
from axw.errors import UsageError
from tests.decoding.toys import SETTINGS, RecurrentDecoder, TableDecoder, same

WIDE = replace(SETTINGS, beam=3, nbest=3)


@pytest.mark.parametrize("temperature, coverage", [(None, 0.0), (1.0, 0.0), (None, 0.5)])
def test_equal_members_are_the_member(temperature: float | None, coverage: float):
    decoder = RecurrentDecoder(9)
    state, settings = decoder.start(5, 3, 1), replace(WIDE, temperature=temperature, coverage=coverage)
    alone = search(decoder, state, settings, source_lengths=[3] * 5)
    together = search(Ensemble([decoder] * 3), (state,) * 3, settings, source_lengths=[3] * 5)
    for a, b in zip(together, alone, strict=True):
        same(a, b)


def test_the_mean_of_probabilities_of_members_of_different_kinds():
    recurrent, table = RecurrentDecoder(7), TableDecoder()
    states = recurrent.start(2, 3, 1), table.start(2, 7, 2)
    tokens = torch.tensor([[3], [5]])
    log_p, after = Ensemble([recurrent, table]).step(tokens, states)
    wanted = (recurrent.step(tokens, states[0])[0].exp() + table.step(tokens, states[1])[0].exp()) / 2
    assert torch.allclose(log_p.exp(), wanted, atol=1e-6)
    assert len(after) == 2
    found = search(Ensemble([recurrent, table]), states, WIDE, source_lengths=[3] * 2)
    reversed_ = search(Ensemble([table, recurrent]), states[::-1], WIDE, source_lengths=[3] * 2)
    for a, b in zip(found, reversed_, strict=True):
        same(a, b)


def test_what_members_must_have_in_common():
    two = [RecurrentDecoder(7), RecurrentDecoder(9)]
    states = tuple(decoder.start(1, 3, 1) for decoder in two)
    with pytest.raises(UsageError, match="Vocabularies of 7, 9 ids; allowed: one vocabulary for all"):
        search(Ensemble(two), states, WIDE, source_lengths=[3])
    with pytest.raises(UsageError, match="1 states for 2 decoders; allowed: one each"):
        search(Ensemble(two), states[:1], WIDE, source_lengths=[3])
    with pytest.raises(UsageError, match="An ensemble of no decoders; allowed: one or more"):
        Ensemble([])
    mixed = Ensemble([RecurrentDecoder(7), TableDecoder()])
    states = (RecurrentDecoder(7).start(1, 3, 1), TableDecoder.start(1, 7, 1))
    with pytest.raises(UsageError, match="Decoder 2 of the ensemble does not say what it reads"):
        search(mixed, states, replace(WIDE, coverage=0.1), source_lengths=[3])

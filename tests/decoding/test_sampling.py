"""Draws follow their distribution, and are a function of seed, sentence, hypothesis and step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from axw.decoding import SearchSettings, search
from axw.decoding.sampling import _first_above, distribution, draw, uniforms
from tests.decoding.toys import END, SETTINGS, START, RecurrentDecoder, TableDecoder

P = torch.tensor([0.02, 0.30, 0.05, 0.23, 0.0, 0.29, 0.11])


def wanted(temperature: float, top_k: int | None, top_p: float | None) -> np.ndarray:
    """The distribution written out plainly."""
    p = P.double().numpy() ** (1 / temperature)
    order = np.argsort(-P.numpy(), kind="stable")[:top_k]
    p = p / p[order].sum()
    kept, reached = [], 0.0
    for i in order:
        if top_p is None or reached < top_p:
            kept.append(i)
        reached += p[i]
    q = np.zeros(len(p))
    q[kept] = p[kept]
    return q / q.sum()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
@pytest.mark.parametrize(
    "top_k, top_p", [(None, None), (3, None), (None, 0.6), (4, 0.7), (1, None), (None, 1e-9), (99, 1.0)]
)
def test_draws_follow_the_distribution(temperature: float, top_k: int | None, top_p: float | None):
    settings = replace(SETTINGS, temperature=temperature, top_k=top_k, top_p=top_p)
    q, n = wanted(temperature, top_k, top_p), 4000
    ids, _, p = distribution(P.log()[None], settings, [])
    exact = np.zeros(len(q))
    np.add.at(exact, ids[0].numpy(), (p / p.sum())[0].numpy())
    assert exact == pytest.approx(q, abs=1e-6)
    drawn, log_p = draw(P.log().expand(n, -1), uniforms(7, range(n), 1, 0).flatten(), settings, [])
    counts = np.bincount(drawn.numpy(), minlength=len(q))
    assert not counts[q == 0].any() and torch.equal(log_p.float(), P.log()[drawn])
    if (q > 0).sum() > 1:
        assert stats.chisquare(counts[q > 0], n * q[q > 0]).pvalue > 1e-3


@pytest.mark.parametrize("n", [1, 7, 64, 65, 523])
def test_a_draw_is_the_first_place_whose_sum_is_above(n: int):
    generator = torch.Generator().manual_seed(n)
    p = torch.randint(4, (200, n), generator=generator).double()
    p[:, 0] = torch.where(p.sum(1) == 0, 1.0, p[:, 0])
    u = torch.rand(200, 1, generator=generator, dtype=torch.float64)
    u[:50] = 1 - 2**-53
    wanted = ((p.cumsum(1) > u * p.sum(1, keepdim=True)).long().argmax(1))[50:]
    found = _first_above(p, u).squeeze(1)
    assert torch.equal(found[50:], wanted)
    assert bool((p.gather(1, found[:, None]) > 0).all())
    assert not _first_above(torch.zeros(3, n), u[:3]).any()


def test_uniforms_are_uniform_and_independent():
    u = uniforms(3, range(400), 5, 2).numpy()
    assert ((u >= 0) & (u < 1)).all()
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-3
    others = [
        uniforms(4, range(400), 5, 2).numpy(),
        uniforms(3, range(400), 5, 3).numpy(),
        uniforms(3, range(1, 401), 5, 2).numpy(),
    ]
    for other in others:
        assert abs(np.corrcoef(u.ravel(), other.ravel())[0, 1]) < 0.1
    assert np.array_equal(uniforms(3, [17], 5, 2).numpy()[0], u[17])


@pytest.mark.parametrize("top_k, top_p", [(None, None), (3, None), (None, 0.6)])
def test_rows_without_allowed_ids_and_rows_that_are_not_numbers(top_k: int | None, top_p: float | None):
    settings = replace(SETTINGS, temperature=1.0, top_k=top_k, top_p=top_p)
    rows = P.log().repeat(3, 1)
    rows[0], rows[1, 2] = -torch.inf, torch.nan
    assert not distribution(rows, settings, [0]).p[0].any()
    ids, log_p = draw(rows, torch.full((3,), 0.5, dtype=torch.float64), settings, [0])
    assert log_p[0] == -torch.inf and log_p[1].isnan() and log_p[2] == P.log()[ids[2]] and ids[2] != 0
    assert bool(((ids >= 0) & (ids < 7)).all())


def test_what_is_never_said_is_never_drawn():
    for top_k, top_p in [(None, None), (3, None), (None, 0.9)]:
        settings = replace(SETTINGS, temperature=1.0, top_k=top_k, top_p=top_p)
        ids, _ = draw(P.log().expand(500, -1), uniforms(1, range(500), 1, 0).flatten(), settings, [1, 5, 99])
        assert set(ids.tolist()) <= {0, 2, 3, 6}


def sampled(settings: SearchSettings, numbers: list[int], seed: int = 1) -> list[list[tuple[int, ...]]]:
    decoder = RecurrentDecoder(11, seed=3, sharp=1.0)
    state = decoder.start(6, 3, 1)
    rows = type(state)(*(part[numbers] for part in state))
    settings = replace(settings, temperature=1.0, seed=seed, max_factor=0.0, max_constant=9, beam=5, nbest=5)
    return [
        [h.ids for h in row]
        for row in search(decoder, rows, settings, source_lengths=[3] * len(numbers), numbers=numbers)
    ]


def test_samples_do_not_depend_on_the_batch_but_on_the_seed():
    together = sampled(SETTINGS, [0, 1, 2, 3, 4, 5])
    assert sampled(SETTINGS, [4, 2]) == [together[4], together[2]]
    assert sampled(SETTINGS, [0, 1, 2, 3, 4, 5]) == together
    assert sampled(SETTINGS, [0, 1, 2, 3, 4, 5], seed=2) != together
    assert len({ids for row in together for ids in row}) > 15


def test_whole_samples_follow_the_model():
    # A chain over two words that ends soon: the share of each sequence among many samples is its probability.
    V, n = 4, 3000
    state = TableDecoder.start(1, V, 8, sharp=1.0)
    settings = replace(SETTINGS, temperature=1.0, beam=1, max_factor=0.0, max_constant=2)
    many = type(state)(state.log_p.expand(n, V, V, V), state.before.expand(n, 1))
    found = search(TableDecoder(), many, settings, source_lengths=[1] * n)
    log_p = state.log_p[0].clone()
    log_p[..., START] = -torch.inf
    p = torch.softmax(log_p, -1)
    first, second = p[0, START], p[START]
    expected = {(): first[END], **{(a,): first[a] * second[a, END] for a in (2, 3)}}
    expected |= {(a, b): first[a] * second[a, b] for a in (2, 3) for b in (2, 3)}
    counts = [sum(row[0].ids == ids for row in found) for ids in expected]
    chances = np.array([float(q) for q in expected.values()])
    assert sum(counts) == n and chances.sum() == pytest.approx(1.0)
    assert stats.chisquare(counts, n * chances / chances.sum()).pvalue > 1e-3


def test_a_very_low_temperature_is_greedy():
    decoder = RecurrentDecoder(11)
    state = decoder.start(5, 3, 1)
    settings = replace(SETTINGS, beam=1)
    cold = search(decoder, state, replace(settings, temperature=1e-4), source_lengths=[3] * 5)
    assert cold == search(decoder, state, settings, source_lengths=[3] * 5)

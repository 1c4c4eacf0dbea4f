"""The one search: beam search, or sampling, over any `step` and `select`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from axw.decoding.choosing import Choice, choose, count, likeliest, never
from axw.decoding.constraints import Constraint
from axw.decoding.decoder import Decoder, State, StepBest, StepWithAttention, device_of, of_as_many
from axw.decoding.hypotheses import Found, Hypothesis
from axw.decoding.restrict import only_allowed, only_forced, without_repeats
from axw.decoding.said import Step, ids, table
from axw.decoding.settings import SearchSettings
from axw.decoding.task import Task, task
from axw.errors import UsageError


class Live(NamedTuple):
    """The sentences that still go on.

    sentences, b numbers in the call; last (b w), the ids said last; said, the last step; total (b w) float64 log-probability so
    far, -inf of a place in the beam that holds none; state of the decoder; allowed, the state of the constraint; seen (b w m),
    attention summed over steps.
    """

    sentences: list[int]
    last: Tensor
    said: Step | None
    total: Tensor
    state: Any
    allowed: Any
    seen: Tensor | None


@torch.inference_mode()
def search(
    decoder: Decoder[State],
    state: State,
    settings: SearchSettings,
    *,
    source_lengths: Sequence[int],
    prefix: Sequence[Sequence[int]] | None = None,
    allow: Constraint[Any] | None = None,
    numbers: Sequence[int] | None = None,
) -> list[list[Hypothesis]]:
    """The n best hypotheses of each sentence, best first: argmax_Y log P(Y | x) / lp(|Y|) + cp(x, Y), as far as a beam sees.

    decoder         `step(tokens, state)` and `select(state, sentences, parents)`; with `settings.coverage` also
                    `step_with_attention`. One that has `step_best` is asked for the likeliest only, where that is enough
    state           of b sentences, one hypothesis each, nothing said yet
    source_lengths  (b,) for the length limit and the coverage penalty
    prefix          ids that each hypothesis of a sentence must begin with; may be empty, and differ between sentences
    allow           what may follow; the ids of a prefix are not asked about, but are told to it
    numbers         (b,) of the sentences, which samples depend on; None: 0 .. b - 1. With the number in the whole text, a
                    sentence has the same samples in any batch

    **Beam.** At each step the `beam` likeliest continuations that do not end go on; one that ends is whole if it is among the
    `beam` likeliest of all. A sentence is done with `beam` whole hypotheses, at its length limit, or as soon as no live
    hypothesis can change its n best. That early stop is exact: let s be the greatest log-probability of a live one and L the
    limit. Whatever it becomes has s' <= s <= 0, since no log-probability is above 0, and a length of at most L. `gnmt` and
    `average` never fall with the length, so s' / lp(|Y|) <= s / lp(|Y|) <= s / lp(L); cp is never above 0. Once n whole ones
    score s / lp(L) or more, none can come before them.

    **Order.** Equal scores: the hypothesis found first; continuations of equal probability: the lowest hypothesis, then the
    lowest id. A hypothesis cut at the limit (`finished=False`) comes after every whole one, since it has not paid for its end.
    Where the constraint leaves nothing to any hypothesis, they are returned as cut, if none is whole.

    **Samples.** With a temperature, `beam` hypotheses of each sentence are drawn, independently.

    Done sentences leave the batch through `select`. Raises `UsageError` for lengths, prefixes or numbers that do not match, and
    `NotFiniteError` where the decoder says NaN.
    """
    given = task(settings, source_lengths, prefix, numbers, device_of(state))
    if not given.sentences:
        return []
    found = Found(settings, given.source_lengths)
    live = _begin(decoder, state, given, allow)
    t, best_at_once = 0, allow is None and _plain(settings) and isinstance(decoder, StepBest)
    while len(live.sentences):
        if best_at_once and t >= given.prefix.shape[1]:
            choice, live = _ask_best(decoder, live, settings, t)
        else:
            log_p, live = _ask(decoder, live, settings)
            if t == 0:
                of_as_many(len(log_p), given.sentences, "In search, source_lengths.")
            choice = choose(_restricted(log_p, live, given, allow, t), live.total, live.sentences, given, t)
        _collect(found, live, choice)
        done = _done(found, live, choice, given, t)
        if any(done):
            _collect_cut(found, live, choice, done, t + 1, given)
        live = _go_on(decoder, live, choice, [row for row, over in enumerate(done) if not over], allow)
        t += 1
    return found.results()


def _begin(decoder: Decoder[State], state: State, given: Task, allow: Constraint[Any] | None) -> Live:
    b, device = given.sentences, device_of(state)
    if given.settings.coverage and not isinstance(decoder, StepWithAttention):
        raise UsageError(
            "The decoder does not say what it reads; the coverage penalty needs it.",
            "In the search settings, coverage.",
            "Set coverage to 0, or use a decoder with `step_with_attention`.",
        )
    last = torch.full((b, 1), given.settings.start, device=device)
    total = torch.zeros(b, 1, dtype=torch.float64, device=device)
    live = Live(list(range(b)), last, None, total, state, None if allow is None else allow.start(b), None)
    w = given.settings.beam
    if given.settings.temperature is None or w == 1:
        return live
    sentences, copies = torch.arange(b, device=device), torch.zeros(b, w, dtype=torch.int64, device=device)
    return live._replace(
        last=last.expand(b, w),
        total=total.expand(b, w),
        state=decoder.select(state, sentences, copies),
        allowed=None if allow is None else allow.select(live.allowed, sentences, copies),
    )


def _ask(decoder: Decoder[Any], live: Live, settings: SearchSettings) -> tuple[Tensor, Live]:
    """log p of what follows (b w V), and the state of the decoder and the attention after this step."""
    if settings.coverage and isinstance(decoder, StepWithAttention):
        log_p, A, state = decoder.step_with_attention(live.last, live.state)
        return log_p, live._replace(state=state, seen=A if live.seen is None else live.seen + A)
    log_p, state = decoder.step(live.last, live.state)
    return log_p, live._replace(state=state)


def _plain(settings: SearchSettings) -> bool:
    """Whether all that is asked of a step is which continuations are likeliest."""
    return settings.temperature is None and not settings.coverage and not settings.no_repeat_ngram


def _ask_best(decoder: Any, live: Live, settings: SearchSettings, t: int) -> tuple[Choice, Live]:
    """The step, from a decoder that finds the likeliest continuations itself."""
    never_said, k = never(settings, t), count(settings)
    totals, parents, tokens, state = decoder.step_best(live.last, live.state, live.total, k, never_said)
    return likeliest(totals, parents, tokens, settings, t), live._replace(state=state)


def _restricted(log_p: Tensor, live: Live, given: Task, allow: Constraint[Any] | None, t: int) -> Tensor:
    settings, restricted = given.settings, log_p
    if settings.no_repeat_ngram:
        b, w = log_p.shape[:2]
        said = torch.tensor(table(live.said, b, w), dtype=torch.int64, device=log_p.device).view(b, w, t)
        restricted = without_repeats(restricted, said, settings.no_repeat_ngram)
    if allow is not None:
        restricted = only_allowed(restricted, allow.allowed(live.allowed))
    if t < given.prefix.shape[1]:
        if t == 0:
            given.check_prefix(log_p.shape[-1])
        restricted = only_forced(restricted, log_p, given.prefix[live.sentences, t])
    return restricted


def _collect(found: Found, live: Live, choice: Choice) -> None:
    """Hypotheses that have ended leave the beam."""
    for row, parent, total in choice.ending:
        seen = None if live.seen is None else live.seen[row, parent]
        found.add(live.sentences[row], ids(live.said, row, parent), total, True, seen)


def _done(found: Found, live: Live, choice: Choice, given: Task, t: int) -> list[bool]:
    """Of each live sentence whether nothing that could still be said would change what is returned."""
    settings, limits = given.settings, given.limits

    def settled(sentence: int, totals: list[float]) -> bool:
        greatest = max(totals)
        if settings.temperature is None:
            return greatest / limits.penalty[sentence] <= found.worst[sentence]
        return greatest == -math.inf

    return [
        limits.length[sentence] <= t + 1 or len(found.whole[sentence]) >= settings.beam or settled(sentence, totals)
        for sentence, totals in zip(live.sentences, choice.totals, strict=True)
    ]


def _collect_cut(found: Found, live: Live, choice: Choice, done: list[bool], length: int, given: Task) -> None:
    """What a done sentence is short of, from the hypotheses at its limit; from those before this step if none could go on."""
    for row, sentence in enumerate(live.sentences):
        if not done[row] or not found.lacks(sentence):
            continue
        totals = choice.totals[row]
        if max(totals) > -math.inf and length >= given.limits.length[sentence]:
            parents, tokens = choice.parents[row].tolist(), choice.tokens[row].tolist()
            for parent, token, total in zip(parents, tokens, totals, strict=True):
                if total > -math.inf:
                    seen = None if live.seen is None else live.seen[row, parent]
                    found.add(sentence, [*ids(live.said, row, parent), token], total, False, seen)
        elif not found.whole[sentence]:
            for place in (live.total[row] > -torch.inf).nonzero().flatten().tolist():
                seen = None if live.seen is None else live.seen[row, place]
                found.add(sentence, ids(live.said, row, place), float(live.total[row, place]), False, seen)


def _go_on(decoder: Decoder[Any], live: Live, choice: Choice, keep: list[int], allow: Constraint[Any] | None) -> Live:
    """The sentences of `keep`, each hypothesis with one more id. Where all stay as they are, nothing is moved."""
    b, w = live.last.shape
    sentences = [live.sentences[row] for row in keep]
    if not keep:
        return live._replace(sentences=sentences)
    parents, tokens, total, origins = choice.parents, choice.tokens, choice.total, choice.parents.tolist()
    said = Step(live.said, keep, origins, tokens.tolist())
    state, allowed, seen = live.state, live.allowed, live.seen
    if len(keep) < b or origins != [list(range(w))] * b:
        rows = torch.tensor(keep, device=parents.device)
        if len(keep) < b:
            parents, tokens, total = parents[rows], tokens[rows], total[rows]
        state = decoder.select(state, rows, parents)
        allowed = None if allow is None else allow.select(allowed, rows, parents)
        seen = None if seen is None else seen[rows[:, None], parents]
    if allow is not None:
        allowed = allow.advance(allowed, tokens)
    return Live(sentences, tokens, said, total, state, allowed, seen)

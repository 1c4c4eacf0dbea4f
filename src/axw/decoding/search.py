"""The one search: beam search, or sampling, over any `step` and `select`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from axw.decoding.constraints import Constraint
from axw.decoding.decoder import Decoder, State, StepWithAttention, device_of
from axw.decoding.hypotheses import Found, Hypothesis
from axw.decoding.restrict import only_allowed, only_forced, without_repeats
from axw.decoding.sampling import draw, uniforms
from axw.decoding.settings import SearchSettings
from axw.decoding.task import Task, task
from axw.decoding.top import best
from axw.errors import NotFiniteError, UsageError


class Live(NamedTuple):
    """The sentences that still go on.

    sentences (b,) their numbers in the call; said (b w t); total (b w) float64 log-probability so far, -inf of a place in the
    beam that holds none; state of the decoder; allowed, the state of the constraint; seen (b w m), attention summed over steps.
    """

    sentences: Tensor
    said: Tensor
    total: Tensor
    state: Any
    allowed: Any
    seen: Tensor | None


class Choice(NamedTuple):
    """One step of every hypothesis: parents (b w2), tokens (b w2), total (b w2); and which of `ending` (b e) have ended.

    ending: total of each hypothesis that says the end, -inf of those that do not; ending_parents (b e): what they went on from.
    """

    parents: Tensor
    tokens: Tensor
    total: Tensor
    ending: Tensor
    ending_parents: Tensor


@torch.no_grad()
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
                    `step_with_attention`
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
    t = 0
    while len(live.sentences):
        log_p, live = _ask(decoder, live, settings)
        choice = _choose(_restricted(log_p, live, given, allow, t), live, given, t)
        _collect(found, live, choice, settings)
        done = _done(found, live, choice, given, t)
        _collect_cut(found, live, choice, done, t + 1 >= given.limits.length)
        live = _go_on(decoder, live, choice, (~done).nonzero().flatten(), allow)
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
    sentences = torch.arange(b, device=device)
    said = torch.zeros(b, 1, 0, dtype=torch.int64, device=device)
    total = torch.zeros(b, 1, dtype=torch.float64, device=device)
    live = Live(sentences, said, total, state, None if allow is None else allow.start(b), None)
    w = given.settings.beam
    if given.settings.temperature is None or w == 1:
        return live
    copies = torch.zeros(b, w, dtype=torch.int64, device=device)
    return live._replace(
        said=said.expand(b, w, 0),
        total=total.expand(b, w),
        state=decoder.select(state, sentences, copies),
        allowed=None if allow is None else allow.select(live.allowed, sentences, copies),
    )


def _ask(decoder: Decoder[Any], live: Live, settings: SearchSettings) -> tuple[Tensor, Live]:
    """log p of what follows (b w V), and the state of the decoder and the attention after this step."""
    b, w, t = live.said.shape
    tokens = live.said[..., -1] if t else live.said.new_full((b, w), settings.start)
    if settings.coverage and isinstance(decoder, StepWithAttention):
        log_p, A, state = decoder.step_with_attention(tokens, live.state)
        return log_p, live._replace(state=state, seen=A if live.seen is None else live.seen + A)
    log_p, state = decoder.step(tokens, live.state)
    return log_p, live._replace(state=state)


def _restricted(log_p: Tensor, live: Live, given: Task, allow: Constraint[Any] | None, t: int) -> Tensor:
    settings, restricted = given.settings, log_p
    if settings.no_repeat_ngram:
        restricted = without_repeats(restricted, live.said, settings.no_repeat_ngram)
    if allow is not None:
        restricted = only_allowed(restricted, allow.allowed(live.allowed))
    if t < given.prefix.shape[1]:
        if t == 0:
            given.check_prefix(log_p.shape[-1])
        restricted = only_forced(restricted, log_p, given.prefix[live.sentences, t])
    return restricted


def _choose(log_p: Tensor, live: Live, given: Task, t: int) -> Choice:
    settings = given.settings
    never = [*settings.never, *([settings.end] if t < settings.min_length else [])]
    if settings.temperature is None:
        choice = _likeliest(log_p, live.total, settings, never)
    else:
        choice = _drawn(log_p, live, given, never, t)
    if bool(choice.total.isnan().any()) or bool(choice.ending.isnan().any()):
        raise NotFiniteError(
            "The decoder gave a log-probability that is not a number.",
            f"At id {t + 1} of a hypothesis.",
            "The model's weights are likely not finite: use an earlier checkpoint.",
        )
    # A place in the beam without a hypothesis says the end, which every decoder and constraint knows.
    return choice._replace(tokens=choice.tokens.masked_fill(choice.total == -torch.inf, settings.end))


def _likeliest(log_p: Tensor, total: Tensor, settings: SearchSettings, never: list[int]) -> Choice:
    """The first `beam` continuations that do not end, and those among the first `beam` of all that do."""
    w = settings.beam
    # At most one continuation of each of w hypotheses ends, so 2 w hold w that do not. Width 1 is done when it ends.
    totals, parents, tokens = best(log_p, total, 2 * w if w > 1 else 1, never)
    end = tokens == settings.end
    ending = totals.masked_fill(~end, -torch.inf)[:, :w]
    if w == 1:
        return Choice(parents, tokens, totals.masked_fill(end, -torch.inf), ending, parents)
    order = end.sort(dim=1, stable=True).indices[:, :w]
    going_on = totals.masked_fill(end, -torch.inf).gather(1, order)
    return Choice(parents.gather(1, order), tokens.gather(1, order), going_on, ending, parents[:, :w])


def _drawn(log_p: Tensor, live: Live, given: Task, never: list[int], t: int) -> Choice:
    """Every hypothesis goes on by itself, with an id that is drawn."""
    b, w, _ = log_p.shape
    numbers = [given.numbers[sentence] for sentence in live.sentences.tolist()]
    u = uniforms(given.settings.seed, numbers, w, t)
    tokens, drawn = (x.view(b, w) for x in draw(log_p.flatten(0, 1), u.flatten(), given.settings, never))
    total = live.total + drawn
    end = tokens == given.settings.end
    parents = torch.arange(w, device=log_p.device).expand(b, w)
    return Choice(parents, tokens, total.masked_fill(end, -torch.inf), total.masked_fill(~end, -torch.inf), parents)


def _collect(found: Found, live: Live, choice: Choice, settings: SearchSettings) -> None:
    """Hypotheses that have ended leave the beam."""
    for row, place in (choice.ending > -torch.inf).nonzero().tolist():
        parent = int(choice.ending_parents[row, place])
        found.add(
            int(live.sentences[row]),
            live.said[row, parent].tolist(),
            float(choice.ending[row, place]),
            True,
            None if live.seen is None else live.seen[row, parent],
        )


def _done(found: Found, live: Live, choice: Choice, given: Task, t: int) -> Tensor:
    """(b,) whether nothing that could still be said would change what is returned."""
    sentences, settings = live.sentences, given.settings
    device = sentences.device
    greatest = choice.total.amax(1)
    done = (found.count.to(device)[sentences] >= settings.beam) | (given.limits.length[sentences] <= t + 1)
    if settings.temperature is not None:
        return done | (greatest == -torch.inf)
    return done | (greatest / given.limits.penalty[sentences] <= found.worst.to(device)[sentences])


def _collect_cut(found: Found, live: Live, choice: Choice, done: Tensor, at_limit: Tensor) -> None:
    """What a done sentence is short of, from the hypotheses at its limit; from those before this step if none could go on."""
    for row in done.nonzero().flatten().tolist():
        sentence = int(live.sentences[row])
        if not found.lacks(sentence):
            continue
        alive = (choice.total[row] > -torch.inf).nonzero().flatten().tolist()
        if alive and bool(at_limit[sentence]):
            for place in alive:
                parent = int(choice.parents[row, place])
                said = [*live.said[row, parent].tolist(), int(choice.tokens[row, place])]
                seen = None if live.seen is None else live.seen[row, parent]
                found.add(sentence, said, float(choice.total[row, place]), False, seen)
        elif not found.whole[sentence]:
            for place in (live.total[row] > -torch.inf).nonzero().flatten().tolist():
                seen = None if live.seen is None else live.seen[row, place]
                found.add(sentence, live.said[row, place].tolist(), float(live.total[row, place]), False, seen)


def _go_on(decoder: Decoder[Any], live: Live, choice: Choice, keep: Tensor, allow: Constraint[Any] | None) -> Live:
    """The sentences of `keep`, each hypothesis with one more id. Where all stay as they are, nothing is moved."""
    b, w, _ = live.said.shape
    parents, tokens = choice.parents[keep], choice.tokens[keep]
    if not len(keep):
        return live._replace(sentences=live.sentences[keep])
    state, allowed, seen, said, sentences = live.state, live.allowed, live.seen, live.said, live.sentences
    stays = torch.arange(w, device=keep.device).expand(b, w)
    if parents.shape != stays.shape or not torch.equal(parents, stays):
        state = decoder.select(state, keep, parents)
        allowed = None if allow is None else allow.select(allowed, keep, parents)
        seen = None if seen is None else seen[keep[:, None], parents]
        said, sentences = said[keep[:, None], parents], sentences[keep]
    if allow is not None:
        allowed = allow.advance(allowed, tokens)
    return Live(sentences, torch.cat([said, tokens[..., None]], 2), choice.total[keep], state, allowed, seen)

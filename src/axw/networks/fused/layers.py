"""The layers of a Transformer in one call: every row reads, then is changed by itself.

X <- X + f(norm(X)),  or  norm(X + f(X)),      f: reading its own sentence, reading the source, feed-forward
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from axw.networks.fused.likeliest import likeliest
from axw.networks.fused.products import multiply
from axw.networks.fused.rows import activate, added, copied, log_softmax, normalised, read, turn
from axw.networks.fused.values import Said

AT_ONCE = 96  # rows that go through all layers together: what is made of them stays in the core's own memory


@njit(error_model="numpy", nogil=True, inline="always")
def _before(X: Any, norms: Any, layer: int, form: Any) -> Any:
    """What a sub-layer is given: norm(X), or X."""
    if not form.pre:
        return X
    R = np.empty_like(X)
    normalised(X, norms, layer, form.rms, form.epsilon, R)
    return R


@njit(error_model="numpy", nogil=True, inline="always")
def _after(X: Any, norms: Any, layer: int, form: Any) -> None:
    if not form.pre:
        normalised(X, norms, layer, form.rms, form.epsilon, X)


@njit(error_model="numpy", nogil=True)
def _change(X: Any, change: Any, layer: int, form: Any) -> None:
    R = _before(X, change.norms, layer, form)
    H = np.empty((X.shape[0], change.inner.bias.shape[1]), np.float32)
    multiply(R, change.inner, layer, H, False)
    if form.gated:
        f = H.shape[1] // 2
        activate(H, f, form.activation)
        hidden = np.empty((H.shape[0], f), np.float32)
        for i in range(H.shape[0]):
            both, row = H[i], hidden[i]
            gate, other = both[:f], both[f:]
            for j in range(f):
                row[j] = gate[j] * other[j]
        multiply(hidden, change.outer, layer, X, True)
    else:
        activate(H, H.shape[1], form.activation)
        multiply(H, change.outer, layer, X, True)
    _after(X, change.norms, layer, form)


@njit(error_model="numpy", nogil=True)
def _read_own(X: Any, own: Any, layer: int, form: Any, begins: Any, places: Any, turns: Any) -> None:
    """Every row of a sentence reads every other."""
    r, width = X.shape[0], own.asks.bias.shape[1] // 3
    asked, found = np.empty((r, 3 * width), np.float32), np.empty((r, width), np.float32)
    multiply(_before(X, own.norms, layer, form), own.asks, layer, asked, False)
    if form.turned:
        for i in range(r):
            turn(asked[i][: 2 * width], 2 * form.heads, turns[:, places[i]])
    for sentence in range(begins.shape[0] - 1):
        begin, end = begins[sentence] - begins[0], begins[sentence + 1] - begins[0]
        rows, A = np.arange(begin, end), np.empty((form.heads, end - begin), np.float32)
        for i in range(begin, end):
            read(asked[i][:width], asked, asked, (width, 2 * width), rows, A, found[i])
    multiply(found, own.out, layer, X, True)
    _after(X, own.norms, layer, form)


@njit(error_model="numpy", nogil=True)
def _read_said(X: Any, own: Any, layer: int, form: Any, said: Any, turns: Any) -> None:
    """The new rows are written behind the others, and each hypothesis reads its ancestors."""
    b, w, n = said.ancestors.shape
    width = said.keys.shape[3]
    asked, found = np.empty((b * w, 3 * width), np.float32), np.empty((b * w, width), np.float32)
    multiply(_before(X, own.norms, layer, form), own.asks, layer, asked, False)
    A = np.empty((form.heads, n), np.float32)
    for sentence in range(b):
        keys, values = said.keys[layer, said.slots[sentence]], said.values[layer, said.slots[sentence]]
        for j in range(w):
            i = sentence * w + j
            if form.turned:
                turn(asked[i][: 2 * width], 2 * form.heads, turns[:, n - 1])
            copied(asked[i][width:], keys[said.before + j])
            copied(asked[i][2 * width :], values[said.before + j])
            read(asked[i][:width], keys, values, (np.int64(0), np.int64(0)), said.ancestors[sentence, j], A, found[i])
    multiply(found, own.out, layer, X, True)
    _after(X, own.norms, layer, form)


@njit(error_model="numpy", nogil=True)
def _read_source(X: Any, cross: Any, layer: int, form: Any, said: Any, heard: Any, seen: Any) -> None:
    """Each hypothesis reads its sentence; the mean over heads of how much goes to `seen` (b w m), where it has a size."""
    b, w = said.ancestors.shape[:2]
    width = heard.keys.shape[2]
    asked, found = np.empty((b * w, width), np.float32), np.empty((b * w, width), np.float32)
    multiply(_before(X, cross.norms, layer, form), cross.asks, layer, asked, False)
    keys, values = heard.keys[layer], heard.values[layer]
    for sentence in range(b):
        begin, end = heard.begins[said.slots[sentence]], heard.begins[said.slots[sentence] + 1]
        rows, A = np.arange(begin, end), np.empty((form.heads, end - begin), np.float32)
        for j in range(w):
            i = sentence * w + j
            read(asked[i], keys, values, (np.int64(0), np.int64(0)), rows, A, found[i])
            if seen.shape[2]:
                for h in range(form.heads):
                    for t in range(end - begin):
                        seen[sentence, j, heard.places[begin + t]] += A[h, t] / np.float32(form.heads)
    multiply(found, cross.out, layer, X, True)
    _after(X, cross.norms, layer, form)


@njit(error_model="numpy", nogil=True, inline="always")
def _through(X: Any, layers: Any, begins: Any, places: Any, said: Any, heard: Any, turns: Any, seen: Any) -> None:
    """The rows X through all layers: of sentences between `begins`, or, where something is said, of hypotheses."""
    stack, form, nothing = layers.stack, layers.form, np.empty((0, 0, 0), np.float32)
    count = stack.own.norms.weight.shape[0]
    for layer in range(count):
        if said.slots.shape[0] == 0:
            _read_own(X, stack.own, layer, form, begins, places, turns)
        else:
            _read_said(X, stack.own, layer, form, said, turns)
            _read_source(X, stack.cross, layer, form, said, heard, seen if layer == count - 1 else nothing)
        if form.changed:
            _change(X, stack.change, layer, form)
    for layer in range(stack.last.weight.shape[0]):
        normalised(X, stack.last, layer, form.rms, form.epsilon, X)


@njit(error_model="numpy", nogil=True, inline="always")
def _part(first: int, heard: Any, said: Any) -> int:
    """Sentences that go through the layers together: from `first` to before this, about `AT_ONCE` rows."""
    if said.slots.shape[0]:
        return min(said.slots.shape[0], first + max(1, AT_ONCE // said.ancestors.shape[1]))
    last, sentences = first + 1, heard.begins.shape[0] - 1
    while last < sentences and heard.begins[last + 1] - heard.begins[first] <= AT_ONCE:
        last += 1
    return last


@njit(error_model="numpy", nogil=True, inline="always")
def _rows(ids: Any, embedded: Any, places: Any, place: int, form: Any) -> Any:
    """The words `ids` (r,) as rows (r d), each at its place, or all at one."""
    X = np.empty((ids.shape[0], embedded.words.shape[1]), np.float32)
    for i in range(ids.shape[0]):
        if not 0 <= ids[i] < embedded.words.shape[0]:
            raise IndexError("An id outside the vocabulary.")
        copied(embedded.words[ids[i]], X[i])
        if embedded.places.shape[0]:
            added(embedded.places[places[i] if places.shape[0] else place], X[i])
    for layer in range(embedded.norms.weight.shape[0]):
        normalised(X, embedded.norms, layer, form.rms, form.epsilon, X)
    return X


@njit(error_model="numpy", nogil=True, inline="always")
def answered(ids: Any, layers: Any, said: Any, heard: Any, turns: Any, wanted: Any) -> None:
    """An encoder's answer, where nothing is said: ids (r,) of sentences one after the other -> `heard`.

    A decoder's: ids (b*w,), what hypotheses said last -> what is `wanted` of the words that may follow. turns (2 n k) of places.
    """
    encoding, w = said.slots.shape[0] == 0, said.ancestors.shape[1]
    sentences = heard.begins.shape[0] - 1 if encoding else said.slots.shape[0]
    first, skipped = 0, heard.begins[0] if encoding else 0
    while first < sentences:
        last = _part(first, heard, said)
        begin, end = (heard.begins[first], heard.begins[last]) if encoding else (first * w, last * w)
        begins, places = heard.begins[first : last + 1], heard.places[begin:end] if encoding else heard.places[:0]
        some = Said(said.keys, said.values, said.slots[first:last], said.before, said.ancestors[first:last])
        X = _rows(
            ids[begin - skipped : end - skipped], layers.embedded, places, said.ancestors.shape[2] - 1, layers.form
        )
        _through(X, layers, begins, places, some, heard, turns, wanted.seen[first:last])
        if encoding:
            _hear(X, layers.end, heard, begin)
        else:
            _say(X, layers.end, wanted, first, last)
        first = last


@njit(error_model="numpy", nogil=True, inline="always")
def _hear(X: Any, end: Any, heard: Any, begin: int) -> None:
    """The encoder's rows -> the keys and values that each layer of the decoder reads, from row `begin` on."""
    width = heard.keys.shape[2]
    both = np.empty((X.shape[0], 2 * width), np.float32)
    for layer in range(heard.keys.shape[0]):
        multiply(X, end, layer, both, False)
        for i in range(X.shape[0]):
            copied(both[i], heard.keys[layer, begin + i])
            copied(both[i][width:], heard.values[layer, begin + i])


@njit(error_model="numpy", nogil=True, inline="always")
def _say(X: Any, end: Any, wanted: Any, first: int, last: int) -> None:
    """The decoder's rows, of the sentences from `first` to before `last` -> log p of all words, or the likeliest of them."""
    everything, w = wanted.log_p.shape[0] > 0, X.shape[0] // (last - first)
    for layer in range(end.bias.shape[0]):
        if everything:
            logits = wanted.log_p[first * w : last * w]
        else:
            logits = np.empty((X.shape[0], end.bias.shape[1]), np.float32)
        multiply(X, end, layer, logits, False)
        if everything:
            for i in range(X.shape[0]):
                log_softmax(logits[i])
        else:
            for i in range(first, last):
                own, totals = logits[(i - first) * w :], wanted.totals[i]
                likeliest(own, wanted.total[i], wanted.never, totals, wanted.parents[i], wanted.tokens[i])

"""What compiled steps are given: weights stacked layer by layer, what was heard and said, and what is wanted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from axw.networks.fused.products import Product
from axw.networks.fused.rows import Norms


class Form(NamedTuple):
    """What all layers are alike in; activation: a number of `rows`; changed: whether there is a feed-forward layer."""

    heads: int
    pre: bool
    rms: bool
    epsilon: np.float32
    activation: int
    gated: bool
    changed: bool
    turned: bool


class Reading(NamedTuple):
    """Attention: asks is all that is made of the asking rows, queries alone or with keys and values beside them."""

    norms: Norms
    asks: Product
    out: Product


class Changing(NamedTuple):
    """The feed-forward layer."""

    norms: Norms
    inner: Product
    outer: Product


class Stack(NamedTuple):
    """The layers of an encoder (whose `cross` is not looked at) or a decoder; last: the norm at its end, of 1 layer or 0."""

    own: Reading
    cross: Reading
    change: Changing
    last: Norms


class Embedded(NamedTuple):
    """words (V d), times sqrt(d);  places (n d), added to them, or (0 d);  norms of the sum, of 1 layer or 0."""

    words: np.ndarray
    places: np.ndarray
    norms: Norms


class Layers(NamedTuple):
    """What an encoder or a decoder is: words as rows, a stack, what its layers are alike in, and the product at its end: the keys
    and values that each layer of the decoder reads of the source (l layers), or the logits of all words (1 layer)."""

    embedded: Embedded
    stack: Stack
    form: Form
    end: Product


class Said(NamedTuple):
    """keys, values (l s c h*k) of s sentences;  slots (b,), of each sentence that goes on;  before: rows that are written
    already;  ancestors (b w n) of each hypothesis: which rows it may read, the last its own.
    """

    keys: np.ndarray
    values: np.ndarray
    slots: np.ndarray
    before: int
    ancestors: np.ndarray


class Heard(NamedTuple):
    """The source: keys, values (l r h*k) of all sentences' rows, those of the sentence in slot i from begins[i] to
    begins[i + 1]; places (r,): at which place of its sentence each stands."""

    keys: np.ndarray
    values: np.ndarray
    begins: np.ndarray
    places: np.ndarray


class Wanted(NamedTuple):
    """What a step is to say: all of log_p (b*w V), or, where that is empty, the k likeliest continuations of each sentence.

    seen (b w m)  the mean over heads of what the last layer reads of the source; nothing where m is 0
    total (b w)   float64, what hypotheses have so far;  never: ids that are left out
    totals (b k) float64, parents (b k), tokens (b k): largest first
    """

    log_p: np.ndarray
    seen: np.ndarray
    total: np.ndarray
    never: np.ndarray
    totals: np.ndarray
    parents: np.ndarray
    tokens: np.ndarray

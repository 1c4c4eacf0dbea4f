"""Luong et al. 2015 as a reader would write it down: one sentence, one word, one place at a time, and autograd for the rest."""

from __future__ import annotations

import math

import torch

from axw.networks.luong import LuongNetwork


def lstm(layer, x, h, c):
    """One step of one layer for one sentence."""
    z = layer.weight.T @ torch.cat([x, h]) + layer.bias
    i, f, o, g = z.chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def stack(layers, x, states):
    """One step through all layers: what the last says, and the states."""
    after = []
    for layer, (h, c) in zip(layers, states, strict=True):
        x, c = lstm(layer, x, h, c)
        after.append((x, c))
    return x, after


def align(network: LuongNetwork, h, H, t: int):
    """A of one step over the S source rows: a list of S numbers or zeros."""
    s, cross, S = network.settings, network.cross, len(H)
    p, D = float(t), s.window_width
    if s.window == "local-p":
        p = S * torch.sigmoid(cross.place.v @ torch.tanh(cross.place.W.T @ h))
    reachable = range(min(S, s.longest)) if s.score == "location" else range(S)
    inside = [j for j in reachable if s.window == "global" or p - D <= j <= p + D]
    scores = {}
    for j in inside:
        if s.score == "dot":
            scores[j] = h @ H[j]
        elif s.score == "general":
            scores[j] = h @ cross.score.U @ H[j]
        elif s.score == "location":
            scores[j] = h @ cross.score.W[:, j]
        else:
            W_a = torch.eye(len(h), dtype=h.dtype) if s.score == "concat-paper" else cross.score.U
            scores[j] = cross.score.v @ torch.tanh(h @ cross.score.W + H[j] @ W_a)
    total = sum(score.exp() for score in scores.values())
    weights = [scores[j].exp() / total if j in scores else torch.zeros((), dtype=h.dtype) for j in range(S)]
    if s.window == "local-p":
        weights = [a * torch.exp(-((j - p) ** 2) / (2 * (D / 2) ** 2)) for j, a in enumerate(weights)]
    return torch.stack(weights)


def translate(network: LuongNetwork, source: list[int], target: list[int]):
    """h~ (n d) and A (n m) of one sentence without padding."""
    s = network.settings
    zero = torch.zeros(s.d_model, dtype=network.embed_source.dtype)
    states, H = [(zero, zero)] * s.layers, []
    for word in reversed(source) if s.reverse else source:
        top, states = stack(network.encoder, network.embed_source[word], states)
        H.append(top)
    H = torch.stack(H[::-1] if s.reverse else H)
    feed, answers, found = zero, [], []
    for t, word in enumerate(target):
        x = network.embed_target[word]
        h, states = stack(network.decoder, torch.cat([x, feed]) if s.input_feeding else x, states)
        if network.cross is None:
            answers.append(h)
            continue
        A = align(network, h, H, t)
        feed = torch.tanh(network.cross.combine.T @ torch.cat([A @ H, h]))
        answers.append(feed)
        found.append(A)
    return torch.stack(answers), torch.stack(found) if found else None


def loss_of(network: LuongNetwork, source: list[int], target: list[int], expected: list[int]) -> float:
    """-sum log p of the expected words, in plain numbers."""
    logits = network.logits(translate(network, source, target)[0]).tolist()
    return sum(math.log(sum(math.exp(z) for z in row)) - row[word] for row, word in zip(logits, expected, strict=True))

"""A smoothed answer written out: what each hop of each relation, and each column, adds to the output.

    y_i = b + sum over voices of (z_i - centre) W / |z_i - centre|
    z_i = sum over hops h of p_h (S^h X)_i, or the hops beside each other

Given the lengths that rows are divided by, this is linear in the columns X of the row and of those it reaches along the relation.
So a column of one hop adds (its value over the length) times its weight, all voices together, and nothing is left over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from axw.models.tables.explanation import OWN, Term
from axw.models.tables.problem import TableRows
from axw.models.tables.smoothing import Smoothed, SmoothingStep
from axw.models.tables.smoothing_ground import Columns, Ground, given_by
from axw.models.tables.smoothing_views import HOPS, SMOOTH, View, share
from axw.relations import Given
from axw.relations.propagate import propagate
from axw.relations.smoothing import Asked, states

GIVEN_LENGTHS = (
    "exact given the lengths by which rows are divided: contributions by hop and column add up to the output"
)
FAR_HOPS = 3  # further hops are told together


class Part(NamedTuple):
    """What one hop adds to one block of a view: its label, and the columns (n d) before they are projected."""

    label: str
    G: np.ndarray


def smoothing_terms(
    step: SmoothingStep, fitted: Smoothed, asking: TableRows, memory: TableRows, columns: Sequence[str]
) -> list[Term]:
    """b and all voices as terms: "own row", "links, hop 1", "links, hop 2", "links, hops 3 to 16", by column."""
    ground, places = step.ground(fitted, asking, memory)
    n, names = len(places), [relation.name for relation in step.relations]
    base = np.tile(fitted.b, (n, 1))
    added: dict[str, np.ndarray] = {OWN: np.zeros((n, len(columns), len(fitted.b)))}
    terms: list[Term] = []
    for voice in fitted.voices:
        form = fitted.forms[voice.view.common]
        blocks = _blocks(voice.view, ground, places, names)
        F = [sum((part.G for part in block), np.zeros(1)) for block in blocks]
        F = F if form.V is None else [block @ form.V for block in F]
        named = given_by(ground.across, voice.view.relation) if voice.view.kind == "names" and ground.across else None
        U = None if named is None else named.mean(fitted.names[voice.view.relation])[places]
        inner, outer = _lengths(voice.view, [*F, *([] if U is None else [U])], voice.centre)
        base -= (voice.centre @ voice.W) / outer
        at = 0
        for block, length, width in zip(blocks, inner, (block.shape[1] for block in F), strict=False):
            W = voice.W[at : at + width] if form.V is None else form.V @ voice.W[at : at + width]
            at += width
            for part in block:
                known = added.setdefault(part.label, np.zeros_like(added[OWN]))
                known += (part.G / (length * outer))[:, :, None] * W[None]
        if named is not None:
            label = _called(voice.view, names)
            terms += _by_name(named, places, fitted.names[voice.view.relation] @ voice.W[at:], outer, label)
    own = Term(OWN, np.ones((n, 1)), None, np.ones((n, 1)), np.zeros((1, len(fitted.b))), ("(base)",))
    bases = _each_output(own, base[:, None, :], ("(base)",))
    found = (_each_output(own._replace(relation=label), part, tuple(columns)) for label, part in added.items())
    return [*bases, *(term for terms_of_one in found for term in terms_of_one), *terms]


def _each_output(like: Term, contributions: np.ndarray, features: tuple[str, ...]) -> list[Term]:
    """Contributions (n d c), summed over voices already, as one term an output."""
    d, c = contributions.shape[1:]
    W = np.eye(c)
    return [
        like._replace(Z=contributions[:, :, k], W=np.broadcast_to(W[k], (d, c)), features=features) for k in range(c)
    ]


def _blocks(view: View, ground: Ground, places: np.ndarray, names: Sequence[str]) -> list[list[Part]]:
    """The blocks of a view, each as the hops it is the sum of, for the rows at `places`."""
    G = ground.wide(view.common)
    own = Part(OWN, G.asking[places])
    if view.kind in ("own", "names") or (view.kind not in SMOOTH and not ground.across):
        return [[own]]
    label = _called(view, names)
    if view.kind in SMOOTH:
        return [_smoothed(view, ground, G, places, label)]
    within, given = given_by(ground.among, view.relation), given_by(ground.across, view.relation)
    hops = 2 if view.kind.endswith("2") else 1
    reads = propagate(given, G.memory, hops=hops, within=within)
    parts = [[Part(f"{label}, hop {hop}", read[places])] for hop, read in enumerate(reads, 1)]
    return [[own], *parts] if view.kind.startswith("apart") else parts[-1:]


def _smoothed(view: View, ground: Ground, G: Columns, places: np.ndarray, label: str) -> list[Part]:
    """p(S) X hop by hop."""
    near = ground.nearest(ground.columns(view.common)) if view.alike else None
    within, given = ground.joined(view, near)
    asked = None if ground.same else Asked(given, G.asking)
    parts = [Part(OWN, np.zeros((len(places), G.asking.shape[1])))]
    for hop, state in enumerate(states(within, G.memory, HOPS, asked)):
        if weight := share(view.kind, hop):
            far = f"hops {FAR_HOPS} to {HOPS}" if hop >= FAR_HOPS else f"hop {hop}"
            parts.append(Part(f"{label}, {far}" if hop else OWN, weight * state[places]))
    return parts


def _lengths(view: View, F: list[np.ndarray], centre: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """By what each block is divided (n 1), and by what all of them together are, once the centre is taken off."""
    ones = np.ones((len(F[0]), 1))
    if view.common < 0:
        return [ones] * len(F), ones
    inner = [_length(block) if len(F) > 1 else ones for block in F]
    whole = np.concatenate([block / length for block, length in zip(F, inner, strict=True)], axis=1)
    return inner, _length(whole - centre)


def _length(Z: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(Z, axis=1, keepdims=True)
    return np.asarray(np.where(length > 1e-12, length, 1.0))


def _called(view: View, names: Sequence[str]) -> str:
    by = "" if not names else names[view.relation] if view.relation >= 0 else "all relations"
    return " and ".join(part for part in (by, "nearest rows" if view.alike else "") if part)


def _by_name(given: Given, places: np.ndarray, W: np.ndarray, outer: np.ndarray, label: str) -> list[Term]:
    """Who is read by name: the rows themselves, each with a weight of its own (m c)."""
    index, weight, mask = given.neighbours(max(1, int(given.count().max(initial=0))))
    degree = np.maximum(given.degree(), 1e-300)[:, None]
    A = (np.where(mask, weight, 0.0) / degree)[places] / outer
    c = W.shape[1]
    return [Term(label, A, index[places], W[:, [k]], np.eye(c)[[k]], ("(being that row)",)) for k in range(c)]

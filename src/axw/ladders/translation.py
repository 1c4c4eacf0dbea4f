"""The ladder of translation: every rung trained under one budget, measured on the same sentences, kept in a folder of its own.

OUT/RUNG/seed-0/             a run: settings, history, checkpoints, model; `axw translate` takes it
OUT/RUNG/seed-0/result.json  what was measured of it; a second call reads it instead of training again
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from axw.errors import AxwError, UsageError
from axw.ladders.translation_result import TranslationHeldOut, TranslationLadder, build
from axw.ladders.translation_rungs import TranslationRung, chosen
from axw.learning.hooks import Hook
from axw.learning.runs import fingerprint_of_bytes
from axw.learning.settings import to_dict
from axw.measures.alignment import Alignment, alignment_error_rate
from axw.models.text_model import Place
from axw.models.translation.aligning import align
from axw.models.translation.readings import readings, usual_reading
from axw.models.translation.settings import TranslationSettings
from axw.models.translation.translator import Translator
from axw.storage import json_from_bytes, read_json_lines, write_json
from axw.storage.disk import read_bounded

RESULT = "axw.ladder.translation.rung/1"
_MOST_BYTES = 1 << 30
Lines = Sequence[str]


class Corpus(NamedTuple):
    """Training pairs, validation pairs, and the pairs that are measured, each a source and a target; `files` names them."""

    train: tuple[Lines, Lines]
    valid: tuple[Lines, Lines]
    test: tuple[Lines, Lines]
    files: dict[str, str]


class Gold(NamedTuple):
    """Pairs of sentences and the links between their words that people made."""

    source: Lines
    target: Lines
    links: Sequence[Alignment]


def translation_ladder(
    corpus: Corpus,
    out: Path,
    settings: TranslationSettings,
    *,
    rungs: Sequence[str] | None = None,
    seeds: int = 1,
    gold: Gold | None = None,
    hooks: Sequence[Hook] = (),
    progress: Callable[[int, int, str], None] | None = None,
) -> TranslationLadder:
    """Train and measure each rung with seeds 0 .. seeds - 1, or go on where an earlier call was stopped; then compare.

    settings   what all rungs have in common: sizes, training, budget, vocabulary; `RUNGS` says what each changes
    gold       hand-made links, for the alignment error rate of the rungs that have attention

    Raises `UsageError` for an unknown rung, for fewer seeds than 1, and where `out` holds results of other settings or data.
    """
    if seeds < 1:
        raise UsageError(f"seeds is {seeds}; allowed: 1 or more.", "--seeds")
    asked = chosen(rungs)
    results: dict[str, list[dict[str, Any]]] = {rung.name: [] for rung in asked}
    done = 0
    # Seed after seed, so that a ladder that is stopped half-way has compared all rungs once.
    for seed in range(seeds):
        for rung in asked:
            if progress is not None:
                progress(done, seeds * len(asked), f"{rung.name}, seed {seed}")
            folder = out / rung.folder / f"seed-{seed}"
            results[rung.name].append(_one(rung, rung.settings(settings, seed), corpus, gold, folder, hooks))
            done += 1
    data = {**corpus.files, "training pairs": len(corpus.train[0]), "measured pairs": len(corpus.test[0])}
    found = build(asked, results, corpus.test[1], data, to_dict(settings))
    best = next(rung for rung in asked if rung.name == found.best.rung)
    said = TranslationHeldOut(*corpus.test, results[best.name][0]["said"], out / best.folder / "seed-0")
    return replace(found, held_out=said)


def _one(
    rung: TranslationRung,
    settings: TranslationSettings,
    corpus: Corpus,
    gold: Gold | None,
    folder: Path,
    hooks: Sequence[Hook],
) -> dict[str, Any]:
    """The result of one rung and seed: read, or trained and measured now."""
    identity = {"settings": to_dict(settings), "data": _fingerprint(corpus, gold)}
    path = folder / "result.json"
    if path.is_file():
        return _read(path, identity)
    model = Translator(settings)
    place = Place(folder, resume=(folder / "run.json").is_file(), files=corpus.files, hooks=hooks)
    try:
        model.fit(*corpus.train, corpus.valid, place)
    except AxwError as error:
        error.add_note(f"The rung was {rung.name!r}.")
        raise
    result = {"schema": RESULT, "rung": rung.name, **identity, **_measured(model, corpus, gold), **_cost(model, folder)}
    write_json(path, result)
    return result


def _measured(model: Translator, corpus: Corpus, gold: Gold | None) -> dict[str, Any]:
    """Perplexity and translations of the measured pairs, perplexity of the validation pairs, alignment errors."""
    source, target = corpus.test
    found: dict[str, Any] = {
        "perplexity": model.evaluate(source, target)["perplexity"],
        "said": model.translate(source),
    }
    found["valid_perplexity"] = model.facts["validation"].get("perplexity")
    return found | {"alignment": None if gold is None else alignment_errors(model, gold)}


def alignment_errors(model: Translator, gold: Gold) -> dict[str, Any] | None:
    """The alignment error rate of forced decoding, for each layer and each way of reading it; None without attention.

    aer  of the reading that is reported. Luong: the word that footnote 14 says. Transformer: the best layer and word, chosen on
         the even sentences and measured on the odd ones, and the other way round, so that nothing is chosen and measured at once
    """
    offered = readings(model.settings)
    if not offered:
        return None
    sets = {reading: [pair.links for pair in align(model, gold.source, gold.target, reading)] for reading in offered}

    def rate(found: Sequence[frozenset[tuple[int, int]]], which: slice) -> float:
        links = gold.links[which]
        return alignment_error_rate([g.sure for g in links], [g.possible for g in links], found[which]).error

    everything = slice(None)
    named = {f"{reading.layer}, {reading.word}": rate(sets[reading], everything) for reading in offered}
    if model.settings.architecture == "luong":
        usual = usual_reading(model.settings)
        return {"aer": rate(sets[usual], everything), "read": f"{usual.layer}, {usual.word}", "by_reading": named}
    halves = (slice(0, None, 2), slice(1, None, 2))
    best = [min(offered, key=lambda reading, half=half: rate(sets[reading], half)) for half in halves]  # type: ignore[misc]
    crossed = [sets[best[1 - i % 2]][i] for i in range(len(gold.links))]
    read = " and ".join(dict.fromkeys(f"{reading.layer}, {reading.word}" for reading in best))
    return {"aer": rate(crossed, everything), "read": f"{read} (chosen on the other half)", "by_reading": named}


def _cost(model: Translator, folder: Path) -> dict[str, Any]:
    """Parameters; target pieces a second, evaluation included; steps and seconds."""
    seconds = max([float(line["seconds"]) for line in read_json_lines(folder / "history.jsonl")], default=0.0)
    training = model.facts["training"]
    return {
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "steps": training["steps"],
        "seconds": seconds,
        "tokens_per_second": training["tokens"] / seconds if seconds else 0.0,
    }


def _read(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """A result that is there. `UsageError` where it is of other settings or data, saying which."""
    found = json_from_bytes(read_bounded(path, _MOST_BYTES), f"In {str(path)!r}.")
    if not isinstance(found, dict) or found.get("schema") != RESULT:
        raise UsageError(f"This is not a result of a rung: {RESULT}.", str(path), "Give another folder.")
    differs = [*_differences(found.get("settings"), identity["settings"], "")]
    if found.get("data") != identity["data"]:
        differs.append("the data are others")
    if differs:
        raise UsageError(
            f"The folder holds a result of other settings: {'; '.join(differs[:4])}.",
            f"In {str(path)!r}.",
            "Give another --out, or the settings and files that it was made with.",
        )
    return found


def _differences(before: Any, now: Any, name: str) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted({*before, *now})
        return [t for key in keys for t in _differences(before.get(key), now.get(key), f"{name}.{key}".strip("."))]
    return [] if before == now else [f"{name} was {before!r}, is {now!r}"]


def _fingerprint(corpus: Corpus, gold: Gold | None) -> str:
    sides = [side for pairs in (corpus.train, corpus.valid, corpus.test) for side in pairs]
    sides += [] if gold is None else [gold.source, gold.target, [f"{sorted(links.possible)}" for links in gold.links]]
    return fingerprint_of_bytes(line.encode() for side in sides for line in (*side, ""))


def equal_budget(settings: TranslationSettings, *, steps: int | None, minutes: float | None) -> TranslationSettings:
    """The settings with this budget for each rung; as they are where neither is said. `UsageError` for both."""
    if steps is not None and minutes is not None:
        raise UsageError("Both --steps and --minutes are given; allowed: one of them.", "--steps, --minutes")
    if steps is None and minutes is None:
        return settings
    train = replace(settings.train, steps=steps, minutes=minutes, epochs=None, tokens=None)
    return replace(settings, train=train)

"""A small model of every kind, those of text with their first weights, and a server around them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from axw.learning import with_settings
from axw.models import AttentionClassifier, AttentionRegressor, MaskedLanguageModel, Translator
from axw.models.translation.data import translation_data
from axw.models.translation.settings import TranslationSettings
from axw.models.trees.parser import ConstituencyParser, TreeData, normal
from axw.models.trees.settings import ParserSettings
from axw.models.words.classifier import FineTunedClassifier
from axw.models.words.classifier_settings import SentencesSettings
from axw.models.words.labelled_lines import LabelledLines, SentencesData
from axw.models.words.masked_words import WordsData
from axw.models.words.settings import WordsSettings
from axw.relations import SameValue
from axw.serve import Limits, Service, make_app

WORDS = "ein mann frau hund sitzt läuft rot blau haus baum".split()
NETWORK = ["d_model=16", "layers=1", "heads=2", "d_ff=32", "dropout=0.1"]
TREES = [
    "(S (NP (DT the) (NN cat)) (VP (VBD sat)))",
    "(S (NP (DT a) (NN dog)) (VP (VBD saw) (NP (DT the) (NN bird))))",
    "(S (NP (NNS birds)) (VP (VBP sing)))",
] * 10


def lines(count: int, seed: int = 0) -> list[str]:
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, size=draw.integers(2, 8))) for _ in range(count)]


def passengers(count: int = 97) -> pd.DataFrame:
    """Numbers with a gap, a category, a date, a boolean and a key by which rows are found."""
    draw = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "age": draw.normal(40, 12, count).round(1),
            "class": draw.choice(["first", "second", "third"], count),
            "born": pd.Timestamp("1890-01-01") + pd.to_timedelta(draw.integers(0, 9000, count), unit="D"),
            "alone": draw.random(count) < 0.5,
            "ticket": [f"t{i}" for i in draw.integers(0, 40, count)],
            "passenger": np.arange(1, count + 1),
        }
    )
    frame.loc[::7, "age"] = np.nan
    return frame


def survived(frame: pd.DataFrame) -> pd.Series:
    effect = frame["ticket"].str[1:].astype(int) % 3 + (frame["class"] == "first") * 1.5
    return pd.Series(np.where(effect > 1.4, "yes", "no"), index=frame.index, name="survived")


def untrained(model: Any, data: Any) -> Any:
    """A model of text that knows its vocabulary and nothing else."""
    model._vocabularies = model._learn_vocabularies(data)
    model._network = model._make_network(model._vocabularies).eval()
    model.facts = model._facts(data)
    return model


@lru_cache(maxsize=1)
def table() -> Any:
    frame = passengers()
    model = AttentionClassifier("given", relations=[SameValue("ticket")], labels=True, id="passenger")
    return model.fit(frame, survived(frame))


@lru_cache(maxsize=1)
def numbers() -> Any:
    """A regressor without names, whose rows all read each other."""
    frame = passengers().drop(columns=["ticket", "passenger", "born"])
    model = AttentionRegressor("query-key", rank=1, heads=1)
    return model.fit(frame.drop(columns="age"), frame["age"].fillna(40.0) + frame["alone"] * 3.0)


@lru_cache(maxsize=1)
def translator() -> Any:
    changes = [*(f"transformer.{each}" for each in NETWORK), "vocabulary=280", "batch_tokens=200", "longest=40"]
    changes.append("search.max_constant=20")  # it babbles: a picture has room for so much
    source = lines(101)
    target = [" ".join(reversed(line.upper().split())) for line in source]
    return untrained(Translator(with_settings(TranslationSettings(), changes)), translation_data(source, target, None))


@lru_cache(maxsize=1)
def words() -> Any:
    changes = [*(f"network.{each}" for each in NETWORK), "vocabulary=280", "batch_tokens=200", "longest=32"]
    return untrained(MaskedLanguageModel(with_settings(WordsSettings(), changes)), WordsData(lines(101), []))


@lru_cache(maxsize=1)
def sentences() -> Any:
    settings = SentencesSettings(network=words().settings.network, classes=("other", "rot"))
    data = SentencesData(LabelledLines([], []), LabelledLines([], []))
    return untrained(FineTunedClassifier(with_settings(settings, ["longest=32"]), words()), data)


@lru_cache(maxsize=1)
def parser() -> Any:
    changes = [*(f"transformer.{each}" for each in NETWORK), "vocabulary=280"]
    trees = normal(TREES, "the trees")
    return untrained(ConstituencyParser(with_settings(ParserSettings(), changes)), TreeData(trees, trees))


MAKERS: Mapping[str, Callable[[], Any]] = {
    "table": table,
    "numbers": numbers,
    "words": words,
    "sentences": sentences,
    "translation": translator,
    "trees": parser,
}
ROW = {"age": 31, "class": "first", "born": "1885-02-03", "alone": True, "ticket": "t3"}
EMBRACED = {"class": "second", "alone": False}
ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("table", "predict", {"rows": [ROW, {**ROW, "age": None, "ticket": None}]}),
    ("table", "explain", {"rows": [ROW]}),
    ("numbers", "predict", {"rows": [EMBRACED]}),
    ("numbers", "explain", {"rows": [EMBRACED]}),
    ("words", "fill", {"lines": ["ein mann [MASK] blau", "[MASK]"], "top": 3}),
    ("words", "explain", {"line": "ein mann sitzt"}),
    ("sentences", "predict", {"lines": ["ein mann sitzt", ""]}),
    ("translation", "translate", {"lines": ["ein mann sitzt", ""], "beam": 2, "nbest": 2}),
    ("translation", "explain", {"line": "ein mann sitzt"}),
    ("trees", "parse", {"lines": ["the cat sat"]}),
    ("trees", "explain", {"line": "the cat sat"}),
    ("sentences", "explain", {"line": "ein mann sitzt"}),
]


def service(*ids: str, limits: Limits | None = None, extra: Mapping[str, Any] | None = None) -> Service:
    """A service of these models; `extra` are models by their ids."""
    models = {name: MAKERS[name]() for name in ids} | dict(extra or {})

    def load(path: Path) -> Any:
        if isinstance(models[path.name], Exception):
            raise models[path.name]
        return models[path.name]

    return Service({name: Path(name) for name in models}, limits, load)


def run(serving: Service, use: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    """Start the service, call `use` with a client of it, stop it."""

    async def main() -> Any:
        app = make_app(serving)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        await serving.start()
        try:
            await serving.until_loaded()
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765", timeout=60) as client:
                return await use(client)
        finally:
            await serving.stop()

    return asyncio.run(main())


def post(client: httpx.AsyncClient, model: str, verb: str, question: Any) -> Awaitable[httpx.Response]:
    return client.post(f"/v1/models/{model}/{verb}", json=question)

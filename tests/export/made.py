"""Small networks of every form with random weights, as models that could have been trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from axw.data.vocabulary import Vocabulary
from axw.export.questions import Questions, Subject, questions, subject
from axw.models.translation.settings import TranslationSettings
from axw.models.translation.translator import Translator
from axw.models.words.masked_words import MaskedLanguageModel
from axw.models.words.settings import WordsSettings
from axw.networks.blocks import TransformerSettings
from axw.networks.luong_settings import LuongSettings
from tests.models.tiny_text import lines

LINES = lines(24)
ONE, OTHER = Vocabulary.learn(LINES, 290), Vocabulary.learn(LINES[::2], 283)
BERT = {
    "norm_place": "post",
    "positions": "learned",
    "feedforward": "gelu",
    "bias": True,
    "attention_bias": True,
    "embedding_norm": True,
    "output_transform": True,
    "norm_epsilon": 1e-12,
}


def words(**form: Any) -> MaskedLanguageModel:
    """A masked-word model whose network differs from the default recipe's form by these settings."""
    start = {
        "d_model": 24,
        "layers": 2,
        "heads": 3,
        "d_ff": 48,
        "feedforward": "geglu",
        "positions": "rotary",
        "longest": 40,
    }
    settings = WordsSettings(network=TransformerSettings(**{**start, **form}), vocabulary=300, longest=40)
    model = MaskedLanguageModel(settings)
    model._vocabularies = {"vocabulary": ONE}
    model._network = _random(model._make_network(model._vocabularies))
    return model


def translator(*, joint: bool = True, **form: Any) -> Translator:
    """A Transformer that translates."""
    start = {"d_model": 24, "layers": 2, "heads": 3, "d_ff": 40, "longest": 128}
    transformer = TransformerSettings(**{**start, **form})
    return _translator(TranslationSettings(transformer=transformer, vocabulary=300, joint=joint, longest=40))


def luong(*, joint: bool = True, **form: Any) -> Translator:
    """A network of Luong et al. that translates."""
    network = LuongSettings(**{"d_model": 13, "layers": 2, "longest": 7, "window_width": 3, **form})
    settings = TranslationSettings(architecture="luong", luong=network, vocabulary=300, joint=joint, longest=40)
    model = _translator(settings)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.mul_(4)
    return model


def _translator(settings: TranslationSettings) -> Translator:
    model = Translator(settings)
    model._vocabularies = {"source": ONE} if settings.joint else {"source": ONE, "target": OTHER}
    model._network = _random(model._make_network(model._vocabularies))
    return model


def _random(network: nn.Module) -> nn.Module:
    """Norms and biases away from 1 and 0, so that none of them can be forgotten."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim == 1 or "learnt" in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return network.eval()


def asked(model: Any, count: int = 5) -> tuple[Subject, Questions]:
    """A few lines as questions, with references that are the lines themselves."""
    given, short = subject(model), [" ".join(line.split()[:4]) for line in LINES[:count]]
    return given, questions(given, short, None if given.guesses else short)

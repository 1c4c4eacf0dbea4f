"""A model goes on from another: its pieces, its form, its weights."""

from dataclasses import replace

import pytest
import torch

from axw.cli import main
from axw.errors import UsageError
from axw.models.text_model import Place
from axw.models.words.masked_words import MaskedLanguageModel
from tests.models.tiny_text import lines, words_settings


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first") / "words.run"
    return folder, MaskedLanguageModel(words_settings(4)).fit(lines(), place=Place(folder))


def weights(model):
    return dict(model.network.named_parameters())


def test_without_a_step_it_is_the_other_model(first):
    _, model = first
    other = [line.upper() for line in lines(30, seed=9)]
    again = MaskedLanguageModel(words_settings(0)).fit(other, place=Place(start=model))
    assert again.vocabulary == model.vocabulary
    assert all(torch.equal(mine, weights(model)[name]) for name, mine in weights(again).items())
    more = MaskedLanguageModel(words_settings(3)).fit(other, place=Place(start=model))
    assert not torch.equal(more.network.projection, model.network.projection)


def test_another_form_is_refused(first):
    settings = words_settings(2)
    settings = replace(settings, network=replace(settings.network, d_ff=64))
    with pytest.raises(UsageError, match="is of another form: encoder.layers.0.feedforward.inner.weight is"):
        MaskedLanguageModel(settings).fit(lines(), place=Place(start=first[1]))


def test_the_command_goes_on_and_is_resumed(first, tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text("\n".join(lines(40, seed=2)))
    asked = ["fit", "words", str(text), "--from", str(first[0]), "--save", str(tmp_path / "more.run"), "--steps", "2"]
    assert main(asked) == 0, capsys.readouterr().err
    again = MaskedLanguageModel.load(tmp_path / "more.run")
    assert again.vocabulary == first[1].vocabulary and again.settings.network == first[1].settings.network
    assert main(["resume", str(tmp_path / "more.run")]) == 0, capsys.readouterr().err

"""Lines to classes: on frozen vectors, and with all weights trained."""

from dataclasses import replace

import numpy as np
import pytest

from axw.errors import DataError, UsageError
from axw.learning import ScheduleSettings
from axw.models import load
from axw.models.text_model import Place
from axw.models.words.classifier import FineTunedClassifier, SentenceClassifier
from axw.models.words.classifier_settings import SentencesSettings
from axw.models.words.masked_words import MaskedLanguageModel
from tests.learning.tiny import digest
from tests.models.tiny_text import lines, words_settings

pytestmark = pytest.mark.filterwarnings("ignore:The text allows")
TEXT = lines(60)
LABELS = ["names A" if line.startswith("A") else "other" for line in TEXT]


@pytest.fixture(scope="module")
def base():
    return MaskedLanguageModel(words_settings(12)).fit(TEXT)


def settings(base, steps=25):
    train = replace(base.settings.train, steps=steps, schedule=ScheduleSettings(rate=2e-2, warmup=3))
    return SentencesSettings(network=base.settings.network, train=train, longest=24, batch_tokens=256)


def test_frozen_vectors_are_classified_as_scikit_learn_does(base):
    found = SentenceClassifier(base).fit(TEXT[:40], LABELS[:40])
    P = found.predict_proba(TEXT[40:])
    assert P.shape == (20, 2) and found.classes_.tolist() == ["names A", "other"]
    np.testing.assert_allclose(P.sum(1), 1)
    assert (found.predict(TEXT[40:]) == found.classes_[P.argmax(1)]).all()
    assert found.score(TEXT[:40], LABELS[:40]) >= 0.5


def test_all_weights_are_trained_and_the_classes_learned(base):
    before = digest(base.network.state_dict())
    found = FineTunedClassifier(settings(base), base).fit(TEXT, LABELS)
    assert digest(base.network.state_dict()) == before, "the model that it goes on from is left as it is"
    assert found.evaluate(TEXT, LABELS)["accuracy"] > 0.9
    assert found.predict(TEXT[:3]) == [found.classes[i] for i in found.predict_proba(TEXT[:3]).argmax(1)]
    alone = np.concatenate([found.predict_proba([line]) for line in [*TEXT[:3], ""]])
    np.testing.assert_allclose(found.predict_proba([*TEXT[:3], ""]), alone, atol=1e-5)


def test_before_the_first_step_it_is_the_encoder_of_its_base_and_every_class_is_as_likely(base):
    found = FineTunedClassifier(settings(base, 0), base).fit(TEXT, LABELS)
    np.testing.assert_allclose(found.predict_proba(TEXT[:2]), 0.5)
    known = dict(base.network.named_parameters())
    shared = {name: p for name, p in found.network.named_parameters() if name in known}
    assert len(shared) > 5 and digest(shared) == digest({name: known[name] for name in shared})


def test_what_is_loaded_is_what_was_trained_and_a_run_is_a_model(base, tmp_path):
    found = FineTunedClassifier(settings(base, 4), base).fit(TEXT, LABELS, place=Place(tmp_path / "run"))
    other = load(tmp_path / "run")
    assert isinstance(other, FineTunedClassifier) and other.classes == found.classes
    assert np.array_equal(other.predict_proba(TEXT), found.predict_proba(TEXT))


def test_what_cannot_be_learned_is_said(base):
    make = FineTunedClassifier(settings(base, 1), base)
    with pytest.raises(DataError, match="There are 60 lines and 59 labels; allowed: one label for each line."):
        make.fit(TEXT, LABELS[1:])
    with pytest.raises(DataError, match="There are 60 lines and 59 labels"):
        SentenceClassifier(base).fit(TEXT, LABELS[1:])
    with pytest.raises(DataError, match="The lines have the label 'x' alone; allowed: two classes or more."):
        make.fit(TEXT, ["x"] * 60)
    with pytest.raises(DataError, match=r"Label \d+ is empty"):
        make.fit(TEXT, [" ", *LABELS[1:]])
    with pytest.raises(DataError, match="The validation text has the label 'new', which no training line has."):
        make.fit(TEXT, LABELS, (["a line"], ["new"]))
    with pytest.raises(UsageError, match="A classifier goes on from a masked-word model of task 'words'; got none."):
        FineTunedClassifier(settings(base)).fit(TEXT, LABELS)
    with pytest.raises(UsageError, match="The settings of the network are not those of the base."):
        FineTunedClassifier(SentencesSettings(), base).fit(TEXT, LABELS)


def test_labels_of_any_type_are_kept_as_text_and_every_class_is_learned_from(base):
    numbers = [int(line.startswith("A")) for line in TEXT]
    found = FineTunedClassifier(settings(base, 2), base).fit(TEXT, numbers)
    assert found.classes == ("0", "1") and set(found.predict(TEXT[:5])) <= {"0", "1"}
    assert found.evaluate(TEXT, numbers) == found.evaluate(TEXT, [str(n) for n in numbers])
    rare = ["rare" if i % 10 == 9 and i < 50 else label for i, label in enumerate(LABELS)]
    assert FineTunedClassifier(settings(base, 1), base).fit(TEXT, rare).classes == ("names A", "other", "rare")


def test_one_text_or_no_text_is_said_and_not_read_letter_by_letter(base):
    found = SentenceClassifier(base).fit(TEXT, LABELS)
    for ask in (found.predict, FineTunedClassifier(settings(base, 1), base).fit(TEXT, LABELS).predict):
        with pytest.raises(UsageError, match="The lines are one text; allowed: several lines"):
            ask("Anna likes tea .")
    for make in (found, FineTunedClassifier(settings(base, 1), base)):
        with pytest.raises(DataError, match=r"Line 2 is a NoneType; allowed: text"):
            make.fit([TEXT[0], None, *TEXT[2:]], LABELS)
    with pytest.raises(DataError, match=r"Line 1 is a float; allowed: text"):
        MaskedLanguageModel(words_settings(1)).fit([float("nan"), *TEXT])
    with pytest.raises(UsageError, match="The lines are one text"):
        MaskedLanguageModel(words_settings(1)).fit("\n".join(TEXT))

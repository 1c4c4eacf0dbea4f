"""Filling gaps: whole words, whatever they are spelled with; and what cannot be filled is said."""

import numpy as np
import pytest
import torch

from axw.data.vocabulary import BOS, EOS, MASK
from axw.decoding import score
from axw.errors import DataError, ModelError, UsageError
from axw.models.words.filled import MOST_MASKS
from axw.models.words.filling import WordList, word_list
from axw.models.words.gap_filling import GapsInOrder
from axw.models.words.masked_words import MaskedLanguageModel
from tests.models.tiny_text import lines, words_settings

pytestmark = pytest.mark.filterwarnings("ignore:The text allows")


@pytest.fixture(scope="module")
def model():
    return MaskedLanguageModel(words_settings(20)).fit(lines())


@pytest.fixture(scope="module")
def spans():
    return MaskedLanguageModel(words_settings(6, task="fill-spans")).fit(lines())


def test_one_mask_is_the_same_in_either_order(model):
    line = "Anna likes [MASK] and tea ."
    assert model.fill(line) == model.fill(line, order="left-to-right")


def test_the_first_of_several_masks_is_the_same_in_either_order(model):
    line = "Anna [MASK] tea and [MASK] ."
    together, in_turn = model.fill(line), model.fill(line, order="left-to-right")
    assert together.masks[0] == in_turn.masks[0]
    alone = model.fill(f"Anna {in_turn.masks[0].guesses[0].word} tea and [MASK] .")
    assert in_turn.masks[1].guesses == alone.masks[0].guesses and in_turn.text == alone.text


def test_answers_are_words_with_probabilities(model):
    found = model.fill("Anna likes [MASK] .", top=1000).masks[0].guesses
    known = {word for line in lines() for word in line.split()}
    short = {word for word in known if len(model.vocabulary.encode([word])[0]) <= 4}
    assert {guess.word for guess in found} == short and len(short) > 20
    chances = [guess.probability for guess in found]
    assert chances == sorted(chances, reverse=True) and sum(chances) == pytest.approx(1.0)
    top = model.fill("Anna likes [MASK] .", top=2).masks[0].guesses
    assert top == found[:2]


def test_the_probability_of_a_word_is_that_of_its_pieces(model):
    words = WordList.from_facts(model.facts)
    ids = model.vocabulary.encode(["Anna likes [MASK] ."], mask_token="[MASK]")[0]
    at, counts, scores = int(np.flatnonzero(ids == MASK)[0]), dict(zip(words.words, words.counts, strict=True)), {}
    spelled = {word: model.vocabulary.encode([word])[0] for word in words.words}
    for word, pieces in spelled.items():
        if len(pieces) > 4:
            continue
        read = np.concatenate([[BOS], ids[:at], [MASK] * len(pieces), ids[at + 1 :], [EOS]]).astype(np.int64)
        with torch.no_grad():
            rows = model.network(torch.from_numpy(read)[None], torch.arange(at + 1, at + 1 + len(pieces)))
            log_p = torch.log_softmax(model.network.logits(rows), -1)
        share = sum(n for other, n in counts.items() if len(spelled[other]) == len(pieces)) / sum(counts.values())
        scores[word] = float(log_p[range(len(pieces)), pieces.tolist()].sum()) + np.log(share)
    total = np.logaddexp.reduce(list(scores.values()))
    found = model.fill("Anna likes [MASK] .", top=1000).masks[0].guesses
    assert {g.word: g.probability for g in found} == pytest.approx(
        {w: np.exp(s - total) for w, s in scores.items()}, rel=1e-3
    )


def test_what_was_attended_to_are_words_of_the_line(model):
    line = "Anna likes [MASK] and tea ."
    for word in model.fill(line).masks[0].attended:
        assert line.split()[word.place] == word.word and 0 < word.weight < 1 and word.place != 2
    long = "tea " * 40 + "Anna likes [MASK] ."
    assert all(word.place > 15 for word in model.fill(long).masks[0].attended)


def test_the_words_that_a_gap_read_are_words_of_the_whole_line_where_it_is_cut(spans):
    line = "tea " * 40 + "Anna likes [MASK] ."
    for word in spans.fill(line).masks[0].attended:
        assert line.split()[word.place] == word.word and word.place > 15


def test_more_masks_than_there_are_sentinels_are_said_of_pieces_too(spans):
    most = len(spans.filler().sentinels)
    ids = np.full(most + 1, MASK)
    with pytest.raises(DataError, match=rf"The line has {most + 1} \[MASK\]; allowed: 1 to {most}"):
        spans.filler().guesses(ids, 1, 1)


def test_a_line_that_is_longer_than_the_model_is_read_around_the_mask_and_it_says_so(model, spans):
    for each in (model, spans):
        found = each.fill("tea " * 40 + "[MASK]" + " tea" * 40)
        assert found.cut > 0
        assert (
            f"{found.cut:,} pieces far from the masks were not read: the model reads 22 pieces at once" in found.notes
        )
        assert f"note: {found.cut}" in str(found) and found.to_json()["pieces_not_read"] == found.cut
        assert each.fill("Anna likes [MASK] .").notes == ()


def test_words_that_were_never_seen_are_named(model):
    assert model.fill("xyzzy likes [MASK] .").notes == (
        "not among the words of the training text, so read piece by piece: xyzzy",
    )
    many = model.fill("a b c d e f g [MASK]").notes[0]
    assert many.endswith("piece by piece: a, b, c, d, e, ...")


def test_nothing_but_a_mask_is_answered_with_a_note(model, spans):
    for each in (model, spans):
        found = each.fill(" [MASK] ")
        assert found.notes == ("the line holds nothing but [MASK]: the guesses rest on no word at all",)
        assert found.masks[0].guesses and found.masks[0].attended == []


@pytest.mark.parametrize("which", ["model", "spans"])
def test_lines_that_cannot_be_filled(which, request):
    each = request.getfixturevalue(which)
    most = MOST_MASKS if which == "model" else 8
    with pytest.raises(DataError, match=rf"The line has no \[MASK\]; allowed: 1 to {most}\.") as error:
        each.fill("Anna likes tea .")
    assert str(error.value).endswith('Put [MASK] where a word is to be guessed: "I like to [MASK]."')
    with pytest.raises(DataError, match=rf"The line has 1,000 \[MASK\]; allowed: 1 to {most}\."):
        each.fill("[MASK] " * 1000)
    with pytest.raises(UsageError, match=r"Unknown order 'left-to-write'.\n.*\n.*Did you mean 'left-to-right'"):
        each.fill("[MASK]", order="left-to-write")
    with pytest.raises(UsageError, match="top is 0; allowed: 1 to 1000"):
        each.fill("[MASK]", top=0)


def test_whole_words_that_the_model_does_not_have_are_no_answers():
    model = MaskedLanguageModel(words_settings(2, pieces="words", vocabulary=12)).fit(lines(30))
    found = model.fill("Anna likes [MASK] xyzzy", top=1000)
    assert len(found.masks[0].guesses) <= 7
    assert "so read as <unk>: xyzzy" in found.notes[0]


def test_word_lists_that_are_damaged_are_refused():
    good = word_list(["a b , b"])
    assert good == {"words": ["b", ",", "a"], "counts": [2, 1, 1]}
    assert WordList.from_facts({"words": good}).counts == (2, 1, 1)
    for bad in (
        [],
        {"words": ["a"]},
        {"words": ["a"], "counts": [1, 2]},
        {"words": [1], "counts": [1]},
        {"words": ["a"], "counts": [0]},
    ):
        with pytest.raises(ModelError, match="The list of words is not one that axw writes"):
            WordList.from_facts({"words": bad})


# ------------------------------------------------------------------------------------------------------------------ gaps


def test_every_gap_is_written(spans):
    found = spans.fill("Anna [MASK] and [MASK] . [MASK]", top=3)
    assert [mask.number for mask in found.masks] == [1, 2, 3]
    for mask in found.masks:
        assert 1 <= len(mask.guesses) <= 3 and sum(g.probability for g in mask.guesses) <= 1 + 1e-9
    first = [mask.guesses[0].word for mask in found.masks]
    assert found.text.startswith("Anna ") and len(first) == 3 and " and " in found.text


def test_what_the_search_found_has_the_probability_of_forced_decoding(spans):
    filler = spans.filler()
    source = spans.vocabulary.encode(["Anna likes"])[0].astype(np.int64)
    source = np.append(source, filler.sentinels[0])
    found = filler._search(source, 1, 4)
    state = spans.network.start(spans.network.encode(torch.from_numpy(np.append(source, EOS))[None]))
    for each in found:
        assert each.finished and each.ids[0] == filler.sentinels[0] and 2 <= len(each.ids) <= 13
        logs = score(spans.network, state, [list(each.ids)])[0]
        assert float(logs.sum()) == pytest.approx(each.log_probability, rel=1e-4)


def test_gaps_come_in_order(spans):
    rule = GapsInOrder(spans.filler().sentinels, 2, spans.vocabulary)
    one, two, piece = *rule.sentinels.tolist(), spans.vocabulary.first
    state = rule.start(1)
    for allowed, token in [({one}, one), ({piece}, piece), ({piece, two}, two), ({piece}, piece), ({piece, EOS}, EOS)]:
        shown = set(rule.allowed(state)[0, 0].nonzero()[:, 0].tolist())
        assert shown & {one, two, piece, EOS} == allowed and (len(shown) == 1) == (allowed == {one})
        state = rule.advance(state, torch.tensor([[token]]))


def test_masks_that_are_far_apart_are_refused(spans):
    assert spans.fill("[MASK]" + " ," * 20 + " [MASK]").cut == 0
    with pytest.raises(DataError, match="The masks of the line are 23 pieces apart; allowed: 22"):
        spans.fill("[MASK]" + " ," * 21 + " [MASK]")

"""Any text comes back; names in a text are text; the same lines give the same bytes; a file that was changed is refused."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from axw.data import BOS, EOS, MASK, PAD, UNK, Sentences, Vocabulary
from axw.errors import DataError, DataWarning, ModelError, UsageError

LINES = [
    "the cat sat on the mat .",
    "the cat sees the dog, and the dog sees the cat.",
    "Der Hund sieht die Katze, die Katze sieht den Hund.",
    "It's 1984: she'll say it 1984 times; she says it's 12.",
    "schöne Grüße aus Köln, schöne Grüße an alle",
] * 3
EXTRA = ("<2de>", "<extra_0>", "(NP")
# Names of this vocabulary and others, marks of other tools, blanks of all kinds, scripts that were never seen.
ODD = [
    *EXTRA,
    "<pad>",
    "<s>",
    "</s>",
    "<unk>",
    "[MASK]",
    "▁",
    "##",
    "Ġ",
    "\t",
    "  ",
    "\n",
    "\u00a0",
    "\u3000",
    "\x1c",
    "\x85",
]
ODD += ["語", "😀‍👩", "é́́", "नमस्ते", "\u202e", "\x1b[2J", "\0", "don't", "l'été", "word", " cat", "1984", "..."]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.learn(LINES, 340, extra=EXTRA)


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return Vocabulary.learn(LINES, 30, kind="words", extra=EXTRA)


def texts() -> st.SearchStrategy[str]:
    parts = st.sampled_from([*ODD, " ", "the", "cat"]) | st.text(st.characters(codec="utf-8"), max_size=4)
    return st.lists(parts, max_size=7).map("".join)


MADE: dict[str, Vocabulary] = {}


def made(kind: str = "bpe") -> Vocabulary:
    """The vocabularies for property tests, which cannot have fixtures of a module."""
    if kind not in MADE:
        MADE[kind] = Vocabulary.learn(LINES, {"bpe": 340, "words": 30}[kind], kind=kind, extra=EXTRA)
    return MADE[kind]


# Text to ids and back


def test_ids_are_where_they_should_be(vocabulary: Vocabulary, words: Vocabulary) -> None:
    for one in (vocabulary, words):
        assert one.entries[:5] == ("<pad>", "<s>", "</s>", "<unk>", "[MASK]")
        assert dict(one.extra) == {"<2de>": 5, "<extra_0>": 6, "(NP": 7}
        assert one.piece_ids == range(8, one.size)
    assert (PAD, BOS, EOS, UNK, MASK) == (0, 1, 2, 3, 4)
    assert vocabulary.size == 340 and words.size == 30


@given(st.lists(texts(), max_size=4))
def test_any_text_comes_back(lines: list[str]) -> None:
    vocabulary = made()
    sentences = vocabulary.encode(lines)
    assert [vocabulary.decode(ids) for ids in sentences] == lines
    assert (sentences.ids >= vocabulary.first).all(), "what is typed never becomes a name or an extra token"


@given(st.lists(texts(), max_size=4))
def test_whole_words_come_back_with_unk_for_the_others(lines: list[str]) -> None:
    vocabulary = made("words")
    known = set(vocabulary.entries[vocabulary.first :])
    for line, ids in zip(lines, vocabulary.encode(lines), strict=True):
        typed = [word.decode() for word in line.encode().split()]
        assert vocabulary.pieces(ids) == [word if word in known else "<unk>" for word in typed]
        assert vocabulary.decode(ids) == " ".join(vocabulary.pieces(ids))
        assert all(i >= vocabulary.first or i == UNK for i in ids)


@given(st.lists(texts(), max_size=4))
def test_other_programs_get_the_same_ids(lines: list[str]) -> None:
    """Other programs parse names that stand in a text, so texts with a name are left out here."""
    vocabulary = made()
    lines = [line for line in lines if not any(name in line for name in vocabulary.entries[: vocabulary.first])]
    other = Tokenizer.from_str(vocabulary.tokenizer_json().decode())
    for line, ids in zip(lines, vocabulary.encode(lines), strict=True):
        assert other.encode(line).ids == ids.tolist()
        assert other.decode(ids.tolist()) == line


@pytest.mark.parametrize("line", ["I [MASK] the [MASK].", "[MASK] cat", "cat [MASK]", "[MASK]", "[MASK] [MASK], a"])
def test_other_programs_get_the_same_masks(vocabulary: Vocabulary, line: str) -> None:
    other = Tokenizer.from_str(vocabulary.tokenizer_json().decode())
    assert other.encode(line).ids == vocabulary.encode([line], mask_token="[MASK]")[0].tolist()


def test_other_programs_read_whole_words(words: Vocabulary) -> None:
    other = Tokenizer.from_str(words.tokenizer_json().decode())
    lines = ["the unseen cat", " the\tcat  sees", ""]
    assert [other.encode(line).ids for line in lines] == [ids.tolist() for ids in words.encode(lines)]


@given(st.lists(st.sampled_from(["[MASK]", " ", "  ", "cat", "un", ".", "[", "語"]), max_size=7).map("".join))
def test_a_mask_is_a_mask_only_where_asked_for(line: str) -> None:
    vocabulary = made()
    assert MASK not in vocabulary.encode([line])[0]
    ids = vocabulary.encode([line], mask_token="[MASK]")[0].tolist()
    assert ids.count(MASK) == line.count("[MASK]")
    assert vocabulary.decode(ids) == re.sub(r" ?\[MASK\]", "", " " + line).removeprefix(" ")


def test_a_mask_takes_the_place_of_a_word(vocabulary: Vocabulary, words: Vocabulary) -> None:
    for one in (vocabulary, words):
        shown, hidden = one.encode(["the cat sat on the mat .", "the ___ sat on the mat ."], mask_token="___")
        assert hidden.tolist()[:2] == [shown[0], MASK] and hidden.tolist()[-5:] == shown.tolist()[-5:]


def test_a_word_is_spelled_the_same_at_the_beginning(vocabulary: Vocabulary) -> None:
    first, second = vocabulary.encode(["cat", "the cat"])
    assert second.tolist()[-len(first) :] == first.tolist()


def test_no_piece_crosses_from_letters_to_punctuation_or_digits(vocabulary: Vocabulary) -> None:
    for piece in filter(str.isprintable, vocabulary.pieces(vocabulary.piece_ids)):
        if "\\x" in piece:  # a part of a character
            continue
        assert not (re.search(r"[^\W\d]", piece) and re.search(r"[.,;:\d]", piece)), piece
        assert "▁" not in piece[1:]


def test_encoding_a_stream_is_encoding_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axw.data.vocabulary._CHUNK", 4)
    vocabulary = made()
    parts = list(vocabulary.encode_stream(iter(LINES)))
    assert [len(part) for part in parts] == [4, 4, 4, 3]
    assert Sentences.join(parts) == vocabulary.encode(LINES)


def test_names_are_left_out_of_text(vocabulary: Vocabulary, words: Vocabulary) -> None:
    for one in (vocabulary, words):
        ids = one.encode(["the cat"])[0].tolist()
        assert one.decode([BOS, 5, *ids, EOS, PAD]) == "the cat"
        assert one.pieces([BOS, 5, EOS]) == ["<s>", "<2de>", "</s>"]
    assert vocabulary.decode(vocabulary.encode(["é"])[0][:2]) == "\ufffd"
    assert vocabulary.pieces(vocabulary.encode(["語"])[0]) == ["▁", r"\xe8", r"\xaa", r"\x9e"]


@pytest.mark.parametrize("unit", ["a", "ab", " ", "a ", "!?", "\u0301", "😀"])
def test_a_long_line_is_no_trouble(vocabulary: Vocabulary, unit: str) -> None:
    line = unit * (100_000 // len(unit))
    assert vocabulary.decode(vocabulary.encode([line])[0]) == line


# Words


@given(texts())
def test_words_of_a_line(line: str) -> None:
    vocabulary = made()
    ids = vocabulary.encode([line])[0]
    found, numbers = vocabulary.words_of(ids)
    assert found == [word.decode() for word in line.encode().split()]
    assert numbers.shape == ids.shape
    assert sorted(set(numbers.tolist()) - {-1}) == list(range(len(found))) and (np.diff(numbers) >= 0).all()
    for number, word in enumerate(found):
        assert vocabulary.decode(ids[numbers == number]).strip(" \t\n\r\x0b\x0c") == word


def test_words_of_names_and_rows(vocabulary: Vocabulary, words: Vocabulary) -> None:
    row = [BOS, *vocabulary.encode(["dog, she"])[0], MASK, *vocabulary.encode(["Köln"])[0], EOS]
    found, numbers = vocabulary.words_of(row)
    assert found == ["<s>", "dog,", "she", "[MASK]", "Köln", "</s>"]
    assert numbers[0] == 0 and numbers[-1] == 5
    both = np.stack([row, row[::-1]])
    assert np.array_equal(vocabulary.word_numbers(both)[0], numbers)
    assert words.words_of(words.encode(["the unseen cat"])[0])[0] == ["the", "<unk>", "cat"]


# Learning


def test_whole_words_by_count_and_then_by_name() -> None:
    words = Vocabulary.learn(["b a b  <unk> <unk> <unk>", "c\ta d"], 8, kind="words")
    assert words.entries[words.first :] == ("a", "b", "c")


def test_names_that_stand_in_the_text_are_not_learned() -> None:
    with pytest.warns(DataWarning, match=r"The text allows \d+ entries where size=400"):
        vocabulary = Vocabulary.learn(["a<unk>b (NP x(NP <unk><unk> [MASK]"] * 9, 400, extra=EXTRA)
    assert len(set(vocabulary.entries)) == vocabulary.size
    line = "a<unk>b (NP x(NP <unk><unk> [MASK]"
    ids = vocabulary.encode([line])[0]
    assert (ids >= vocabulary.first).all() and vocabulary.decode(ids) == line


def test_a_text_that_allows_less_is_said() -> None:
    with pytest.warns(DataWarning, match=r"The text allows 263 entries where size=300: the vocabulary has 263\."):
        assert Vocabulary.learn(["ab ab"], 300).size == 263
    with pytest.warns(DataWarning, match="The text allows 7 entries where size=8"):
        assert Vocabulary.learn(["a b"], 8, kind="words").size == 7


def test_the_bytes_alone_are_a_vocabulary() -> None:
    vocabulary = Vocabulary.learn(["abc"], 261)
    assert vocabulary.merges == () and vocabulary.decode(vocabulary.encode(["xyz ä"])[0]) == "xyz ä"
    assert vocabulary.sample(["xyz ä"], 0.5, 1) == vocabulary.encode(["xyz ä"])


LEARN = """
import hashlib
from axw.data.vocabulary import Vocabulary
lines = [f"w{i * i % 97} v{i * 7 % 89} the{i % 31}n and so{i % 13} on, {i % 53 * 'xy'}" for i in range(997)]
said = [Vocabulary.learn(lines, size, kind=kind).to_bytes() for kind, size in [("bpe", 340), ("words", 100)]]
print(hashlib.sha256(b"".join(said)).hexdigest())
"""


def test_the_same_lines_give_the_same_bytes_in_any_process(capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"PYTHONHASHSEED": "3", "TOKENIZERS_PARALLELISM": "true", "RAYON_NUM_THREADS": "5"}
    done = subprocess.run(
        [sys.executable, "-c", LEARN], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    exec(LEARN, {})  # noqa: S102  # in this process, with one thread
    assert (done.stdout, done.stderr) == (capsys.readouterr().out, "")


FORK = """
import multiprocessing
from axw.data import Vocabulary
vocabulary = Vocabulary.learn(["the cat sat", "the cat"], 262)
def size(line): return len(vocabulary.encode([line] * 99).ids)
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(size, ["the cat", "cat"]) == [size("the cat"), size("cat")])
"""


def test_a_fork_neither_warns_nor_hangs() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run([sys.executable, "-c", FORK], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True\n", "")


# The file


@pytest.mark.parametrize("kind", ["bpe", "words"])
def test_a_file_gives_the_same_vocabulary(kind: str) -> None:
    vocabulary = made(kind)
    again = Vocabulary.from_bytes(vocabulary.to_bytes(), "vocabulary.json")
    assert again == vocabulary and hash(again) == hash(vocabulary) and again.to_bytes() == vocabulary.to_bytes()
    assert again.encode(LINES) == vocabulary.encode(LINES)
    assert copy.deepcopy(vocabulary) is vocabulary
    assert repr(vocabulary) == f"Vocabulary({vocabulary.size} entries, kind={kind!r}, extra={list(EXTRA)})"


@pytest.mark.parametrize("kind", ["bpe", "words"])
def test_another_process_can_be_given_one(kind: str) -> None:
    vocabulary = made(kind)
    assert pickle.loads(pickle.dumps(vocabulary)).encode(LINES) == vocabulary.encode(LINES)


def changed(**values: object) -> bytes:
    return json.dumps(json.loads(made().to_bytes()) | values).encode()


PIECES = json.loads(Vocabulary.learn(["a a"], 261).to_bytes())["pieces"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff", "Not a JSON text"),
        (b"[]", "This is not a vocabulary"),
        (changed(more=1), "This is not a vocabulary"),
        (changed(format=2), "The vocabulary has format 2; allowed: 1"),
        (changed(pieces="abc"), "'pieces' is not a list of texts"),
        (changed(extra=[1]), "'extra' is not a list of texts"),
        (changed(names=["<pad>"]), r"The names are \('<pad>',\); allowed:"),
        (changed(merges=["a b c"]), "A merge is not two pieces"),
        (changed(merges=["Ġ zz"]), "A merge is there twice, or joins what is not a piece"),
        (changed(merges=["a b"]), "A merge is there twice, or joins what is not a piece"),
        (changed(kind="unigram"), "The kind is 'unigram'; allowed: 'bpe', 'words'"),
        (changed(kind=["bpe"]), r"The kind is \['bpe'\]"),
        (changed(kind="words"), "there are merges"),
        (changed(pieces=["a"]), "do not hold the 256 bytes"),
        (changed(pieces=[*PIECES, "語"], merges=[]), "not made of bytes"),
        (changed(pieces=[*PIECES, "a"], merges=[]), "An entry is there twice"),
        (changed(extra=["<pad>"]), "An entry is there twice"),
        (changed(extra=["a b"]), "An entry is empty or holds a blank"),
        (changed(extra=[""]), "An entry is empty or holds a blank"),
    ],
)
def test_a_file_that_was_changed_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ModelError, match=f"(?s){said}.*In model/vocabulary.json"):
        Vocabulary.from_bytes(data, "model/vocabulary.json")


# Subword dropout


@given(st.lists(texts(), max_size=4), st.sampled_from([0.0, 0.1, 0.7, 1.0]), st.integers(0, 7))
def test_every_draw_is_the_same_text(lines: list[str], dropout: float, seed: int) -> None:
    vocabulary = made()
    drawn = vocabulary.sample(lines, dropout, seed)
    assert [vocabulary.decode(ids) for ids in drawn] == lines
    assert vocabulary.sample(lines, dropout, seed) == drawn
    if dropout == 0.0:
        assert drawn == vocabulary.encode(lines)


def test_a_tiny_dropout_runs_the_joins_and_gives_the_plain_pieces(vocabulary: Vocabulary) -> None:
    assert vocabulary.sample(LINES, 1e-12, 3) == vocabulary.encode(LINES)


def test_seeds_and_epochs_differ_and_words_have_several_spellings(vocabulary: Vocabulary) -> None:
    sampler = vocabulary.sampler(["the cat"] * 97)
    first, again, other = (sampler.draw(0.3, seed) for seed in [(1, 0), (1, 0), (1, 1)])
    assert first == again != other
    assert len({tuple(ids) for ids in first}) > 8


def test_no_join_crosses_words_or_parts(vocabulary: Vocabulary) -> None:
    plain = {part for piece in vocabulary.pieces(vocabulary.piece_ids) for part in [piece]}
    for ids in vocabulary.sample(LINES, 0.4, 1):
        assert set(vocabulary.pieces(ids)) <= plain
        assert vocabulary.words_of(ids)[0] == vocabulary.decode(ids).split()


def shares(found: list[tuple[int, ...]]) -> dict[tuple[int, ...], float]:
    return {one: found.count(one) / len(found) for one in set(found)}


def test_one_join_is_left_out_as_often_as_asked_for() -> None:
    """`ab` alone can be joined in the one word " ab", so it is with probability 1 - dropout."""
    vocabulary = made()
    entries = (*vocabulary.entries[:8], *sorted(set(PIECES)), "ab")
    small = Vocabulary("bpe", entries, (("a", "b"),), 8)
    drawn = [len(ids) for epoch in range(400) for ids in small.sampler(["ab"] * 30).draw(0.2, (epoch,))]
    assert set(drawn) == {2, 3}
    assert np.mean(np.array(drawn) == 2) == pytest.approx(0.8, abs=0.03)


def test_the_draws_are_distributed_as_those_of_the_library(vocabulary: Vocabulary) -> None:
    """`tokenizers` draws too, but without a seed."""
    from tokenizers import models

    ids = {piece: i for i, piece in enumerate(vocabulary.entries)}
    library = models.BPE(vocab=ids, merges=list(vocabulary.merges), dropout=0.3)
    theirs = shares([tuple(token.id for token in library.tokenize("ĠKatze")) for _ in range(4000)])
    sampler = vocabulary.sampler(["Katze"] * 8)
    ours = shares([tuple(one.tolist()) for epoch in range(500) for one in sampler.draw(0.3, (epoch, 1))])
    assert len(theirs) > 5
    for one in theirs | ours:
        assert ours.get(one, 0.0) == pytest.approx(theirs.get(one, 0.0), abs=0.06)


def test_a_very_long_word_is_spelled_without_dropout(vocabulary: Vocabulary) -> None:
    lines = ["the" * 30 + " the cat", "cat"]
    drawn = vocabulary.sample(lines, 1.0, 1)
    plain = vocabulary.encode(["the" * 30])[0].tolist()
    assert drawn[0].tolist()[: len(plain)] == plain
    assert [vocabulary.decode(ids) for ids in drawn] == lines
    assert len(drawn[1]) == len(" cat")


# What is not allowed


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: Vocabulary.learn([], 300), DataError, "There is no word in the lines.\nIn lines.\nGive text"),
        (lambda: Vocabulary.learn(["", " \t"], 300), DataError, "There is no word in the lines"),
        (lambda: Vocabulary.learn([], 9, kind="words"), DataError, "There is no word in the lines"),
        (lambda: Vocabulary.learn(["a"], 260), UsageError, r"size=260; allowed: a whole number, 261 or more \(5 names, 256"),
        (lambda: Vocabulary.learn(["a"], 5, kind="words"), UsageError, r"6 or more \(5 names, 1 word\)"),
        (lambda: Vocabulary.learn(["a"], 1e4), UsageError, "size=10000.0; allowed: a whole number"),
        (lambda: Vocabulary.learn(["a"], 300, kind="word"), UsageError, "Allowed: bpe, words. Did you mean 'words'?"),
        (lambda: Vocabulary.learn("a b", 300), UsageError, "The lines are one text; allowed: several lines"),
        (lambda: Vocabulary.learn(["a", None], 300), DataError, "Line 2 is a NoneType; allowed: text"),
        (lambda: Vocabulary.learn(["a\ud800"], 300), DataError, "half a surrogate pair"),
        (lambda: Vocabulary.learn(["a\ud800"], 9, kind="words"), DataError, "half a surrogate pair"),
        (lambda: Vocabulary.learn(["a"], 300, extra="<x>"), UsageError, r"extra='<x>' is one text; allowed: a list"),
        (lambda: Vocabulary.learn(["a"], 300, extra=["<x>", "<x>"]), UsageError, "'<x>' is named twice"),
        (lambda: Vocabulary.learn(["a"], 300, extra=["<s>"]), UsageError, "is one of <pad>, <s>"),
        (lambda: Vocabulary.learn(["a"], 300, extra=["a b"]), UsageError, "is 'a b'; allowed: text without blanks"),
        (lambda: Vocabulary.learn(["a"], 300, extra=[")"]), UsageError, r"'\)' is the name of a byte"),
        (lambda: made().encode("a b"), UsageError, r"Give a list: \[line\]"),
        (lambda: made().encode(["a", 3]), DataError, "Line 2 is a int; allowed: text"),
        (lambda: made().encode(["a", "b\ud800"]), DataError, r"' b\\ud800' holds half a surrogate pair"),
        (lambda: made().encode(["a"], mask_token=" "), UsageError, "The mask token is ' '; allowed: a text without"),
        (lambda: made().encode(["a"], mask_token=""), UsageError, "The mask token is ''"),
        (lambda: made().decode([340]), UsageError, "There is no id 340; allowed: 0 to 339"),
        (lambda: made().pieces([-1]), UsageError, "There is no id -1"),
        (lambda: made().word_numbers(np.array([[340]])), UsageError, "There is no id 340"),
        (lambda: made().sample(["a"], 1.5, 1), UsageError, "dropout=1.5; allowed: 0 to 1"),
        (lambda: made().sample(["a\ud800"], 0.1, 1), DataError, "half a surrogate pair"),
        (lambda: made("words").sample(["a"], 0.1, 1), UsageError, "A vocabulary of whole words has one way"),
        (lambda: Vocabulary("bpe", ("a",), (), 1), UsageError, "The entries do not begin with <pad>"),
    ],
)  # fmt: skip
def test_what_is_not_allowed_is_said(call, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        call()


def test_a_fault_of_whoever_gives_the_lines_is_theirs() -> None:
    def lines():
        yield "the cat"
        raise OSError("the disk is gone")

    for kind in ("bpe", "words"):
        with pytest.raises(OSError, match="the disk is gone"):
            Vocabulary.learn(lines(), 300, kind=kind)


def test_what_was_not_learned_is_known(vocabulary: Vocabulary, words: Vocabulary) -> None:
    lines = ["the cat sat", "schöne Grüße", "", "語 नमस्ते", "cat 語"]
    found = vocabulary.strange(vocabulary.encode(lines))
    assert found[:3].tolist() == [0, 0, 0] and found[3] > 0.9 and 0 < found[4] < 1
    # Every id that was counted is part of a character, and no other one is.
    for line, share in zip(lines, found, strict=True):
        ids = vocabulary.encode([line])[0].tolist()
        assert round(share * len(ids)) == sum("\\x" in piece for piece in vocabulary.pieces(ids))
    assert words.strange(words.encode(["the cat qqq", "", "qqq qqq"])).tolist() == [0, 0, 0]

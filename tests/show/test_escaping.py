import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axw.show.escaping import escape, name, visible
from tests.show.nasty import NASTY


class Reader(HTMLParser):
    """What a browser would see: the tags in order, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(attrs)))

    def handle_endtag(self, tag):
        self.tags.append((f"/{tag}", ()))

    def handle_data(self, data):
        self.words.append(data)

    def handle_comment(self, data):
        self.tags.append(("!", ()))

    def unknown_decl(self, data):
        self.tags.append(("![", ()))


@given(st.text() | st.sampled_from(NASTY))
def test_any_text_stays_text_inside_an_element_and_inside_an_attribute(text):
    read = Reader(f'<p title="{escape(text)}">{escape(text)}</p>')
    assert [tag for tag, _ in read.tags] == ["p", "/p"]
    assert dict(read.tags[0][1])["title"] == visible(text)
    assert "".join(read.words) == visible(text)


@given(st.text(max_size=150))
def test_nothing_that_is_shown_can_hide_or_turn_the_rest(text):
    shown = visible(text)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    shown.encode("utf-8")


@pytest.mark.parametrize(
    "text", ["Größe", "価格", "नाम", "خانه\u200cها", "👨\u200d👩\u200d👧", "é e\u0301", "a b", "x < y & z"]
)
def test_ordinary_words_of_any_script_come_back_unchanged(text):
    assert visible(text) == text


def test_hidden_characters_become_marks():
    assert visible("a\x1b[31m") == "a␛[31m"
    assert visible("\u202egnp") == "⟨U+202E⟩gnp"
    assert visible("a\nb") == "a␊b"


def test_a_name_of_a_megabyte_is_cut_and_says_by_how_much():
    assert visible("x" * 1_000_000) == "x" * 200 + "… (999800 more)"


def test_a_name_has_its_own_direction():
    assert name("שלום <b>") == "<bdi>שלום &lt;b&gt;</bdi>"

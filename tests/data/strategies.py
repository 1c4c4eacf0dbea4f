"""Lines as bytes that real files hold, and worse, for the tests of the readers."""

from __future__ import annotations

from hypothesis import strategies as st

# Not line breaks, whatever str.splitlines says; a mark in the middle; characters of 1 to 4 bytes; tokens of other tools.
ODD = [
    "\x85",
    "\u2028",
    "\u2029",
    "\v",
    "\f",
    "\x1c",
    "\x1d",
    "\x1e",
    "\ufeff",
    "é",
    "語",
    "😀",
    "</s>",
    "[MASK]",
    "\x1b[2J",
    "\t",
]
BAD = [b"\xff", b"\xc0\xaf", b"\xe2\x82", b"\xed\xa0\x80", b"\x80", b"\xf4\x90\x80\x80", b"\xc3"]


def texts() -> st.SearchStrategy[str]:
    """A line that is text: no line feed, no carriage return, no NUL."""
    characters = st.characters(codec="utf-8", exclude_characters="\n\r\0")
    return st.lists(st.sampled_from([*ODD, " ", "word"]) | st.text(characters, max_size=5), max_size=6).map("".join)


def bytes_lines() -> st.SearchStrategy[bytes]:
    """A file: lines of text, of bytes that are not UTF-8, NULs, carriage returns and any other bytes; ended or not."""
    part = st.one_of(
        texts().map(str.encode), st.sampled_from([*BAD, b"\0", b"\r", b"\r\r", b" "]), st.binary(max_size=6)
    )
    line = st.lists(part, max_size=4).map(b"".join)
    end = st.sampled_from([b"\n", b"\r\n"])
    return st.tuples(st.lists(st.tuples(line, end).map(b"".join), max_size=12).map(b"".join), line).map(b"".join)

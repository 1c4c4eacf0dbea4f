"""The one place where words from data become safe to show, in a page, a picture or a terminal.

Every name that comes from a table (column, class, relation, row id) goes through `escape` on its way into HTML or SVG
and through `visible` on its way to a terminal. Nothing else in the package writes markup around data.
"""

from __future__ import annotations

import html
import re

# Characters that change how *other* characters look: terminal control, line breaks that are not "\n", text direction,
# zero width, and lone surrogates. The joiners U+200C and U+200D are left alone: Persian, Hindi and emoji need them.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
# Marks that stack on one letter without end run over the lines above and below.
_STACKED = re.compile(
    "([\u0300-\u036f\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})"
    "[\u0300-\u036f\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)


def _mark(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x20:
        return chr(0x2400 + code)  # the control picture: ESC becomes the one character that says ESC
    if code == 0x7F:
        return "\u2421"
    return f"\u27e8U+{code:04X}\u27e9"


def visible(text: object, most: int = 200) -> str:
    """The text with every hidden control character replaced by a mark that can be seen, cut to `most` characters.

    A name of a megabyte is cut and says by how much. Ordinary text of any script comes back unchanged.
    """
    plain = str(text)
    cut = len(plain) - most
    if cut > 0:
        plain = plain[:most]
    shown = _STACKED.sub("\\1\u2026", _HIDDEN.sub(_mark, plain))
    return shown + (f"\u2026 ({cut} more)" if cut > 0 else "")


def escape(text: object, most: int = 200) -> str:
    """`visible(text)` as literal text for HTML and SVG, inside an element or inside a quoted attribute."""
    return html.escape(visible(text, most), quote=True).replace("`", "&#96;")


def name(text: object, most: int = 200) -> str:
    """`escape(text)` in an element of its own direction, so that a right-to-left name cannot reorder its sentence."""
    return f"<bdi>{escape(text, most)}</bdi>"

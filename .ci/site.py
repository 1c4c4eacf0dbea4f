"""No page of the built guide asks anything of another server: `python .ci/site.py site`.

Links that a reader may follow are free; what a browser loads by itself (scripts, styles, pictures, fonts, frames) is not.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

LOADS = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
}
HARMLESS = {"canonical", "alternate", "next", "prev"}
ELSEWHERE = re.compile(r"(https?:)?//")


class Loads(HTMLParser):
    """What a page loads from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        value = given.get(LOADS.get(tag, "")) or ""
        if ELSEWHERE.match(value) and not (tag == "link" and set((given.get("rel") or "").split()) & HARMLESS):
            self.found.append(f"<{tag}> {value}")


def main(site: Path) -> int:
    """Print what was looked at; 1 where something is loaded from elsewhere."""
    wrong, pages = [], sorted(site.rglob("*.html"))
    for page in pages:
        reader = Loads()
        reader.feed(page.read_text(encoding="utf-8"))
        wrong += [f"{page.relative_to(site)}: {what}" for what in reader.found]
    for style in site.rglob("*.css"):
        for url in re.findall(r"(?:url\(|@import )['\"]?((?:https?:)?//[^'\")]+)", style.read_text(encoding="utf-8")):
            wrong.append(f"{style.relative_to(site)}: {url}")
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    print(f"{len(pages)} pages, {size / 1e6:.1f} MB")
    print("\n".join(f"PROBLEM: {line}" for line in wrong) or "no page asks anything of another server")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

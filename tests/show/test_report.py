import json
import re

import pytest

from axw.show.escaping import visible
from axw.show.page import POLICY
from axw.show.report_page import report_page
from tests.show.nasty import NASTY
from tests.show.sample import sample
from tests.show.test_escaping import Reader

NUMBER = re.compile(r"[+−-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def shown_numbers(page: str) -> set[str]:
    """Every number that a reader sees, but those of the style sheet and of the axes."""
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    page = re.sub(r'<text class="tick"[^>]*>.*?</text>', "", page)
    words = " ".join(Reader(page).words)
    return set(NUMBER.findall(words))


def known_numbers(report: object) -> set[str]:
    """Every number of the JSON, as written there and as it may be rounded, and every number in its texts."""
    known: set[str] = set()
    if isinstance(report, dict):
        for key, value in report.items():
            known |= known_numbers(value) | known_numbers(key)
    elif isinstance(report, list):
        for value in report:
            known |= known_numbers(value)
    elif isinstance(report, str):
        known |= set(NUMBER.findall(report))
    elif isinstance(report, int | float):
        known |= {f"{report:.{digits}f}" for digits in range(5)} | {f"{report:.4g}"}
        known |= {f"{report:+.{digits}f}" for digits in range(5)} | {f"{report:+.4g}"}
    return known | {text.replace("-", "−") for text in known}


def test_every_number_on_the_page_is_in_the_json():
    report = json.loads(json.dumps(sample()))
    allowed = known_numbers(report) | {"95", "0.001", "-256"}  # 95 % interval, p < 0.001, SHA-256
    assert shown_numbers(report_page(report)) <= allowed


def test_the_page_is_the_same_for_the_same_report():
    assert report_page(sample()) == report_page(sample())


def test_the_verdict_comes_first():
    words = Reader(report_page(sample())).words
    page = "".join(words)
    assert page.index("Use neighbours' labels") < page.index("Rows whose neighbours are known")


@pytest.mark.parametrize("words", NASTY)
def test_whatever_the_data_say_the_page_keeps_its_shape_and_shows_the_words(words):
    if not words:
        return  # sample("") is the plain page itself
    plain, hostile = Reader(report_page(sample("plain"))), Reader(report_page(sample(words)))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    names = [[key for key, _ in attributes] for _, attributes in hostile.tags]
    assert names == [[key for key, _ in attributes] for _, attributes in plain.tags]
    assert "".join(hostile.words).count(visible(words, 30)[:20]) >= 12


def test_the_page_asks_for_nothing_from_anywhere_and_runs_nothing():
    page = report_page(sample())
    assert f'http-equiv="Content-Security-Policy" content="{POLICY}"' in page
    assert POLICY.startswith("default-src 'none'; style-src 'unsafe-inline'")
    tags = {tag for tag, _ in Reader(page).tags}
    assert not tags & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "a",
        "video",
        "use",
        "image",
    }
    attributes = {key for _, found in Reader(page).tags for key, _ in found}
    assert not attributes & {"src", "href", "style", "action", "srcset", "xlink:href"}
    assert not any(key.startswith("on") for key in attributes)
    assert "url(" not in page and "@import" not in page
    assert re.findall(r"https?://[^\"' <]+", page) == ["http://www.w3.org/2000/svg"] * page.count("<svg")


def test_every_picture_has_a_title_and_a_table_beside_it():
    page = report_page(sample())
    assert page.count("<svg") == page.count('role="img"') == 3
    assert page.count("as a table</summary>") == 3


def test_light_and_dark_and_small():
    page = report_page(sample())
    assert "prefers-color-scheme:dark" in page
    assert len(page.encode()) < 100_000


def test_a_wide_table_of_findings_stays_under_a_megabyte():
    report = sample()
    report["findings"] = report["findings"] * 500
    assert len(report_page(report).encode()) < 1_000_000


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        full = "".join(c * 2 for c in colour) if len(colour) == 3 else colour
        parts = [int(full[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_words_stand_out_from_their_ground_in_both_themes():
    from axw.show.style import COLOURS

    for theme in COLOURS.split("@media"):
        colour = dict(re.findall(r"--(\w+):#([0-9a-f]+)", theme))
        for ink in ("ink", "soft", "blue", "orange"):
            for ground in ("ground", "panel"):
                assert contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground)
        assert contrast(colour["ink"], colour["mark"]) >= 4.5
        assert contrast(colour["ground"], colour["blue"]) >= 4.5  # the number inside a point

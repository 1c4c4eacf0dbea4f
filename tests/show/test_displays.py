"""What every display promises of its faces."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.cells import cell_len

from axw.errors import UsageError
from axw.show import display
from axw.show.escaping import visible
from axw.show.faces import Display, wrapped
from axw.show.page import page
from axw.show.style import scoped
from tests.show.displays import PLAIN, displays
from tests.show.nasty import NASTY
from tests.show.test_escaping import Reader
from tests.show.test_report import known_numbers, shown_numbers

KINDS = sorted(displays())
TAGS = set(
    "html head meta title style body main section div h1 h2 h3 p bdi ul li table thead tbody tr th td details summary svg desc"
    " rect line circle path text g".split()
)
ATTRIBUTES = set(
    "lang charset http-equiv content name class scope viewbox role xmlns x y x1 y1 x2 y2 cx cy r d width height fill-opacity"
    " stroke-opacity text-anchor transform".split()
)
NUMBERS = re.compile(r"[-MLCHVhvz0-9. ]*|translate\([-0-9. ]+\)( rotate\(-60\))?|100%")
GROUPS = [NASTY[i : i + 10] for i in range(0, len(NASTY), 10)]


def told(markup: str) -> str:
    """The words that a reader sees, style sheets left out."""
    return "".join(Reader(re.sub(r"<style>.*?</style>", "", markup, flags=re.S)).words)


@pytest.mark.parametrize("words", GROUPS)
def test_words_from_data_stay_words_in_every_face(words: list[str]) -> None:
    for kind, shown in displays(words).items():
        for markup in (shown.to_html(), shown._repr_html_(), shown.to_svg()):
            for tag, attributes in Reader(markup).tags:
                assert tag.removeprefix("/") in TAGS, (kind, tag)
                for key, value in attributes:
                    assert key in ATTRIBUTES, (kind, tag, key)
                    if key not in (
                        "class",
                        "content",
                        "xmlns",
                        "name",
                        "role",
                        "scope",
                        "lang",
                        "charset",
                        "http-equiv",
                        "text-anchor",
                    ):
                        assert NUMBERS.fullmatch(value), (kind, tag, key, value)
                    if key == "class":
                        assert re.fullmatch(r"[a-z ]+", value), (kind, value)
        ElementTree.fromstring(shown.to_svg())  # it is XML, too
        if kind in ("rows", "attention", "alignment", "masked word", "ladder"):
            page_says = told(shown.to_html())
            for word in words:
                assert visible(word, 20)[:20] in page_says, (kind, word)


@pytest.mark.parametrize("words", GROUPS)
def test_the_text_twin_has_at_most_eighty_columns_and_nothing_that_steers_a_terminal(words: list[str]) -> None:
    for kind, shown in displays(words).items():
        for width in (80, 40):
            lines = shown.to_text(width).split("\n")
            assert max(map(cell_len, lines)) <= width, kind
            assert not any(
                re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", line) for line in lines
            ), kind


@pytest.mark.parametrize("kind", KINDS)
def test_equal_values_give_equal_faces_and_the_json_gives_the_display_back(kind: str) -> None:
    one, other = displays()[kind], displays()[kind]
    again = display(json.loads(json.dumps(one.to_json(), allow_nan=False)))
    assert one == other == again and hash(one) == hash(again) and type(again) is type(one)
    for face in (Display.to_html, Display.to_svg, Display.to_text, Display._repr_html_):
        assert face(one) == face(other) == face(again)
    assert displays(seed=4)["attention"] != displays()["attention"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "rows"])  # bars of rows are sums: see test_rows
def test_every_number_of_the_page_is_in_the_json(kind: str) -> None:
    shown = displays()[kind]
    value = shown.to_json()
    allowed = known_numbers(value) | known_lengths(value) | {"95"}
    assert shown_numbers(re.sub(r"<svg.*?</svg>", without_ticks, shown.to_html(), flags=re.S)) <= allowed


def without_ticks(found: re.Match[str]) -> str:
    return re.sub(r'<text class="(tick|tiny|on)"[^>]*>.*?</text>', "", found.group())


def numbers_are_known(page: str, value: object, more: Iterable[str] = ()) -> None:
    """Every number that a reader sees on the page is in the JSON, or may be rounded or counted from it."""
    known = known_numbers(value) | known_lengths(value) | {"95", *more}
    whole = re.sub(r"(?<=\d),(?=\d{3})", "", re.sub(r"<svg.*?</svg>", without_ticks, page, flags=re.S))
    whole = re.sub(r"(?<=\de)\u2212(?=\d)", "-", whole)  # the smallest have a power of ten
    found = {number.lstrip("+\u2212-") for number in shown_numbers(whole)}
    assert found <= {number.lstrip("+\u2212-") for number in known}


def known_lengths(value: object) -> set[str]:
    """Counts of things, and shares as percentages."""
    if isinstance(value, dict):
        return set().union(*map(known_lengths, value.values()))
    if isinstance(value, list):
        return {str(len(value)), *(str(i + 1) for i in range(len(value))), *set().union(*map(known_lengths, value))}
    if isinstance(value, float):
        return {f"{100 * value:.1f}", f"{value:.2f}".replace("-", "\u2212")}
    return set()


@pytest.mark.parametrize("kind", KINDS)
def test_two_of_them_on_one_page_share_no_id_and_need_no_script(kind: str) -> None:
    shown = displays()[kind]
    tags = Reader(shown._repr_html_() + shown._repr_html_()).tags
    ids = [value for _, attributes in tags for key, value in attributes if key == "id"]
    assert len(ids) == len(set(ids))
    assert not {"script", "link", "img", "a", "iframe", "use"} & {tag for tag, _ in tags}
    markup = shown.to_html() + shown._repr_html_()
    assert set(re.findall(r"https?://[^\"' <]+", markup)) <= {"http://www.w3.org/2000/svg"}
    assert "url(" not in markup and "@import" not in markup


@pytest.mark.parametrize("kind", KINDS)
def test_frames_and_plots(kind: str) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    shown = displays()[kind]
    assert len(shown.to_frame())
    ax = Figure().subplots()
    assert shown.plot(ax) is shown and shown.ax_ is ax and shown.figure_ is ax.figure
    ax.figure.canvas.draw()


def test_files(tmp_path: Path) -> None:
    shown = displays()["alignment"]
    shown.write_html(tmp_path / "a.html")
    shown.write_svg(tmp_path / "a.svg")
    assert (tmp_path / "a.html").read_text() == shown.to_html()
    assert (tmp_path / "a.svg").read_text().startswith("<svg ")


def test_a_picture_of_a_sentence_is_small() -> None:
    for kind, shown in displays().items():
        assert len(shown.to_html().encode()) < 150_000, kind


def test_four_layers_of_eight_heads_on_forty_words_stay_under_a_megabyte() -> None:
    from axw.show import AttentionDisplay

    rng = np.random.default_rng(0)
    A = {f"encoder {k}": rng.dirichlet(np.full(41, 0.2), (8, 41)) for k in range(1, 5)}
    shown = AttentionDisplay.from_predictions(A, [f"word{i}" for i in range(41)], layer="encoder 2", head=3)
    assert len(shown.to_html().encode()) < 1_000_000
    assert "encoder 2, head 3" in shown.title()


def test_a_notebook_keeps_its_own_style() -> None:
    style = scoped("p,li{a:b}@media(x){:root{c:d}}body{e:f}", ".axw")
    assert style.startswith(".axw p,.axw li{a:b}@media(x){.axw{c:d}}.axw{e:f}")
    for shown in displays().values():
        sheet = re.findall(r"<style>(.*?)</style>", shown._repr_html_(), flags=re.S)[0]
        selectors = [
            one for rule in re.findall(r"([^{}]+)\{", sheet) for one in rule.split(",") if "@media" not in rule
        ]
        assert all(".axw" in one for one in selectors), selectors


def test_errors_say_what_is_allowed() -> None:
    with pytest.raises(
        UsageError, match="There is no display for the schema 'axw.alignmet/1'.*\n.*\n.*Did you mean 'axw.alignment/1'"
    ):
        display({"schema": "axw.alignmet/1"})
    with pytest.raises(UsageError, match="width is 12; allowed: 40 or more"):
        displays()["curves"].to_text(12)
    with pytest.raises(UsageError, match="schema 'other'; allowed: 'axw.curves/1'"):
        type(displays()["curves"])({"schema": "other"})


def test_without_matplotlib_a_plot_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from axw.show import faces

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(faces, "import_module", missing)
    with pytest.raises(UsageError, match=r"pip install 'axw\[plot\]'"):
        displays()["curves"].plot()


def test_lines_are_wrapped_between_words() -> None:
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("", 7) == []


@pytest.mark.slow
def test_no_word_runs_in_a_browser(tmp_path: Path) -> None:
    """Every face with every word on one page, without the policy that would stop scripts; a script that ran renames the page."""
    parts = [shown._repr_html_() for words in GROUPS for shown in displays(words).values()]
    sentinel = "<script>setTimeout(()=>{document.title=window.__xss?'ran':'nothing ran'},300)</script>"
    whole = page("t", "".join(parts)).replace('http-equiv="Content-Security-Policy"', 'name="none"')
    (tmp_path / "all.html").write_text(whole.replace("</body>", f"{sentinel}</body>"), encoding="utf-8")
    found = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=3000", "--dump-dom", f"file://{tmp_path / 'all.html'}"],
        capture_output=True, text=True, timeout=110, check=True,
    )  # fmt: skip
    assert "<title>nothing ran</title>" in found.stdout
    assert PLAIN

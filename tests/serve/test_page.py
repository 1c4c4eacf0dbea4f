"""The page in a real browser: every screen of every kind, its states, its keys, and sixty hostile texts in every field."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("playwright", reason="the browser is driven by Playwright: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")]

from axw.models import AttentionClassifier  # noqa: E402
from axw.relations import SameValue  # noqa: E402
from axw.serve import Limits  # noqa: E402
from tests.serve import tiny  # noqa: E402
from tests.serve.hostile import HOSTILE  # noqa: E402
from tests.serve.real import listening  # noqa: E402

DONE = """
[...document.querySelectorAll('.panel')].every(p => ['answer', 'cut', 'error', 'gone'].includes(p.dataset.state))
&& [...document.querySelectorAll('.looked')].every(p => p.dataset.state !== 'loading')
&& document.querySelector('.panel') !== null
"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Page:
    """A page of the server that is watched: scripts that ran, dialogs, requests to elsewhere, violations of the policy."""

    def __init__(self, browser, port, **options):
        self.base = f"http://127.0.0.1:{port}/"
        self.page = browser.new_context(**options).new_page()
        self.wrong, self.foreign = [], []
        self.page.on("dialog", lambda dialog: (self.wrong.append(dialog.message), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda m: self.wrong.append(m.text) if "Content Security" in m.text else None)
        self.page.on(
            "request", lambda r: None if r.url.startswith((self.base, "data:")) else self.foreign.append(r.url)
        )
        self.page.goto(self.base)
        self.page.wait_for_selector("#go")

    def until(self, true=DONE, tries=300):
        for _ in range(tries):
            if self.page.evaluate(true):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"it did not come: {true}; {self.text('#panels')}")

    def ask(self, model, line=None, beside=None):
        if self.page.input_value("#model") != model:
            self.page.select_option("#model", model)
        if beside is not None:
            self.page.select_option("#beside", beside)
        if line is not None:
            self.page.fill("#line", line)
        self.page.click("#go")
        self.until()

    def states(self, of=".panel"):
        return self.page.evaluate(f"[...document.querySelectorAll({of!r})].map(p => p.dataset.state)")

    def text(self, selector="body"):
        return self.page.evaluate(f"document.querySelector({selector!r}).textContent")

    def check(self):
        assert self.wrong == [] and self.foreign == []
        assert self.page.evaluate("window.__xss === undefined && ({}).polluted === undefined")


@pytest.fixture(scope="module")
def port():
    extra = {"second": tiny.translator(), "broken": OSError("no")}
    with listening(tiny.service(*tiny.MAKERS, limits=Limits(seconds=120), extra=extra)) as port:
        yield port


@pytest.fixture
def page(browser, port):
    found = Page(browser, port)
    yield found
    found.check()
    found.page.context.close()


def test_a_row_is_asked_changed_and_compared_with_before(page):
    page.page.select_option("#model", "table")
    assert page.states() == ["empty"]
    page.ask("table")
    assert page.states() == ["answer"] and page.states(".looked") == ["answer"]
    assert ", the sum of" in page.text(".looked") and "class = first" in page.text(".looked")
    assert page.page.is_visible(".looked svg[role=img] >> nth=0")
    before = page.text(".panel")
    page.page.fill("#column-0", "80")
    page.until("document.querySelector('.field.changed') !== null")
    page.until(f"({DONE}) && document.querySelector('.bar .number')?.textContent.includes('(')")
    assert page.text(".panel") != before and "changed" in page.page.get_attribute(".field.changed", "class")
    page.page.click("#keep")
    page.until(f"({DONE}) && document.querySelector('.field.changed') === null")
    page.ask("numbers")
    assert page.states() == ["answer"] and page.text(".answer").strip()
    page.page.fill("#column-1", "old") if page.page.query_selector("input#column-1") else None


def test_a_line_is_filled_and_a_word_says_what_it_read(page):
    page.ask("words", "ein mann [MASK] blau")
    assert page.states() == ["answer"] and "attended to" in page.text(".panel")
    page.page.click(".reading button >> nth=1")
    assert " attended to " in page.text(".reading [role=status]")
    assert page.page.get_attribute(".reading button >> nth=1", "aria-pressed") == "true"
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("Enter")
    assert page.page.get_attribute(".reading button >> nth=2", "aria-pressed") == "true"
    page.page.fill("#line", "ein hund sitzt")
    page.page.evaluate("document.getElementById('line').setSelectionRange(5, 5)")
    page.page.click("#mask")
    assert page.page.input_value("#line") == "ein [MASK] sitzt"
    page.ask("words", "no mask here")
    assert page.states() == ["error"] and "Put [MASK]" in page.text(".panel")
    page.ask("words", "ein " * 70 + "[MASK]")
    assert page.states() == ["cut"] and "64 words" in page.text(".looked")
    page.ask("words", "ein " * 300 + "[MASK]")
    assert page.states() == ["error"] and "Got 301, allowed: 256." in page.text(".panel")


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ("words", "ein zweihundert [MASK] blau"),
        ("translation", "ein zweihundert sitzt"),
        ("trees", "the skateboarder sat"),
        ("sentences", "ein zweihundert"),
    ],
)
def test_pieces_are_shown_on_demand_with_the_keys_alone(page, model, line):
    page.ask(model, line)
    by_word, answer = (
        page.text(".looked"),
        page.page.evaluate("document.querySelector('.panel .answer, .panel pre').textContent"),
    )
    assert "each piece" not in by_word and page.page.is_visible("#unit")
    page.page.focus("#unit input:checked")
    page.page.keyboard.press("ArrowRight")
    page.until(f"({DONE}) && document.querySelector('.looked').textContent.includes('each piece')")
    assert page.states(".looked") == ["answer"] and "\u2581" in page.text(".looked")
    assert page.page.evaluate("document.activeElement.value") == "pieces"  # where the keys are, they stay
    assert page.page.evaluate("document.querySelector('.panel .answer, .panel pre').textContent") == answer
    page.page.keyboard.press("ArrowLeft")
    page.until(f"({DONE}) && !document.querySelector('.looked').textContent.includes('each piece')")
    assert page.text(".looked") == by_word
    page.page.keyboard.press("/")
    assert page.page.evaluate("document.activeElement.id") == "line"
    page.page.select_option("#model", "table")
    assert not page.page.is_visible("#unit")


def test_a_line_of_too_many_pieces_says_so(page):
    page.ask("sentences", "x" * 300)
    assert page.states(".looked") == ["answer"]
    page.page.check("#unit input[value=pieces]")
    page.until(f"({DONE}) && document.querySelector('.looked').dataset.state === 'error'")
    assert "allowed: 128." in page.text(".looked") and page.states()[0] in ("answer", "cut")


def test_a_line_is_translated_by_two_models_side_by_side(page):
    page.ask("translation", "ein mann sitzt", beside="second")
    assert len(page.states()) == 2 and set(page.states()) <= {"answer", "cut"}
    left, right = page.page.evaluate("[...document.querySelectorAll('.panel .answer')].map(a => a.textContent)")
    assert left == right  # they are the same model
    page.page.click(".looked summary >> nth=0")
    assert page.page.is_visible(".looked svg[role=img] >> nth=0")


def test_a_tree_and_a_class(page):
    page.ask("trees", "the cat sat")
    assert page.states() == ["answer"] and page.page.is_visible("svg[role=img]")
    for word in ("the", "cat", "sat"):
        assert word in page.text(".panel svg[role=img]")
    page.ask("sentences", "ein mann")
    assert page.states() == ["answer"] and page.text(".answer").split()[0] in ("rot", "other")


def test_the_same_question_as_command_curl_and_python(page, port):
    line = 'it\'s a "mann" $HOME `id` \\'
    page.ask("translation", line)
    page.page.click("#copy summary")
    said = {}
    for kind in ("command", "curl", "python"):
        page.page.click(f"[data-copy={kind}]")
        said[kind] = page.text("#snippet")
    for command in (["bash", "-c", said["curl"]], ["python3", "-c", said["python"]]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        told = done.stdout if command[0] == "bash" else repr(done.stdout)
        assert "score" in told and "finished" in told
    assert said["command"].endswith(" | axw translate 'translation' -")
    piped = subprocess.run(["bash", "-c", said["command"].split(" | axw")[0]], capture_output=True, text=True)
    assert piped.stdout == line + "\n"


def test_keys_and_what_is_not_there(page):
    page.page.select_option("#model", "translation")
    page.page.keyboard.press("Tab")
    page.page.evaluate("document.activeElement.blur()")
    page.page.keyboard.press("/")
    page.page.keyboard.type("ein mann")
    page.page.keyboard.press("Control+Enter")
    page.until()
    assert page.states()[0] in ("answer", "cut")
    page.page.keyboard.press("Escape")
    assert page.page.input_value("#line") == "" and page.states() == ["empty"]
    assert page.page.evaluate(
        "[...document.querySelectorAll('#model option')].find(o => o.value === 'broken').disabled"
    )


def test_loading_and_gone_and_back(browser):
    with listening(tiny.service("translation", limits=Limits())) as port:
        page = Page(browser, port)
        page.page.route("**/translate", lambda route: (page.page.wait_for_timeout(700), route.continue_()))
        page.page.fill("#line", "ein")
        page.page.click("#go")
        page.until("document.querySelector('.panel').dataset.state === 'loading'")
        page.until()
        page.page.unroute("**/translate")
        page.page.route("**/*", lambda route: route.abort())
        page.page.click("#go")
        page.until("document.querySelector('.panel').dataset.state === 'gone'")
        assert "axw serve" in page.text(".panel")
        page.page.unroute("**/*")
        page.until("['answer', 'cut'].includes(document.querySelector('.panel').dataset.state)")
        page.page.context.close()


def hostile_table():
    """Every hostile text as a column, a level, a class, a key and a value."""
    draw = np.random.default_rng(0)
    count = 4 * len(HOSTILE)
    frame = pd.DataFrame({text: draw.choice([text, f"not {text}"], count) for text in HOSTILE})
    frame["<b>key</b>"] = [f"{HOSTILE[i % 60]}{i // 8}" for i in range(count)]
    y = pd.Series([HOSTILE[i % 60] for i in range(count)], name="<img src=x onerror=window.__xss=1>")
    return AttentionClassifier("given", relations=[SameValue("<b>key</b>")]).fit(frame, y)


def test_hostile_names_and_texts_are_shown_and_never_run(browser):
    with listening(
        tiny.service("words", "translation", "trees", "sentences", "numbers", extra={"hostile": hostile_table()})
    ) as port:
        page = Page(browser, port)
        page.ask("hostile")
        assert page.states() == ["answer"]
        form = page.text("#form")
        assert all(text in form and f"not {text}" in form for text in HOSTILE)
        page.page.fill(f"#column-{len(HOSTILE)}", HOSTILE[0] + "0")
        page.ask("hostile")
        for kind in ("command", "curl", "python"):
            page.page.evaluate(f"document.querySelector('[data-copy={kind}]').click()")
            assert HOSTILE[3] in page.text("#snippet") or kind == "python"
        page.check()
        for text in HOSTILE:
            page.ask("words", f"{text} [MASK]")
            page.until()
            assert page.states()[0] in ("answer", "cut"), page.text(".panel")
            assert text in page.text(".panel .answer")
        for model in ("translation", "trees", "sentences"):
            for begin in range(0, 60, 12):
                text = " ".join(HOSTILE[begin : begin + 12])
                page.ask(model, text.replace("(", "-LRB-").replace(")", "-RRB-") if model == "trees" else text)
                assert page.states()[0] in ("answer", "cut", "error")
        page.page.check("#unit input[value=pieces]")
        for text in HOSTILE[::3]:
            page.ask("sentences", text)
            assert page.states(".looked") == ["answer"] and "\u2581" in page.text(".looked")
        page.check()
        page.page.context.close()


def test_nothing_serious_for_those_who_cannot_see_or_use_a_mouse(browser, port, tmp_path):
    if shutil.which("npm") is None:
        pytest.skip("no npm to fetch axe-core with")
    fetched = subprocess.run(
        ["npm", "install", "--prefix", str(tmp_path), "axe-core@4"], capture_output=True, text=True, timeout=100
    )
    if fetched.returncode:
        pytest.skip("axe-core could not be fetched")
    axe = (tmp_path / "node_modules" / "axe-core" / "axe.min.js").read_text()
    for scheme in ("light", "dark"):
        page = Page(browser, port, bypass_csp=True, color_scheme=scheme)
        page.page.evaluate(
            "async s => { const e = document.createElement('script'); e.textContent = s; document.head.append(e); }",
            axe,
        )
        for model, line in (
            ("table", None),
            ("words", "ein [MASK] sitzt"),
            ("translation", "ein mann"),
            ("trees", "the cat"),
            ("words", "x"),
        ):
            page.ask(model, line)
            found = page.page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
            serious = [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
            assert serious == [], (scheme, model, serious)
        page.page.context.close()

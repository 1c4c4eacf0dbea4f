"""axw translate: one answer on one core and on several, stopped and gone on with, and what is refused."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from axw.cli import main
from axw.models.translation import many
from axw.models.translation.translator import Translator
from tests.cli.test_translation import SOURCE, here, shop  # noqa: F401 (fixtures)

Text = pytest.CaptureFixture[str]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "PART", 3)


def translated(capsys: Text, *words: str) -> str:
    assert main(["translate", *words]) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("here", "small_parts")
@pytest.mark.slow
def test_several_processes_keep_the_order(capsys: Text, tmp_path: Path) -> None:
    lines = [" ".join(line.split()[: 1 + i % 5]) for i, line in enumerate(SOURCE * 4)] + [" ".join(["mann"] * 60), ""]
    (tmp_path / "in.de").write_text("\n".join(lines) + "\n", encoding="utf-8")
    one = translated(capsys, "bpe.run", str(tmp_path / "in.de"), "--processes", "1", "--beam", "3")
    assert main(["translate", "bpe.run", str(tmp_path / "in.de"), "--processes", "2", "--beam", "3"]) == 0
    said = capsys.readouterr()
    assert said.out == one and one.count("\n") == len(lines)
    assert "1 of 1 lines are longer than longest=40" in said.err or "lines are longer than longest=40" in said.err


@pytest.mark.usefixtures("here", "small_parts")
@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(28, "No space left on device")], ids=["ctrl-c", "disk"])
def test_stopped_and_gone_on_with(fault: Any, capsys: Text, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.en"
    command = ["bpe.run", "short.de", "--processes", "1"]
    whole = translated(capsys, *command)
    asked, own = [], Translator.hypotheses

    def hypotheses(self: Translator, lines: Any, **named: Any) -> Any:
        asked.append(list(lines))
        if len(asked) == 3:
            raise fault
        return own(self, asked[-1], **named)

    with monkeypatch.context() as patch:
        patch.setattr(Translator, "hypotheses", hypotheses)
        assert main(["translate", *command, "--out", str(out)]) == (130 if fault is KeyboardInterrupt else 6)
        assert not out.exists() and capsys.readouterr().out == ""
        asked.clear()
        asked.append(["already two"])
        assert main(["translate", *command, "--out", str(out)]) == 0
        assert asked[1:] == [SOURCE[6:8]]
    said = capsys.readouterr()
    assert "going on after line 6" in said.err and said.out == f"8 lines in {out}\n"
    assert out.read_text(encoding="utf-8") == whole
    assert main(["translate", *command, "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.usefixtures("here", "small_parts")
def test_other_lines_and_other_settings_are_refused(
    capsys: Text, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, out = tmp_path / "in.de", tmp_path / "out.en"
    lines.write_text("\n".join(SOURCE) + "\n", encoding="utf-8")
    from axw.storage.kept import KeptText

    with monkeypatch.context() as patch:
        patch.setattr(KeptText, "finish", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        assert main(["translate", "bpe.run", str(lines), "--out", str(out)]) == 130
    assert main(["translate", "bpe.run", str(lines), "--out", str(out), "--beam", "2"]) == 2
    assert "was begun with another search" in capsys.readouterr().err
    lines.write_text("\n".join(["changed", *SOURCE[1:]]) + "\n", encoding="utf-8")
    assert main(["translate", "bpe.run", str(lines), "--out", str(out)]) == 3
    assert "Lines 1 to 3 are not those that were translated before." in capsys.readouterr().err
    lines.write_text("\n".join(SOURCE[:4]) + "\n", encoding="utf-8")
    assert main(["translate", "bpe.run", str(lines), "--out", str(out)]) == 3
    assert "Lines 4 to 6 are not those" in capsys.readouterr().err and not out.exists()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--processes", "0"], "processes is 0; allowed: 1 to 1024."),
        (["--processes", "1000000000"], "processes is 1000000000; allowed"),
        (["--engine", "gpu"], "--engine is 'gpu'."),
        (["--precision", "int4"], "Did you mean 'int8'?"),
        (["--out", "-"], "--out - is stdout."),
        (["--out", "no/such/folder/x"], "There is no folder"),
        (["--beam", "2", "--nbest", "3"], "nbest is 3"),
    ],
)
def test_what_makes_no_sense(words: list[str], said: str, capsys: Text) -> None:
    assert main(["translate", "bpe.run", "short.de", *words]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == ""


@pytest.mark.usefixtures("here")
def test_precisions_answer_every_line(capsys: Text) -> None:
    for run in ("bpe.run", "words.run"):
        for precision in ("bf16", "int8"):
            assert translated(capsys, run, "short.de", "--precision", precision).count("\n") == len(SOURCE)


@pytest.mark.usefixtures("here", "small_parts")
def test_a_process_that_is_killed_is_told(capsys: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    own = many._send

    def send(workers: Any, channel: Any, message: Any) -> None:
        os.kill(workers[channel].pid, signal.SIGKILL)
        workers[channel].join()
        own(workers, channel, message)

    monkeypatch.setattr(many, "_send", send)
    monkeypatch.setattr(many, "_WORTH", 2)
    assert main(["translate", "bpe.run", "short.de", "--processes", "2"]) == 6
    assert "One of the processes that translate ended with code -9." in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_an_exponent_is_given_to_a_penalty_that_has_one(capsys: Text) -> None:
    lines = [translated(capsys, "bpe.run", "short.de", "--alpha", alpha) for alpha in ("0", "5")]
    assert len(lines[0]) <= len(lines[1])
    for penalty in ("average", "none"):
        words = ["translate", "bpe.run", "short.de", "--alpha", "1", "--set", f"length_penalty={penalty}"]
        assert main(words) == 2
        said = capsys.readouterr().err
        assert f"--alpha is given, and the length penalty is '{penalty}', which has no exponent." in said
        assert "Leave it out, or give --set length_penalty=power (or gnmt) too." in said


@pytest.mark.usefixtures("here")
def test_the_engine_ctranslate2(capsys: Text) -> None:
    if importlib.util.find_spec("ctranslate2") is None:
        assert main(["translate", "bpe.run", "short.de", "--engine", "ctranslate2"]) == 2
        assert "pip install 'axw[export]'" in capsys.readouterr().err
        return
    for penalty in ("gnmt", "power", "average", "none"):
        for beam in ("1", "3"):
            words = ["bpe.run", "short.de", "--beam", beam, "--set", f"search.length_penalty={penalty}"]
            assert translated(capsys, *words, "--engine", "ctranslate2") == translated(capsys, *words)
    assert main(["translate", "bpe.run", "short.de", "--engine", "ctranslate2", "--set", "search.coverage=0.2"]) == 2
    assert "would not give the same answers: coverage is set" in capsys.readouterr().err
    assert main(["translate", "words.run", "short.de", "--engine", "ctranslate2"]) == 2
    assert "CTranslate2 cannot hold this network" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_the_engine_auto(capsys: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers and one line that says which engine gave them; a few lines are not asked about."""
    own = translated(capsys, "bpe.run", "short.de", "--engine", "torch")
    assert translated(capsys, "bpe.run", "short.de") == own
    monkeypatch.setattr(many, "MANY", 5)
    assert main(["translate", "bpe.run", "short.de"]) == 0
    said = capsys.readouterr()
    assert said.out == own and said.err.count("\nengine ") + said.err.startswith("engine ") == 1
    if importlib.util.find_spec("ctranslate2") is None:
        assert "engine torch: CTranslate2 is not installed (pip install 'axw[export]')" in said.err
        return
    assert "lines a second on one core" in said.err
    for words, why in (
        (["bpe.run", "short.de", "--precision", "int8"], "engine torch: int8 is not the same in CTranslate2"),
        (["bpe.run", "short.de", "--prefix", "short.en"], "engine torch: CTranslate2 is not asked for prefixes"),
        (["bpe.run", "short.de", "--with", "bpe.run"], "engine torch: --with averages several models"),
        (["bpe.run", "short.de", "--set", "search.min_length=2"], "would not give the same answers: min_length is set"),
        (["bpe.run", "short.de", "--json"], "engine torch: --json shows log-probabilities"),
        (["words.run", "short.de"], "engine torch: CTranslate2 cannot hold this network"),
    ):
        assert main(["translate", *words]) == 0
        assert why in capsys.readouterr().err

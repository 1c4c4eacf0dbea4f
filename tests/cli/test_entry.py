"""Whatever happens becomes an exit code and at most three lines."""

import errno
import os
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from axw import errors
from axw.cli import entry, main
from axw.cli.faults import Terminated


def ends_with(monkeypatch, fault, *words):
    def run(given):
        raise fault

    monkeypatch.setattr(entry, "_run", run)
    return main(list(words))


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.UsageError, 2),
        (errors.DataError, 3),
        (errors.ModelError, 4),
        (errors.NotFiniteError, 5),
        (errors.ResourceError, 6),
        (errors.GateError, 7),
        (errors.BusyError, 8),
    ],
)
def test_an_axw_error_is_its_three_lines_and_its_code(monkeypatch, capsys, kind, code):
    assert ends_with(monkeypatch, kind("what", "where", "what to do")) == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", "what\nwhere\nwhat to do\n")


def test_debug_shows_the_traceback_before_or_after_the_verb(monkeypatch, capsys):
    for words in (("--debug", "check", "x"), ("check", "x", "--debug")):
        assert ends_with(monkeypatch, errors.DataError("what", "where", "todo"), *words) == 3
        err = capsys.readouterr().err
        assert "Traceback" in err and err.endswith("what\nwhere\ntodo\n")
    assert ends_with(monkeypatch, errors.DataError("what"), "check", "--", "--debug") == 3
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "code"), [(KeyboardInterrupt(), 130), (Terminated(), 143), (MemoryError(), 6), (BrokenPipeError(), 141)]
)
def test_what_stops_a_process_has_its_own_code(monkeypatch, capsys, fault, code):
    monkeypatch.setattr(entry, "closed_stdout", lambda: None)
    assert ends_with(monkeypatch, fault) == code
    err = capsys.readouterr().err
    assert "Traceback" not in err and (code != 141 or err == "")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO, errno.EMFILE])
def test_a_refusal_of_the_system_is_6_and_names_the_path(monkeypatch, capsys, number):
    assert ends_with(monkeypatch, OSError(number, os.strerror(number), "/data/model")) == 6
    assert "/data/model" in capsys.readouterr().err


def test_a_bug_is_one_line_with_an_id_and_a_crash_file(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert ends_with(monkeypatch, ZeroDivisionError("oh"), "check", "x") == 1
    err = capsys.readouterr().err
    found = re.fullmatch(
        r"this is a bug in axw \(ZeroDivisionError\), id ([0-9a-f]{8}); what happened is in (.+): .*\n", err
    )
    assert found
    written = Path(found[2]).read_text(encoding="utf-8")
    assert found[1] in found[2] and "ZeroDivisionError: oh" in written and "axw check x" in written


def test_a_bug_without_a_place_for_the_crash_file_is_still_one_line(monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    assert ends_with(monkeypatch, ZeroDivisionError("oh")) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_control_characters_in_an_error_are_shown_and_not_obeyed(monkeypatch, capsys):
    ends_with(monkeypatch, errors.DataError("column '\x1b[2J\x07'"))
    assert capsys.readouterr().err == "column '␛[2J␇'\n"


def test_warnings_are_counted_one_liners(monkeypatch, capsys):
    def run(words):
        for _ in range(3):
            warnings.warn("5 cells\nare missing", errors.DataWarning)
        warnings.warn("later", FutureWarning)
        return 0

    monkeypatch.setattr(entry, "_run", run)
    assert main([]) == 0
    assert capsys.readouterr().err == "warning: 5 cells are missing (3 times)\n"


@pytest.mark.parametrize(
    ("words", "err"),
    [
        (["--versoin"], "No such option: --versoin. Did you mean --version?\naxw\nSee: axw --help\n"),
        (["chek"], "No such command 'chek'. Did you mean 'check'?\naxw\nCommands: "),
        (["check", "x", "--taget", "y"], "No such option: --taget. Did you mean --target?\naxw check\nSee: axw check --help\n"),
        (["check"], "Missing argument 'FILE'.\naxw check\nSee: axw check --help\n"),
        (["demo", "--folds", "1"], "Invalid value for '--folds': "),
    ],
)  # fmt: skip
def test_usage_is_2_and_says_what_was_probably_meant(capsys, words, err):
    assert main(words) == 2
    out, said = capsys.readouterr()
    assert out == "" and said.startswith(err)


def test_version_and_help_go_to_stdout_and_a_bare_call_is_usage(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"axw \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: axw")
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("Usage: axw")


def axw(*words, **settings):
    command = [sys.executable, "-c", "import sys; from axw.cli import main; sys.exit(main())", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings)


def test_a_reader_that_leaves_ends_the_command_quietly():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", "import sys; from axw.cli import main; sys.exit(main())", "--help"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout_is_6():
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-c", "import sys; from axw.cli import main; sys.exit(main())", "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 6 and b"No space left" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_the_process_with_their_code(number, code):
    script = (
        "import os, sys; from axw.cli import entry\n"
        f"def run(words): os.kill(os.getpid(), {int(number)}); [None for _ in range(10**8)]\n"
        "entry._run = run; sys.exit(entry.main([]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert done.returncode == code and b"Traceback" not in done.stderr


def test_output_is_utf8_whatever_the_locale_says():
    script = "import sys; from axw.cli import entry; from axw.cli.output import result\n"
    script += "entry._run = lambda words: result('Gr\\u00f6\\u00dfe \\u2713') or 0; sys.exit(entry.main([]))"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment)
    assert (done.returncode, done.stdout.decode("utf-8")) == (0, "Größe ✓\n")

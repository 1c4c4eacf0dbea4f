import io
import os

import pytest

from axw.cli.output import Progress, result, result_json, writable_file, writable_folder
from axw.errors import ResourceError, UsageError


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_progress_into_a_file_is_one_plain_line_every_ten_seconds():
    clock, file = Clock(), io.StringIO()
    with Progress(file, clock) as progress:
        for second in range(35):
            clock.now = float(second)
            progress(second, 35, "linear \x1b[31m")
    assert file.getvalue() == "".join(f"{s}/35 linear ␛[31m\n" for s in (10, 20, 30))


def test_progress_on_a_terminal_is_a_bar_that_goes_away(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with Progress(terminal) as progress:
        progress(3, 3, "[bold]linear")
    assert "3/3" in terminal.getvalue() and "[bold]linear" in terminal.getvalue()


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with Progress(terminal) as progress:
        progress(1, 3, "linear")
    assert "\x1b[3" not in terminal.getvalue().replace("\x1b[3A", "")


def test_results_are_raw_in_a_file_and_safe_on_a_terminal(monkeypatch, capsys):
    result("a\x1b[2Jb")
    assert capsys.readouterr().out == "a\x1b[2Jb\n"
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    result("a\x1b[2Jb\n")
    assert terminal.getvalue() == "a␛[2Jb\n"


def test_json_has_sorted_keys_and_null_for_what_is_no_number(capsys):
    result_json({"b": float("nan"), "a": [1, float("inf")]})
    assert capsys.readouterr().out.replace(" ", "").replace("\n", "") == '{"a":[1,null],"b":null}'


def test_places_to_write_are_checked_beforehand_and_left_as_they_were(tmp_path):
    writable_file(tmp_path / "report.html")
    writable_folder(tmp_path / "model", overwrite=False)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="There is no folder"):
        writable_file(tmp_path / "none" / "report.html")
    with pytest.raises(UsageError, match="is a folder, and a file"):
        writable_file(tmp_path)


def test_a_model_that_is_there_is_kept_unless_told_otherwise(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="is there already.*\n.*\n.*--overwrite"):
        writable_folder(tmp_path / "model", overwrite=False)
    writable_folder(tmp_path / "model", overwrite=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused_at_once(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ResourceError, match="Nothing can be written here"):
        writable_file(tmp_path / "report.html")

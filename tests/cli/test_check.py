import json

from axw.cli import main


def test_a_sound_table_is_0_and_its_findings_are_the_result(titanic, capsys):
    assert main(["check", str(titanic / "train.csv"), "--target", "survived"]) == 0
    out, err = capsys.readouterr()
    assert "train.csv: 400 rows, 8 columns" in out and "0 errors" in out and err == ""


def test_what_stops_a_fit_is_3(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("x,y\n1,1\n2,1\n")
    assert main(["check", str(tmp_path / "a.csv"), "--target", "y"]) == 3
    assert "error: The target is the same in every row." in capsys.readouterr().out


def test_the_json_holds_every_file_with_its_hash(titanic, capsys):
    assert main(["check", str(titanic / "train.csv"), str(titanic / "test.csv"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "axw.check/1"
    assert [file["data"]["rows"] for file in told["files"]] == [400, 100]
    assert all(len(file["data"]["sha256"]) == 64 for file in told["files"])


def test_a_table_on_stdin(monkeypatch, capsys):
    class Stdin:
        class buffer:
            read = staticmethod(lambda: b"x,y\n1,2\n2,3,4\n")

        isatty = staticmethod(lambda: False)

    monkeypatch.setattr("sys.stdin", Stdin)
    assert main(["check", "-"]) == 3
    assert capsys.readouterr().err.splitlines()[1] == "stdin, line 3"


def test_an_unknown_column_says_which_was_meant(titanic, capsys):
    file = str(titanic / "train.csv")
    assert main(["check", file, "--target", "survivd"]) == 2
    assert capsys.readouterr().err == f"There is no column 'survivd' in {file}.\n--target\nDid you mean 'survived'?\n"
    assert main(["check", file, "--relation", "same:famly"]) == 2
    assert "--relation same:famly\nDid you mean 'family'?" in capsys.readouterr().err


def test_a_leak_is_a_warning(tmp_path, capsys):
    rows = "\n".join(f"{i % 7},{i * 2 % 5},{i % 2}" for i in range(100))
    (tmp_path / "a.csv").write_text(f"x,z,y\n{rows}\n")
    lines = [f"{i % 7},{i % 2 * 10},{i % 2}" for i in range(100)]
    (tmp_path / "b.csv").write_text("x,z,y\n" + "\n".join(lines) + "\n")
    assert main(["check", str(tmp_path / "b.csv"), "--target", "y"]) == 0
    assert "warning: " in capsys.readouterr().out

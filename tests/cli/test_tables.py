import pandas as pd
import pytest

from axw.cli.relations import parse
from axw.cli.tables import Table, named_rows, split, task_of
from axw.errors import DataError, UsageError

FRAME = pd.DataFrame({"who": [1, 2, 3], "x": [0.5, 1.5, 2.5], "z": list("abc"), "y": ["no", None, "yes"]})


def table(frame=FRAME):
    return Table("t.csv", frame, 10, "ab")


def test_rows_without_an_answer_are_left_out_and_counted(capsys):
    parts = split(table(), "y", ["z"], "who")
    assert list(parts.X.columns) == ["who", "x"] and list(parts.y) == ["no", "yes"]
    assert capsys.readouterr().err == "1 of 3 rows have no y and are left out\n"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("yy", [], None), "There is no column 'yy' in t.csv."),
        (("y", ["q"], None), "There is no column 'q' in t.csv."),
        (("y", [], "q"), "There is no column 'q' in t.csv."),
        (("y", ["y"], None), "'y' is the target and can be neither dropped nor the id."),
        (("y", [], "y"), "2 ids stand more than once|1 of 3 ids are missing."),
    ],
)
def test_columns_that_cannot_be(arguments, what):
    with pytest.raises((UsageError, DataError), match=what):
        split(table(), *arguments)


def test_ids_must_name_one_row_each():
    with pytest.raises(DataError, match="2 ids stand more than once, such as 1"):
        split(table(FRAME.assign(who=[1, 1, 1])), "y", [], "who")


def test_a_relation_that_names_rows_needs_their_ids():
    with pytest.raises(UsageError, match="--id COLUMN"):
        named_rows([parse("ref:spouse")], None)
    named_rows([parse("ref:spouse")], "who")
    named_rows([parse("same:z")], None)


def test_what_is_a_class():
    assert task_of(pd.Series(["no", "yes"]), None) == task_of(pd.Series([0, 1]), None) == "classification"
    assert task_of(pd.Series([0.5, 1.5, 7.25]), None) == task_of(pd.Series([0, 1]), "regression") == "regression"

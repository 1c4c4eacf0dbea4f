import pytest
from hypothesis import given
from hypothesis import strategies as st

from axw.cli.relations import Spec, known_columns, parse
from axw.errors import UsageError


def test_each_shape_is_read():
    assert parse("same:ticket") == Spec("same:ticket", "same", columns=("ticket",))
    assert parse("same:family, class").columns == ("family", "class")
    assert parse("ref:spouse_id").columns == ("spouse_id",)
    assert parse("edges:calls.csv:src:dst")[3:5] == ("calls.csv", ("src", "dst"))
    assert parse("edges:calls.csv:src:dst:minutes").ends == ("src", "dst", "minutes")
    assert parse("edges:C:\\data\\calls.csv:src:dst").file == "C:\\data\\calls.csv"
    assert parse("near:lat,lon:8")[2:] == (("lat", "lon"), "", (), 8)
    assert parse("near:a:b:8").columns == ("a:b",)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("sane:ticket", "There is no relation of the kind 'sane'. Allowed: edges, near, ref, same. Did you mean 'same'?"),
        ("ticket", "There is no relation of the kind 'ticket'. Allowed: edges, near, ref, same."),
        ("same:", "A relation cannot be read: it names no column."),
        ("same:a,,b", "A relation cannot be read: a column name is empty."),
        ("ref:a,b", "A relation cannot be read: it names 2 columns, and one holds the id of the row that is read."),
        ("edges:f.csv:a", "A relation cannot be read: it needs a file and the columns of the row that reads and of the "
         "row that is read."),
        ("near:lat,lon", "A relation cannot be read: it says no number of neighbours."),
        ("near:lat:0", "A relation cannot be read: the number of neighbours is '0'; allowed: 1 to 10000."),
        ("near:lat:\u0663", "A relation cannot be read: the number of neighbours is '\u0663'; allowed: 1 to 10000."),
    ],
)  # fmt: skip
def test_another_shape_is_refused_and_says_the_right_one(text, what):
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert refused.value.what == what
    assert refused.value.where == f"--relation {text}"
    assert refused.value.todo.startswith("Write ")


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        parse(text)
    except UsageError:
        pass


def test_an_unknown_column_names_those_that_come_near():
    with pytest.raises(UsageError) as refused:
        known_columns(["tickt"], ["fare", "ticket", "age"], "--relation same:tickt", "train.csv")
    assert refused.value.what == "There is no column 'tickt' in train.csv."
    assert refused.value.todo == "Did you mean 'ticket'?"
    with pytest.raises(UsageError) as refused:
        known_columns(["zzz"], [f"c{i}" for i in range(9)], "--drop zzz", "train.csv")
    assert refused.value.todo == "Its columns: 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7' ..."

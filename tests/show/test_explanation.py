import math

import pytest

from axw.show.escaping import visible
from axw.show.explanation import bars_of, explanation_page
from tests.show.nasty import NASTY
from tests.show.test_escaping import Reader


def explanation(words: str, rows: int = 2) -> dict:
    lines = [
        {"output": words, "relation": "own row", "read": "", "feature": f"x{i}", "weight": 1.0, "contribution": 0.1 * i}
        for i in range(13)
    ]
    lines += [
        {"output": words, "relation": words, "read": words, "feature": "label", "weight": 0.5, "contribution": -0.7},
        {"output": words, "relation": words, "read": words, "feature": "age", "weight": 0.5, "contribution": 0.2},
    ]
    total = sum(line["contribution"] for line in lines)
    shown = [{"id": f"{words}{i}", "outputs": {words: total}, "contributions": lines} for i in range(rows)]
    return {"schema": "axw.explanation/1", "exact": "exact for this model", "rows": shown}


def test_the_bars_of_an_output_add_up_to_it():
    row = explanation("yes")["rows"][0]
    bars = bars_of(row["contributions"])
    assert math.isclose(sum(bar.value for bar in bars), row["outputs"]["yes"], abs_tol=1e-12)
    assert bars[-1].label == "4 others together"
    assert ("row yes, yes", pytest.approx(-0.5)) in [(bar.label, bar.value) for bar in bars]


@pytest.mark.parametrize("words", NASTY)
def test_whatever_the_data_say_the_page_keeps_its_shape(words):
    if not words:
        return  # no row was read, so there is no ring
    plain, hostile = (Reader(explanation_page(explanation(each), each)) for each in ("plain", words))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert visible(words, 30)[:20] in "".join(hostile.words)


def test_many_rows_are_cut_and_the_page_says_so():
    page = explanation_page(explanation("yes", rows=50), "t")
    assert "Shown are the first 20 of 50 rows" in page and page.count("<svg") == 40  # a waterfall and a ring each


def test_a_row_that_reads_nothing_says_so():
    told = explanation("yes", rows=1)
    told["rows"][0]["contributions"] = told["rows"][0]["contributions"][:3]
    assert "No related rows" in explanation_page(told, "t")
    told["rows"][0]["contributions"] = []
    assert "Nothing was read" in explanation_page(told, "t")

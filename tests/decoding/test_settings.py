"""Each setting that is not allowed says what was got and what is allowed."""

from __future__ import annotations

import pytest

from axw.decoding import SearchSettings
from axw.errors import UsageError
from axw.learning.settings import from_dict, to_dict, with_settings

WRONG = [
    ({"beam": 0}, "beam is 0; allowed: 1 to 1000"),
    ({"beam": 1001}, "beam is 1001; allowed: 1 to 1000"),
    ({"nbest": 5}, "nbest is 5; allowed: 1 to the beam, 4"),
    ({"length_penalty": "gmnt"}, "length_penalty is 'gmnt'. Allowed: average, gnmt, none, power. Did you mean 'gnmt'?"),
    ({"alpha": -0.1}, "alpha is -0.1; allowed: 0 or more"),
    ({"alpha": float("nan")}, "alpha is nan; allowed: 0 or more"),
    ({"coverage": -1.0}, "coverage is -1.0; allowed: 0 or more"),
    ({"max_factor": 0.0, "max_constant": 0}, "nothing may be said; allowed: one above 0"),
    ({"temperature": 0.0}, "temperature is 0.0; allowed: above 0, or none for beam search"),
    ({"temperature": 1.0, "top_k": 0}, "top_k is 0; allowed: 1 or more, or none"),
    ({"temperature": 1.0, "top_p": 1.5}, "top_p is 1.5; allowed: above 0, at most 1, or none"),
    ({"top_k": 3}, "temperature is none; allowed: with a temperature"),
    ({"end": -1}, "end is -1; allowed: 0 or more"),
    ({"never": (0, 2)}, "never holds 2, the end; allowed: other ids"),
]


@pytest.mark.parametrize("changes, message", WRONG)
def test_what_is_not_allowed(changes: dict, message: str):
    with pytest.raises(UsageError) as error:
        SearchSettings(**changes)
    assert message in error.value.what and error.value.where == "In the search settings."


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(UsageError, match="beam is 0.*seed is -1"):
        SearchSettings(beam=0, seed=-1)


def test_to_a_mapping_and_back():
    settings = SearchSettings(beam=7, nbest=3, temperature=0.8, top_p=0.9, never=(0, 1, 3))
    assert from_dict(SearchSettings, to_dict(settings)) == settings
    assert with_settings(settings, ["temperature=none", "top_p=none", "beam=3"]).beam == 3

"""The API: every verb of every kind answers; what is out of bounds is refused with a reason, and never with a 500."""

from __future__ import annotations

import asyncio
import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("fastapi")

from axw.serve import Limits
from axw.serve.limits import BEAM, CHARACTERS, ITEMS, TOP
from axw.serve.refusals import KINDS
from tests.serve import tiny

KINDS_OF_MODEL = tuple(tiny.MAKERS)


@pytest.fixture(scope="module")
def answers():
    """(status, body) of every question of `tiny.ASKED`."""

    async def use(client):
        return [await tiny.post(client, *asked) for asked in tiny.ASKED]

    return tiny.run(tiny.service(*KINDS_OF_MODEL), use)


def test_every_verb_of_every_kind_answers(answers):
    for (model, verb, question), answer in zip(tiny.ASKED, answers, strict=True):
        assert answer.status_code == 200, (model, verb, answer.text)
        count = len(question.get("rows", question.get("lines", [0])))
        assert answer.json()["model"] == model and len(answer.json()["answers"]) == count


def told(answers, model, verb):
    place = [asked[:2] for asked in tiny.ASKED].index((model, verb))
    return answers[place].json()["answers"]


def test_a_table_answers_as_the_model_does(answers):
    frame = pd.DataFrame([{**tiny.ROW, "passenger": 10_000}]).assign(born=lambda f: pd.to_datetime(f["born"]))
    chances = dict(zip(("no", "yes"), tiny.table().predict_proba(frame)[0], strict=True))
    assert told(answers, "table", "predict")[0]["probabilities"] == pytest.approx(chances, abs=1e-12)
    (explained,) = told(answers, "table", "explain")
    for output, value in explained["outputs"].items():
        assert sum(part["contribution"] for part in explained["parts"][output]) == pytest.approx(value, abs=1e-9)


def test_text_answers_as_the_models_do(answers):
    filled = tiny.words().fill("ein mann [MASK] blau", top=3)
    first = told(answers, "words", "fill")[0]
    assert first["text"] == filled.text
    assert [guess["word"] for guess in first["masks"][0]["guesses"]] == [
        guess.word for guess in filled.masks[0].guesses
    ]
    best = tiny.translator().translate(["ein mann sitzt"], beam=2)[0]
    translated = told(answers, "translation", "translate")
    assert translated[0]["text"] == best and len(translated[0]["others"]) == 1 and translated[1]["text"] == ""
    assert told(answers, "trees", "parse")[0]["tree"].count("(") >= 4
    for model in ("words", "translation", "trees"):
        (seen,) = told(answers, model, "explain")
        A = np.array(seen["reads"])
        assert A.shape == (len(seen["target"]), len(seen["source"])) and (A >= 0).all() and (A.sum(1) < 1.02).all()

    (classes,) = told(answers, "sentences", "explain")
    assert classes["source"] == ["ein", "mann", "sitzt"] and len(classes["lost"]) == 3


PICTURES = [
    ("table", {"rows": [tiny.ROW, {**tiny.ROW, "ticket": None}, {**tiny.ROW, "passenger": 5}]}),
    ("numbers", {"rows": [tiny.EMBRACED]}),
    ("words", {"line": "ein mann [MASK] blau"}),
    ("words", {"line": "ein mann"}),
    ("translation", {"line": "ein mann sitzt", "target": "MANN"}),
    ("translation", {"line": ""}),
    ("trees", {"line": "the cat sat", "target": "(S (NP (DT the) (NN cat)) (VP (VBD sat)))"}),
    ("sentences", {"line": "ein mann"}),
]


def test_pictures_are_those_of_a_report_and_hold_the_same_numbers_as_their_tables():
    async def use(client):
        for model, question in PICTURES:
            answer = await tiny.post(client, model, "explain", {**question, "pictures": True})
            plain = await tiny.post(client, model, "explain", question)
            assert answer.status_code == plain.status_code == 200, (model, answer.text)
            for seen, other in zip(answer.json()["answers"], plain.json()["answers"], strict=True):
                shown = seen.pop("pictures")
                assert seen == other
                if question.get("line", "a"):
                    check_pictures(shown)

    tiny.run(tiny.service(*tiny.MAKERS), use)


UNITS = [
    ("words", {"line": "ein zweihundert [MASK] blau"}),
    ("translation", {"line": "ein zweihundert sitzt", "target": "ZWEIHUNDERT"}),
    ("trees", {"line": "the skateboarder sat"}),
    ("sentences", {"line": "ein zweihundert"}),
]


def test_an_answer_is_explained_in_words_and_on_demand_in_pieces():
    async def use(client):
        schema = (await client.get("/openapi.json")).json()["components"]["schemas"]["ExplainLineQuestion"]
        assert schema["properties"]["unit"]["enum"] == ["words", "pieces"]
        assert (
            schema["properties"]["unit"]["default"] == "words"
            and "pieces" in schema["properties"]["unit"]["description"]
        )
        for model, question in UNITS:
            found = {}
            for unit in (None, "words", "pieces"):
                asked = {**question, "pictures": True} | ({"unit": unit} if unit else {})
                answer = await tiny.post(client, model, "explain", asked)
                assert answer.status_code == 200, answer.text
                found[unit] = answer.json()["answers"][0]
            assert found[None] == found["words"] and found["words"]["source"] == question["line"].split()
            by_piece = found["pieces"]
            assert len(by_piece["source"]) > len(found["words"]["source"])
            assert (
                "".join(by_piece["source"]).replace("▁", " ").replace("[MASK]", " [MASK]").split()
                == question["line"].split()
            )
            check_pictures(by_piece["pictures"])
            if "reads" in by_piece:
                assert np.shape(by_piece["reads"]) == (len(by_piece["target"]), len(by_piece["source"]))
            refused = await tiny.post(client, model, "explain", {"line": "x" * 400, "unit": "pieces"})
            assert refused.status_code == 422 and refused.json()["error"]["limit"] == 128
            refused = await tiny.post(client, model, "explain", {**question, "unit": "letters"})
            assert refused.status_code == 422
        assert (await tiny.post(client, "table", "explain", {"rows": [tiny.ROW], "unit": "pieces"})).status_code == 422

    tiny.run(tiny.service(*tiny.MAKERS, limits=Limits(seconds=120)), use)


def check_pictures(shown):
    assert shown["drawings"] or shown["heads"]
    for drawing in [*shown["drawings"], *shown["heads"]]:
        root = ElementTree.fromstring(drawing["svg"])
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and drawing["title"]
        assert all(len(row) == len(drawing["headings"]) for row in drawing["rows"])


BAD = [
    ("table", "predict", {"rows": []}, 422),
    ("table", "predict", {"rows": [tiny.ROW] * (ITEMS + 1)}, 422),
    ("table", "predict", {"rows": [{**tiny.ROW, "age": "old"}]}, 422),
    ("table", "predict", {"rows": [{**tiny.ROW, "age": 1e308}]}, 422),
    ("table", "predict", {"rows": [{**tiny.ROW, "born": 3}]}, 422),
    ("table", "predict", {"rows": [{**tiny.ROW, "born": "never"}]}, 422),
    ("table", "predict", {"rows": [{"age": 3}]}, 422),
    ("table", "predict", {"rows": [tiny.ROW], "ids": [1, 2]}, 422),
    ("table", "predict", {"rows": [{**tiny.ROW, "passenger": "x"}]}, 422),
    ("table", "predict", {"lines": ["a"]}, 422),
    ("table", "predict", {"rows": [tiny.ROW], "extra": 1}, 422),
    ("table", "predict", [], 422),
    ("table", "fill", {"lines": ["a [MASK]"]}, 404),
    ("nobody", "fill", {"lines": ["a [MASK]"]}, 404),
    ("words", "fill", {"lines": ["no mask"]}, 422),
    ("words", "fill", {"lines": ["[MASK] " * 9]}, 422),
    ("words", "fill", {"lines": ["a" * (CHARACTERS + 1)]}, 422),
    ("words", "fill", {"lines": ["a " * 300 + "[MASK]"]}, 422),
    ("words", "fill", {"lines": ["🙂" * 4000]}, 422),
    *[
        ("words", "fill", {"lines": ["[MASK]"], "top": top}, 422)
        for top in (-1, 0, TOP + 1, 10**9, 1.5, "1", None, [], True)
    ],
    *[("translation", "translate", {"lines": ["a"], "beam": b}, 422) for b in (-1, 0, BEAM + 1, 10**30, 1.5, "1", [])],
    ("translation", "translate", {"lines": ["a"], "beam": 1, "nbest": 2}, 422),
    ("translation", "translate", {"lines": ["a"] * (ITEMS + 1)}, 422),
    ("translation", "translate", {"lines": "a"}, 422),
    ("translation", "explain", {"line": "a " * 100}, 422),
    ("translation", "explain", {"rows": [{}]}, 422),
    ("trees", "parse", {"lines": [""]}, 422),
    ("trees", "parse", {"lines": ["the ( cat"]}, 422),
    ("sentences", "fill", {"lines": ["[MASK]"]}, 404),
    ("sentences", "explain", {"line": ""}, 422),
    ("trees", "explain", {"line": "the cat", "target": "(S (NN cat"}, 422),
    ("trees", "explain", {"line": "the cat", "target": "(S (NN cat))"}, 422),
]


def test_what_is_out_of_bounds_is_refused_with_a_reason():
    async def use(client):
        for model, verb, question, status in BAD:
            answer = await tiny.post(client, model, verb, question)
            assert answer.status_code == status, (model, verb, question, answer.text)
            error = answer.json()["error"]
            assert KINDS[error["code"]].status == status and error["message"] and error["request_id"]
            assert "Traceback" not in answer.text and ".py" not in error["message"]

    tiny.run(tiny.service(*KINDS_OF_MODEL), use)


def test_a_limit_says_what_it_is_and_what_was_got():
    async def use(client):
        answer = (await tiny.post(client, "words", "fill", {"lines": ["[MASK]", "a " * 299 + "[MASK]"]})).json()[
            "error"
        ]
        assert (answer["limit"], answer["got"], answer["item"]) == (256, 300, 1)
        answer = (await tiny.post(client, "table", "predict", {"rows": [{"age": 1, "class": "x"}]})).json()["error"]
        assert "2 of 5 columns are missing: 'born', 'alone'" in answer["message"]
        answer = (await tiny.post(client, "nobody", "parse", {"lines": ["a"]})).json()["error"]
        assert answer["message"].startswith("There is nothing here. GET /v1/models lists")

    tiny.run(tiny.service("table", "words"), use)


BODIES = [
    b"",
    b"{",
    b'{"lines": ["a"]',
    b'{"lines": [NaN]}',
    b'{"lines": ["a"], "beam": 1e400}',
    b'{"lines": ["a"], "lines": ["b"]}',
    b"[" * 100_000,
    '{"lines": ["a"]}'.encode("utf-16"),
    b'\xef\xbb\xbf{"lines": ["a"]}',
    b'{"lines": ["\xff"]}',
    b"null",
    b"[]",
    b'"text"',
    b"1" * 5000,
]


def test_a_body_that_is_no_strict_json():
    async def use(client):
        for body in BODIES:
            answer = await client.post(
                "/v1/models/translation/translate", content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code in (400, 422), (body[:40], answer.text)
        # Half a surrogate pair is text like any other; it must not break the answer.
        lone = await client.post(
            "/v1/models/translation/translate",
            content=b'{"lines": ["\\ud800 ein"]}',
            headers={"content-type": "application/json"},
        )
        assert lone.status_code in (200, 422), lone.text

    tiny.run(tiny.service("translation"), use)


def test_the_models_say_what_they_ask_for():
    async def use(client):
        found = {model["id"]: model for model in (await client.get("/v1/models")).json()["models"]}
        assert found["table"]["verbs"] == ["predict", "explain"] and found["sentences"]["verbs"] == [
            "predict",
            "explain",
        ]
        columns = {column["name"]: column for column in found["table"]["form"]["columns"]}
        assert columns["class"]["levels"] == ["first", "second", "third"]
        often = tiny.passengers()["class"].value_counts().idxmax()
        assert columns["class"]["typical"] == often
        kinds = {name: column["type"] for name, column in columns.items()}
        assert kinds == {"age": "number", "class": "category", "born": "date", "alone": "boolean", "ticket": "key"}
        assert found["table"]["form"]["id"] == "passenger"
        assert (await client.get("/v1/models/table")).json() == found["table"]
        assert (await client.get("/v1/models/nobody")).status_code == 404
        typical = {name: column["typical"] for name, column in columns.items()}
        assert (await tiny.post(client, "table", "predict", {"rows": [typical]})).status_code == 200

    tiny.run(tiny.service(*KINDS_OF_MODEL), use)


def test_health_readiness_counts_and_schema():
    async def use(client):
        assert (await client.get("/healthz")).json()["status"] == "ok"
        assert (await client.get("/readyz")).json() == {"models": {"table": "ready"}, "status": "ready"}
        await tiny.post(client, "table", "predict", {"rows": [tiny.ROW]})
        counts = (await client.get("/metrics")).text
        assert 'axw_requests_total{asked="predict",status="200"} 1' in counts
        schema = (await client.get("/openapi.json")).json()
        assert {"/v1/models/{id}/predict", "/v1/models/{id}/explain", "/metrics"} <= set(schema["paths"])
        beam = schema["components"]["schemas"]["TranslateQuestion"]["properties"]["nbest"]
        assert (beam["minimum"], beam["maximum"]) == (1, BEAM)
        for path in ("/docs", "/redoc", "/page/../app.py", "/page/nothing.js"):
            assert (await client.get(path)).status_code == 404

    tiny.run(tiny.service("table"), use)


def test_a_damaged_model_does_not_stop_the_others():
    async def use(client):
        ready = await client.get("/readyz")
        assert ready.status_code == 200 and ready.json()["models"] == {"table": "ready", "broken": "damaged"}
        refused = await tiny.post(client, "broken", "predict", {"rows": [tiny.ROW]})
        assert refused.status_code == 503 and refused.json()["error"]["code"] == "damaged"
        assert "secret" not in refused.text + ready.text
        assert (await tiny.post(client, "table", "predict", {"rows": [tiny.ROW]})).status_code == 200

    tiny.run(tiny.service("table", extra={"broken": OSError("/secret/path")}), use)


def test_a_name_that_a_remembered_row_has_is_that_row_and_another_is_not():
    frame = tiny.passengers()
    row = json.loads(frame.iloc[3].to_json(date_format="iso")) | {"passenger": 4}

    async def use(client):
        known, new, nameless = [
            (await tiny.post(client, "table", "predict", {"rows": [each]})).json()["answers"][0]
            for each in (row, {**row, "passenger": 4000}, {k: v for k, v in row.items() if k != "passenger"})
        ]
        expected = tiny.table().predict_proba(frame.iloc[[3]])[0, 1]
        assert known["probabilities"]["yes"] == pytest.approx(expected)
        assert new == nameless and new != known

    tiny.run(tiny.service("table"), use)


def test_models_are_loaded_while_the_server_answers():
    async def main():
        serving = tiny.service("table")
        assert not serving.loaded
        with pytest.raises(Exception, match="loading"):
            serving.find("table", "predict")
        await serving.start()
        await serving.until_loaded()
        assert serving.loaded
        await serving.stop()

    asyncio.run(main())

"""Many requests as one batch: the same answers, a bounded queue, and nothing computed that nobody waits for."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

pytest.importorskip("fastapi")

from axw.errors import DataError
from axw.models.translation.laid_out import LaidOutTranslator
from axw.serve import make_app
from axw.serve.batching import Abandoned, Batcher, Brake
from axw.serve.limits import Limits
from axw.serve.refusals import Refusal
from axw.serve.service import Ready
from axw.serve.text_answers import LineItem, SearchKey, TranslationAnswers
from tests.serve import tiny


def test_answers_are_the_same_alone_and_together():
    draw = tiny.passengers(13).drop(columns="passenger")
    draw["born"] = draw["born"].astype(str)
    rows = [{k: None if v != v else v for k, v in row.items()} for row in draw.to_dict("records")]
    rows = [row | ({"passenger": i % 5} if i % 2 else {}) for i, row in enumerate(rows)]  # some names stand twice
    asked = [("table", verb, {"rows": [row]}) for row in rows for verb in ("predict", "explain")]
    asked += [("numbers", "predict", {"rows": [{"class": row["class"], "alone": row["alone"]}]}) for row in rows]
    for i, line in enumerate(tiny.lines(17, seed=9)):
        masked = line.split()
        masked[i % len(masked)] = "[MASK]"
        asked.append(("words", "fill", {"lines": [" ".join(masked) + (" [MASK]" if i % 3 else "")], "top": 4}))
        asked.append(("sentences", "predict", {"lines": [line]}))
    for line in tiny.lines(5, seed=10):
        asked.append(("translation", "translate", {"lines": [line], "beam": 2}))
        asked.append(("trees", "parse", {"lines": [" ".join(line.split()[:3])], "beam": 2}))

    async def use(client):
        alone = [await tiny.post(client, *each) for each in asked]
        together = await asyncio.gather(*(tiny.post(client, *each) for each in asked))
        for question, one, other in zip(asked, alone, together, strict=True):
            assert one.status_code == other.status_code == 200, (question, one.text, other.text)
            near(one.json(), other.json(), question)
        return (await client.get("/metrics")).text

    counts = tiny.run(tiny.service(*tiny.MAKERS, limits=Limits(queue=500, seconds=600.0)), use)
    mean = next(line for line in counts.splitlines() if line.startswith("axw_batch_size_mean"))
    assert float(mean.split()[1]) > 1.5  # and they were together


def near(one, other, where):
    """Equal words, and numbers that differ by rounding alone."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            near(one[key], other[key], where)
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for left, right in zip(one, other, strict=True):
            near(left, right, where)
    elif isinstance(one, float):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-5), where
    else:
        assert one == other, where


class Counting:
    """Answers items with themselves, and notes the batches; waits until it is let go."""

    def __init__(self):
        self.batches, self.go = [], threading.Event()
        self.go.set()

    def __call__(self, key, items):
        self.batches.append((key, list(items)))
        assert self.go.wait(30)
        if "bad" in items:
            raise DataError("That is bad.", "somewhere", "Do better.")
        if "worse" in items:
            raise ZeroDivisionError("secret")
        return [Refusal("too_long", limit=1, got=2) if item == "long" else item for item in items]


def batched(use, limits=None, answer=None):
    async def main():
        counting = answer or Counting()
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(counting, executor, limits or Limits(), Brake())
            task = asyncio.create_task(batcher.run())
            try:
                return await use(batcher, counting)
            finally:
                counting.go.set()
                task.cancel()

    return asyncio.run(main())


async def until(true):
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come")


def test_what_comes_while_one_computes_is_the_next_batch():
    async def use(batcher, counting):
        counting.go.clear()
        asked = [asyncio.create_task(batcher.ask("a", [0]))]
        await until(lambda: counting.batches)
        asked += [asyncio.create_task(batcher.ask("b" if i == 3 else "a", [i, -i])) for i in range(1, 6)]
        await until(lambda: batcher.waiting == 5)
        counting.go.set()
        assert await asyncio.gather(*asked) == [[0], [1, -1], [2, -2], [3, -3], [4, -4], [5, -5]]
        assert counting.batches[1:] == [("a", [1, -1, 2, -2, 4, -4, 5, -5]), ("b", [3, -3])]

    batched(use)


def test_a_batch_has_a_bound_and_so_has_the_queue():
    async def use(batcher, counting):
        counting.go.clear()
        asked = [asyncio.create_task(batcher.ask("a", [0]))]
        await until(lambda: counting.batches)
        asked += [asyncio.create_task(batcher.ask("a", [i])) for i in range(1, 6)]
        await until(lambda: batcher.waiting == 5)
        with pytest.raises(Refusal, match="busy") as refused:
            await batcher.ask("a", [9])
        assert refused.value.headers() == {"retry-after": "1"} and refused.value.status == 503
        counting.go.set()
        await asyncio.gather(*asked)
        assert [len(items) for _, items in counting.batches] == [1, 3, 2]

    batched(use, Limits(queue=5, batch=3))


@pytest.mark.parametrize(("item", "code"), [("bad", "unusable"), ("worse", "failed"), ("long", "too_long")])
def test_one_bad_item_harms_its_own_request_only(item, code):
    async def use(batcher, counting):
        counting.go.clear()
        first = asyncio.create_task(batcher.ask("a", [0]))
        await until(lambda: counting.batches)
        asked = [asyncio.create_task(batcher.ask("a", [each])) for each in (1, item, 3)]
        await until(lambda: batcher.waiting == 3)
        counting.go.set()
        found = await asyncio.gather(first, *asked, return_exceptions=True)
        assert found[:2] == [[0], [1]] and found[3] == [3]
        assert found[2].code == code and "secret" not in str(found[2].to_json("1"))
        assert await batcher.ask("a", [5]) == [5]

    batched(use)


def test_one_that_has_left_is_dropped_from_the_queue_and_one_that_waits_too_long_is_504():
    async def use(batcher, counting):
        counting.go.clear()
        first = asyncio.create_task(batcher.ask("a", [0]))
        await until(lambda: counting.batches)
        left = asyncio.create_task(batcher.ask("a", [1]))
        await until(lambda: batcher.waiting == 1)
        left.cancel()
        with pytest.raises(Refusal, match="deadline"):
            await batcher.ask("a", [2])
        counting.go.set()
        with pytest.raises(Refusal, match="deadline"):
            await first
        assert await batcher.ask("a", [3]) == [3]
        assert [items for _, items in counting.batches] == [[0], [3]]

    batched(use, Limits(seconds=0.2))


def test_a_network_stops_at_its_next_layer_once_nobody_waits():
    brake, steps = Brake(), []
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    brake.hold(network)
    assert network(torch.zeros(1, 2)).shape == (1, 2)
    begun, go = threading.Event(), threading.Event()

    class Endless(Counting):
        def __call__(self, key, items):
            if key == "quick":
                return list(items)
            try:
                while True:
                    begun.set()
                    go.wait(0.001)
                    network(torch.zeros(1, 2))
                    steps.append(1)
            except Abandoned:
                steps.append("stopped")
                raise

    async def use(batcher, counting):
        batcher.brake = brake
        asked = asyncio.create_task(batcher.ask("slow", [1]))
        await until(begun.is_set)
        asked.cancel()
        await until(lambda: steps and steps[-1] == "stopped")
        assert await batcher.ask("quick", [2]) == [2]

    batched(use, answer=Endless())


def test_a_search_stops_at_its_next_step_once_nobody_waits():
    model = LaidOutTranslator(tiny.translator())
    brake, line = Brake(), tiny.lines(1, seed=3)
    brake.hold_steps(model.steps[0])
    said = model.translate(line)
    asked = iter([True, True, True, False])
    brake.wanted = lambda: next(asked)
    with pytest.raises(Abandoned):
        model.translate(line)
    brake.wanted = lambda: True
    assert model.translate(line) == said == tiny.translator().translate(line)


def test_a_client_that_leaves_frees_the_model():
    """Through the whole application: the ASGI message that the client has gone ends its computation."""
    model = tiny.translator()
    begun = threading.Event()

    class Slow:
        """A translator that never ends by itself."""

        kind, facts, settings, network = "translation", {}, model.settings, nn.Linear(2, 2)

        def __getattr__(self, name):
            return getattr(model, name)

        def hypotheses(self, lines, search):
            if lines == ["quick"]:
                return model.hypotheses(lines, search=search)
            while True:
                begun.set()
                threading.Event().wait(0.001)
                self.network(torch.zeros(1, 2))

    slow = Slow()
    answers = TranslationAnswers(slow)
    found = Ready("translation", {"translate": answers.translate}, None, {}, (slow.network,))

    async def main():
        serving = tiny.service("translation")
        serving._ready = lambda path: found
        app = make_app(serving)
        await serving.start()
        await serving.until_loaded()
        body = [{"type": "http.request", "body": b'{"lines": ["slow"]}', "more_body": False}]
        gone, sent = asyncio.Event(), []

        async def receive():
            if body:
                return body.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/v1/models/translation/translate", "headers": headers}
        scope |= {"query_string": b"", "raw_path": b"", "client": ("127.0.0.1", 1), "scheme": "http", "root_path": ""}
        asked = asyncio.create_task(app(scope, receive, send))
        await until(begun.is_set)
        gone.set()
        await asked
        served = serving.models["translation"]
        try:
            quick = serving.ask(served, "translate", SearchKey(1, 1), [LineItem("quick")])
            assert len(await asyncio.wait_for(quick, 20)) == 1
        finally:
            await serving.stop()

    asyncio.run(main())


def test_a_crowd_that_is_there_is_not_waited_for_and_its_last_ends_the_wait():
    async def main():
        batcher = Batcher(lambda key, items: list(items), None, Limits(gather=1.0), Brake())
        batcher._crowd = 3
        asked = [asyncio.create_task(batcher.ask("a", [i])) for i in range(2)]
        await asyncio.sleep(0)
        company = asyncio.create_task(batcher._company())
        for _ in range(5):
            await asyncio.sleep(0)
        assert batcher.waiting == 2 and not company.done()
        asked.append(asyncio.create_task(batcher.ask("a", [2])))
        for _ in range(5):
            await asyncio.sleep(0)
        assert company.done()
        with pytest.raises(StopIteration):  # it does not even look away
            batcher._company().send(None)
        for each in asked:
            each.cancel()

    asyncio.run(main())

"""Requests that come together are answered together: one batch while the last one computes, whatever came in meanwhile.

A request that is alone is answered at once. Where the last batch had company, the next waits a few milliseconds for it, so
that clients who all wait for their answers and then all ask again do not fall apart into small batches.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from torch import nn

from axw.errors import AxwError
from axw.serve.limits import Limits
from axw.serve.refusals import Refusal

Answer = Callable[[Hashable, Sequence[Any]], Sequence[Any]]
"""(what must be the same for all, items) -> an answer, or a `Refusal`, for each item."""
log = logging.getLogger("axw.serve")
_WAITS = 20  # times `Limits.gather` that a batch waits for company at most


class Abandoned(Exception):
    """Nobody waits for what is being computed."""


class Brake:
    """Ends a network's work at its next layer, or a search at its next step, once nobody waits for it. The server owns both."""

    def __init__(self) -> None:
        self.wanted: Callable[[], bool] = lambda: True

    def hold(self, network: nn.Module) -> None:
        """From now on each module of the network asks before it computes."""

        def ask(*_: object) -> None:
            if not self.wanted():
                raise Abandoned

        for module in network.modules():
            module.register_forward_pre_hook(ask)

    def hold_steps(self, steps: Any) -> None:
        """From now on what a search steps with asks before each step."""
        if isinstance(steps, nn.Module):
            self.hold(steps)
            return

        def asking(step: Callable[..., Any]) -> Callable[..., Any]:
            def ask(*given: Any) -> Any:
                if not self.wanted():
                    raise Abandoned
                return step(*given)

            return ask

        for name in ("encode", "step", "step_best", "logits", "step_with_attention"):
            if hasattr(steps, name):
                setattr(steps, name, asking(getattr(steps, name)))


@dataclass(eq=False)
class _Waiting:
    key: Hashable
    items: Sequence[Any]
    answer: asyncio.Future[list[Any]]


class Batcher:
    """The queue of one model, and the task that empties it."""

    def __init__(self, answer: Answer, executor: Executor, limits: Limits, brake: Brake) -> None:
        self.answer, self.executor, self.limits, self.brake = answer, executor, limits, brake
        self.sizes: deque[int] = deque(maxlen=1000)
        self._queue: deque[_Waiting] = deque()
        self._some, self._full = asyncio.Event(), asyncio.Event()
        self._crowd = 1

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    async def ask(self, key: Hashable, items: Sequence[Any]) -> list[Any]:
        """An answer for each item. Raises `Refusal`: busy, deadline, or what the model says of the items.

        Where the caller is cancelled, the items are dropped from the queue, or their batch ends once nobody waits for any of it.
        """
        if len(self._queue) >= self.limits.queue:
            self._queue = deque(each for each in self._queue if not each.answer.done())
        if len(self._queue) >= self.limits.queue:
            raise Refusal("busy", limit=self.limits.queue)
        waiting = _Waiting(key, items, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._some.set()
        if len(self._queue) >= self._crowd:
            self._full.set()
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await waiting.answer
        except TimeoutError:
            raise Refusal("deadline", limit=self.limits.seconds) from None

    async def run(self) -> None:
        """Answer what comes, until cancelled."""
        while True:
            await self._some.wait()
            if self._crowd > 1 and self.limits.gather:
                await self._company()
            batch = self._next()
            if batch:
                self._crowd = len(batch)
                await self._answer(batch)

    async def _company(self) -> None:
        """Wait while more keep coming, for as many as there were last time; no longer than until these are there."""
        for _ in range(_WAITS):
            before = self.waiting
            if before >= self._crowd:
                return
            self._full.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.limits.gather):
                    await self._full.wait()
            if self.waiting == before:
                return

    def _next(self) -> list[_Waiting]:
        """The one that waits longest, and those that can be answered beside it."""
        batch: list[_Waiting] = []
        left: deque[_Waiting] = deque()
        count = 0
        for each in self._queue:
            if each.answer.done():
                continue
            alike = not batch or each.key == batch[0].key
            if alike and (not batch or count + len(each.items) <= self.limits.batch):
                batch.append(each)
                count += len(each.items)
            else:
                left.append(each)
        self._queue = left
        if not left:
            self._some.clear()
        return batch

    async def _answer(self, batch: list[_Waiting]) -> None:
        try:
            found = await self._compute(batch)
        except Abandoned:
            return
        except Exception as fault:
            if len(batch) == 1:
                _refuse(batch[0], _as_refusal(fault))
                return
            for each in batch:  # one of them is the cause: the others still get their answers
                if not each.answer.done():
                    await self._answer([each])
            return
        place = 0
        for each in batch:
            _give(each, found[place : place + len(each.items)])
            place += len(each.items)

    async def _compute(self, batch: list[_Waiting]) -> Sequence[Any]:
        items = [item for each in batch for item in each.items]
        self.sizes.append(len(items))

        def compute() -> Sequence[Any]:
            self.brake.wanted = lambda: any(not each.answer.done() for each in batch)
            try:
                return self.answer(batch[0].key, items)
            finally:
                self.brake.wanted = lambda: True

        work = asyncio.get_running_loop().run_in_executor(self.executor, compute)
        found = await asyncio.shield(work)
        if len(found) != len(items):
            raise RuntimeError(f"{len(found)} answers for {len(items)} items")
        return found


def _give(each: _Waiting, answers: Sequence[Any]) -> None:
    refused = next(((i, answer) for i, answer in enumerate(answers) if isinstance(answer, Refusal)), None)
    if refused is None:
        with contextlib.suppress(asyncio.InvalidStateError):
            each.answer.set_result(list(answers))
    else:
        refused[1].item = refused[0]
        _refuse(each, refused[1])


def _refuse(each: _Waiting, refusal: Refusal) -> None:
    if not each.answer.done():
        each.answer.set_exception(refusal)


def _as_refusal(fault: Exception) -> Refusal:
    if isinstance(fault, Refusal):
        return fault
    if isinstance(fault, AxwError) and fault.exit_code in (2, 3):
        return Refusal("unusable", " ".join(part for part in (fault.what, fault.todo) if part))
    log.error("a model failed: %s", type(fault).__name__, exc_info=fault)
    return Refusal("failed")

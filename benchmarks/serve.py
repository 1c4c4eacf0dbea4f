"""How fast the server answers, and what it does when too many ask, when clients are slow, and when it is killed.

    python benchmarks/serve.py MODEL            speed: 1, 8 and 64 clients against the plain loop and against batches of 64
    python benchmarks/serve.py MODEL --crowd    1,000 clients x 5 requests, with the health of the server meanwhile
    python benchmarks/serve.py MODEL --slow     500 clients that send a byte a second, beside good ones
    python benchmarks/serve.py MODEL --kill 50  kill -9 and start again, with requests in flight; then SIGTERM
    python benchmarks/serve.py --tiny --crowd   the same with a small table that is fitted first
    python benchmarks/serve.py MODEL --all      speed of MODEL; then, with the small table, the crowd, the slow ones and 50 kills

Client and server share the machine. Raw sockets: the client costs as little as it can.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

MAIN = "import sys; from axw.cli import main; sys.exit(main())"
SENTENCE = "ein mann sitzt auf einem roten stuhl vor dem haus ."


class Asked(NamedTuple):
    """The status of an answer (0: none came), and the seconds until it was there."""

    status: int
    seconds: float


class Served:
    """The process of a server, its port and its process id."""

    def __init__(self, model: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.model, self.options = model, options
        self.start()

    def start(self) -> float:
        """Seconds until it is ready, at the same port as before."""
        began = time.perf_counter()
        command = [sys.executable, "-c", MAIN, "serve", f"m={self.model}", "--port", str(self.port), *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while True:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer,
            ):
                if answer.status == 200:
                    return time.perf_counter() - began
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended: {self.process.stderr.read().decode()[-2000:]}")  # type: ignore[union-attr]
            time.sleep(0.05)

    def memory(self) -> float:
        """Resident MB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def processor(self) -> tuple[float, float]:
        """Seconds of processor time of the thread that reads and writes, and of those that compute."""
        first, others = 0.0, 0.0
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            user, system = (thread / "stat").read_text().rpartition(")")[2].split()[11:13]
            seconds = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
            if thread.name == str(self.process.pid):
                first += seconds
            else:
                others += seconds
        return first, others

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def question_for(port: int) -> tuple[str, dict[str, Any]]:
    """What the served model is asked: (verb, question)."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models/m") as answer:
        told = json.load(answer)
    if told["kind"] == "table":
        return "predict", {"rows": [{column["name"]: column["typical"] for column in told["form"]["columns"]}]}
    verb = next(each for each in told["verbs"] if each != "explain")
    return verb, {"lines": [SENTENCE.replace("roten", "[MASK]") if verb == "fill" else SENTENCE]}


def raw(verb: str, question: dict[str, Any]) -> bytes:
    body = json.dumps(question).encode()
    head = f"POST /v1/models/m/{verb} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


HEALTH = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


async def read_answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    await reader.readexactly(length)
    return int(head.split()[1])


async def client(port: int, request: bytes, times: int, found: list[Asked]) -> None:
    """Ask so many times, one after the other, on one connection that is opened again where it was closed."""
    writer = None
    for _ in range(times):
        began = time.perf_counter()
        status = 0
        for _attempt in range(2):
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request)
                await writer.drain()
                status = await asyncio.wait_for(read_answer(reader), 60)
                break
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                if writer is not None:
                    writer.close()
                writer = None
        found.append(Asked(status, time.perf_counter() - began))
    if writer is not None:
        writer.close()


async def crowd(port: int, request: bytes, clients: int, times: int) -> tuple[list[Asked], float]:
    found: list[Asked] = []
    began = time.perf_counter()
    await asyncio.gather(*(client(port, request, times, found) for _ in range(clients)))
    return found, time.perf_counter() - began


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def told(name: str, found: list[Asked], seconds: float) -> None:
    good = [each.seconds for each in found if each.status == 200]
    counts = dict(sorted(Counter(each.status for each in found).items()))
    rate = len(good) / seconds
    p50, p99 = (1e3 * percentile(good, share) for share in (0.5, 0.99))
    print(f"{name:<28} {rate:8.1f} answers/s   p50 {p50:8.1f} ms   p99 {p99:8.1f} ms   {counts}")


def speed(model: Path, seconds: float) -> None:
    """Answers a second: of the plain loop, of batches of 64, and of the server with 1, 8 and 64 clients.

    What it costs to read and write is told apart from what the model costs, by the threads of the server.
    """
    served = Served(model, "--threads", "1")
    try:
        verb, question = question_for(served.port)
        request = raw(verb, question)
        for clients in (1, 8, 64):
            asyncio.run(crowd(served.port, request, clients, 2))
            once, took = asyncio.run(crowd(served.port, request, clients, 3))
            times = max(3, min(500, int(seconds / max(took / 3, 1e-4))))
            before = served.processor()
            found, took = asyncio.run(crowd(served.port, request, clients, times))
            told(f"served, {clients} clients", found, took)
            each = [1e3 * (now - then) / len(found) for now, then in zip(served.processor(), before, strict=True)]
            print(f"{'':<28} processor time an answer: {each[0]:.2f} ms to read and write, {each[1]:.2f} ms to compute")
    finally:
        served.stop()
    plain(model, verb, question, seconds)


def plain(model: Path, verb: str, question: dict[str, Any], seconds: float) -> None:
    import torch

    from axw.models import load
    from axw.serve.service import ready
    from axw.serve.table_answers import RowItem
    from axw.serve.text_answers import FillKey, LineItem, SearchKey

    torch.set_num_threads(1)
    answer = ready(load(model)).verbs[verb]
    key: Any = {"fill": FillKey(5, "together"), "translate": SearchKey(None, 1), "parse": SearchKey(None, 1)}.get(verb)
    item = RowItem(question["rows"][0], None) if "rows" in question else LineItem(question["lines"][0])
    for many in (1, 64):
        answer(key, [item] * many)
        began, taken = time.perf_counter(), []
        while time.perf_counter() - began < seconds:
            start = time.perf_counter()
            answer(key, [item] * many)
            taken.append(time.perf_counter() - start)
        found = [Asked(200, each) for each in taken for _ in range(many)]
        told("plain loop, one at a time" if many == 1 else "plain loop, 64 at a time", found, sum(taken))


class Looking:
    """Another process that asks for the health of the server, fifty times a second, so that its own clock is not held up."""

    def __init__(self, port: int) -> None:
        command = [sys.executable, __file__, "--health", str(port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.found: list[Asked] = []

    def __enter__(self) -> Looking:
        self.process.stdout.readline()  # type: ignore[union-attr]
        return self

    def __exit__(self, *_: object) -> None:
        told = self.process.communicate("", timeout=60)[0]
        self.found = [
            Asked(int(status), float(seconds)) for status, seconds in (line.split() for line in told.splitlines())
        ]


def look_at_health(port: int) -> None:
    """Until stdin is closed; then each answer as a line."""
    import select

    found: list[Asked] = []
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        asyncio.run(client(port, HEALTH, 1, found))
    print("\n".join(f"{each.status} {each.seconds}" for each in found))


def overload(model: Path, clients: int = 1000, times: int = 5) -> None:
    """More clients than can be served: every one is answered, and the server stays well."""
    served = Served(model, "--threads", "1")
    try:
        verb, question = question_for(served.port)
        request = raw(verb, question)
        asyncio.run(crowd(served.port, request, 16, 5))
        before = served.memory()

        with Looking(served.port) as looking:
            found, took = asyncio.run(crowd(served.port, request, clients, times))
            sizes, all_took = [served.memory()], took
            for _ in range(4):
                again, more = asyncio.run(crowd(served.port, request, clients, times))
                sizes.append(served.memory())
                found, all_took = found + again, all_took + more
        told(f"crowd, 5 times {clients} x {times}", found, all_took)
        told("health meanwhile", looking.found, all_took)
        slowest = max(each.seconds for each in found)
        answered = sum(each.status in (200, 503) for each in found)
        print(f"answered {answered} of {len(found)}, the slowest in {slowest:.1f} s")
        print(f"memory: {before:.0f} MB before, then {', '.join(f'{size:.0f}' for size in sizes)} MB")
    finally:
        served.stop()


def slow(model: Path, clients: int = 500) -> None:
    """Clients that send a byte a second are closed in time, and do not hurt the others."""
    served = Served(model, "--threads", "1")
    try:
        request = raw(*question_for(served.port))

        async def dripping(closed: list[float], kind: str) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            began = time.perf_counter()
            if kind == "head":
                writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ")
            gone = asyncio.create_task(reader.read())
            while not gone.done() and time.perf_counter() - began < 30:
                with contextlib.suppress(OSError):
                    writer.write(b"a") if kind == "head" else None
                await asyncio.wait({gone}, timeout=1)
            closed.append(time.perf_counter() - began)
            writer.close()

        async def both() -> tuple[list[Asked], list[Asked], list[float]]:
            alone, beside, closed = [], [], []  # type: ignore[var-annotated]
            await client(served.port, request, 50, alone)
            many = asyncio.gather(*(dripping(closed, "head" if i % 5 else "nothing") for i in range(clients)))
            await asyncio.sleep(1)
            await client(served.port, request, 50, beside)
            with contextlib.suppress(OSError):
                await many
            return alone, beside, closed

        alone, beside, closed = asyncio.run(both())
        told("good client, alone", alone, sum(each.seconds for each in alone))
        told(f"good client, beside {clients}", beside, sum(each.seconds for each in beside))
        print(f"slow clients closed: {len(closed)} of {clients}, after {min(closed):.1f} to {max(closed):.1f} s")
    finally:
        served.stop()


def kills(model: Path, count: int) -> None:
    """kill -9 with requests in flight, and start again at the same port; then SIGTERM with requests in flight."""
    served = Served(model, "--threads", "1")
    request = raw(*question_for(served.port))
    starts = []
    for i in range(count):
        process = served.process

        async def struck(process: subprocess.Popen[bytes] = process) -> None:
            asking = asyncio.gather(*(client(served.port, request, 3, []) for _ in range(8)))
            await asyncio.sleep(0.05)
            process.kill()
            await asking

        asyncio.run(struck())
        process.wait(30)
        starts.append(served.start())
        found: list[Asked] = []
        asyncio.run(client(served.port, request, 2, found))
        if [each.status for each in found] != [200, 200]:
            raise SystemExit(f"start {i + 1}: {found}")
    middle, most = statistics.median(starts), max(starts)
    print(f"killed and started again {count} of {count}; ready in {middle:.2f} s (median), {most:.2f} s (most)")

    async def drained() -> list[Asked]:
        found: list[Asked] = []
        asking = asyncio.gather(*(client(served.port, request, 1, found) for _ in range(32)))
        await asyncio.sleep(0.02)
        served.process.terminate()
        await asking
        return found

    found = asyncio.run(drained())
    print(f"SIGTERM: exit code {served.process.wait(30)}, answers {dict(Counter(each.status for each in found))}")


def tiny(folder: Path) -> Path:
    """A small table, fitted now."""
    import numpy as np
    import pandas as pd

    from axw.models import AttentionClassifier
    from axw.relations import SameValue

    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {f"x{i}": draw.normal(size=500) for i in range(8)} | {"key": draw.integers(0, 90, 500).astype(str)}
    )
    y = np.where(frame["x0"] + draw.normal(size=500) > 0, "yes", "no")
    AttentionClassifier("given", relations=[SameValue("key")], labels=True).fit(frame, y).save(folder / "tiny.axw")
    return folder / "tiny.axw"


def main() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(20_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    read = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    read.add_argument("model", nargs="?", type=Path, help="the folder of a saved model")
    read.add_argument("--tiny", action="store_true", help="a small table, fitted now")
    read.add_argument("--crowd", action="store_true")
    read.add_argument("--slow", action="store_true")
    read.add_argument("--kill", type=int, metavar="TIMES")
    read.add_argument("--all", action="store_true")
    read.add_argument("--health", type=int, help=argparse.SUPPRESS)
    read.add_argument("--seconds", type=float, default=3.0, help="of each measurement of speed")
    asked = read.parse_args()
    if asked.health:
        look_at_health(asked.health)
        return
    with tempfile.TemporaryDirectory() as folder:
        model = tiny(Path(folder)) if asked.tiny else asked.model
        if model is None:
            read.error("name a model, or say --tiny")
        if asked.all or not (asked.crowd or asked.slow or asked.kill):
            speed(model, asked.seconds)
        if asked.all and not asked.tiny:
            model = tiny(Path(folder))
        for name, wanted, measured in (
            ("crowd", asked.crowd, overload),
            ("slow clients", asked.slow, slow),
            ("kills", asked.kill, lambda model: kills(model, asked.kill or 50)),
        ):
            if asked.all or wanted:
                began = time.perf_counter()
                measured(model)
                print(f"({name}: {time.perf_counter() - began:.0f} s)\n")


if __name__ == "__main__":
    main()

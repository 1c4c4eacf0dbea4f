"""Every bound of the server, in one place: what a request may ask for, and how long anything may take."""

from __future__ import annotations

from dataclasses import dataclass

from axw.errors import UsageError

# What one request may hold. These are written into the schema, so they do not change while a server runs.
ITEMS = 64  # rows or lines
EXPLAINED = 8  # rows of one question for reasons
CHARACTERS = 8192  # of a line, of a value in a row, of the name of a column
WORDS = 256  # of a line
EXPLAINED_WORDS = 64  # of a line whose words' attention is asked for: the answer grows with the square
EXPLAINED_PIECES = 128  # the same, where it is asked for in pieces
MASKS = 8  # of a line
PIECES = 1024  # of a line, as the model spells it
COLUMNS = 4096  # of a row
BEAM = 8
TOP = 50
LARGEST = 1e300  # of a number in a row
CELLS = 40_000  # of all heads of a line together, as pictures
PARTS = 40  # contributions that are listed by name; the rest is summed

CHUNK = 64 << 10  # bytes that are written at once


_LEAST = {"body": 1024, "queue": 1, "batch": 1, "connections": 1, "workers": 1, "threads": 1}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much the server takes on, and how long it waits.

    body        bytes of one request
    queue       requests that may wait for one model; one more is told to come again (503)
    batch       rows or lines that are answered beside each other
    gather      seconds that a batch waits for company where the last one had some
    seconds     from the arrival of a request to its answer; after that it is 504, and nothing computes for it any more
    head, receive, write   seconds for a client to send a request's head, its body, and to read on where it reads slowly
    drain       seconds that requests in progress may still take after SIGTERM
    connections at once
    workers     models that compute at the same time
    threads     of each of them; None: the cores, shared out
    """

    body: int = 1 << 20
    queue: int = 64
    batch: int = 64
    gather: float = 0.005
    seconds: float = 10.0
    head: float = 10.0
    receive: float = 15.0
    write: float = 15.0
    drain: float = 20.0
    connections: int = 4096
    workers: int = 2
    threads: int | None = None

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {getattr(self, name)}; allowed: {least} or more."
            for name, least in _LEAST.items()
            if getattr(self, name) is not None and getattr(self, name) < least
        ]
        wrong += [
            f"{name} is {getattr(self, name)}; allowed: more than 0 seconds, at most an hour."
            for name in ("seconds", "head", "receive", "write", "drain")
            if not 0 < getattr(self, name) <= 3600
        ]
        if not 0 <= self.gather <= 1:
            wrong.append(f"gather is {self.gather}; allowed: 0 to 1 second.")
        if wrong:
            raise UsageError(" ".join(wrong), "In the limits of the server.", "Correct each of them.")

"""Ctrl-C, SIGTERM and SIGHUP while a model is trained: finish the step, save, end; a second Ctrl-C ends at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from axw.errors import AxwError

_CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 143}


class Stopped(AxwError):
    """Training was stopped by a signal; `exit_code` is 130 for Ctrl-C, 143 for SIGTERM and SIGHUP."""

    def __init__(self, what: str, where: str = "", todo: str = "", *, exit_code: int = 130) -> None:
        super().__init__(what, where, todo)
        self.exit_code = exit_code


class Signals:
    """`with Signals() as signals: ...` notes the first signal in `signals.exit_code` (None until then).

    A second Ctrl-C raises `Stopped` where the program is. Handlers are installed in the main thread only, which is the only one
    that Python lets have them, and the former ones come back at the end.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for name in _CODES:
                number = getattr(signal, name, None)
                # What was ignored stays ignored: `nohup` does so with SIGHUP, and it means it.
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, former in self._former.items():
            signal.signal(number, former if former is not None else signal.SIG_DFL)
        self._former.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.exit_code is not None:
            raise Stopped(
                "Stopped at once by a second Ctrl-C.",
                todo="Steps since the last checkpoint are lost; resume the run to do them again.",
            )
        self.exit_code = self.exit_code or _CODES[signal.Signals(number).name]

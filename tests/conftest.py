"""Shapes are checked in the tests: every jaxtyping annotation of the core becomes a runtime check here.

Property tests draw the same examples each time, so that one commit has one result;
`pytest --hypothesis-profile=search` draws new ones.
"""

from __future__ import annotations

import os
import signal

# A shell that starts a job behind its back has it ignore Ctrl-C, and what it starts inherits that: here Ctrl-C is tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tiny tensors gain nothing from threads, and two of them waiting for each other on a busy machine lose much.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings
from jaxtyping import install_import_hook

install_import_hook("axw.equation", "beartype.beartype")

# No deadline: how long an example takes says how busy the machine is.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("search", derandomize=False, deadline=None)
settings.load_profile("repeatable")

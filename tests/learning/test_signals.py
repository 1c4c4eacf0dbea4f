import os
import signal
import threading

import pytest

from axw.learning import Run, Stopped, Trainer
from axw.learning.signals import Signals
from tests.learning.tiny import DATA, Net, batches, evaluate, history, loss, settings, start_or_resume, train

KINDS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]


@pytest.fixture(autouse=True)
def hangups_count():
    """Under nohup SIGHUP is ignored, and the trainer leaves it so: here it is as in a terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def sends(number, step, times=1):
    """A loss that sends this process a signal while it computes a step."""
    calls = iter(range(1, 10**9))

    def measure(model, batch):
        if next(calls) == step:
            for _ in range(times):
                os.kill(os.getpid(), number)
        return loss(model, batch)

    return measure


@pytest.mark.parametrize(("number", "code"), KINDS)
@pytest.mark.parametrize("step", [1, 7, 13])
def test_a_signal_ends_after_the_step_which_is_saved(number, code, step, fast_path):
    chosen, former = settings(), [signal.getsignal(n) for n, _ in KINDS]
    with start_or_resume(fast_path / "run", chosen) as run:
        with pytest.raises(Stopped) as error:
            Trainer(Net(), sends(number, step), chosen).fit(batches, evaluate, run=run)
        assert run.newest().state["step"] == step
    assert error.value.exit_code == code
    assert str(error.value).splitlines() == [
        f"Stopped after step {step}, which is saved.",
        f"In {str(fast_path / 'run')!r}.",
        "Resume the run: it goes on exactly as it was.",
    ]
    assert [signal.getsignal(n) for n, _ in KINDS] == former
    assert train(fast_path / "run", chosen) == train(fast_path / "undisturbed", chosen)


def test_a_second_ctrl_c_stops_at_once(fast_path):
    chosen = settings()
    with start_or_resume(fast_path / "run", chosen) as run:
        with pytest.raises(Stopped, match="Stopped at once by a second Ctrl-C") as error:
            Trainer(Net(), sends(signal.SIGINT, 7, times=2), chosen).fit(batches, evaluate, run=run)
        assert run.newest().state["step"] == 4
    assert error.value.exit_code == 130
    assert train(fast_path / "run", chosen) == train(fast_path / "undisturbed", chosen)


def test_a_signal_at_the_last_step_is_too_late_to_stop_anything(fast_path):
    chosen = settings()
    with Run.start(fast_path, chosen, data=DATA) as run:
        progress = Trainer(Net(), sends(signal.SIGTERM, 30), chosen).fit(batches, run=run)
    assert progress.finished == "steps" and history(fast_path)[-1]["step"] == 30


def test_without_a_run_nothing_is_saved():
    with pytest.raises(Stopped, match="Stopped after step 3; nothing is saved") as error:
        Trainer(Net(), sends(signal.SIGTERM, 3), settings()).fit(batches)
    assert "Give a run folder to be able to resume." in str(error.value) and error.value.exit_code == 143


def test_handlers_are_only_installed_in_the_main_thread():
    found = []

    def work():
        with Signals():
            found.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]
    with Signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_was_ignored_stays_ignored():
    """`nohup` ignores SIGHUP, and means it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.exit_code is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)

"""A run that was stopped anywhere goes on to the numbers of the undisturbed run, bit for bit, with every feature."""

import json
import os

import numpy as np
import pytest
import torch

import axw.learning.runs as runs
from axw.errors import BusyError, DataWarning, ModelError, NotFiniteError, ResourceError, UsageError
from axw.learning import (
    OptimizerSettings,
    Run,
    ScheduleSettings,
    Trainer,
    TrainSettings,
    fingerprint_of_bytes,
    fingerprint_of_files,
    from_dict,
    read_run,
)
from axw.learning.settings import BUDGET
from axw.storage import Disk
from tests.learning.tiny import (
    DATA,
    Batch,
    Net,
    batches,
    digest,
    evaluate,
    history,
    loss,
    settings,
    start_or_resume,
    train,
)

FEATURES = {
    "plain": {},
    "last weights": {"keep": "last"},
    "moving average": {"ema": 0.9},
    "mean of evaluations": {"average": 3},
    "accumulation": {"accumulate": 3},
    "epochs": {"steps": None, "epochs": 4, "evaluate_every": 0},
    "tokens": {"steps": None, "tokens": 200},
    "Luong": {
        "optimizer": OptimizerSettings(name="sgd", momentum=0.5, clip=5.0),
        "schedule": ScheduleSettings(name="luong", rate=1.0, halve_after=1),
    },
    "cosine AdamW": {
        "optimizer": OptimizerSettings(name="adamw", weight_decay=0.1),
        "schedule": ScheduleSettings(name="cosine", rate=0.01, warmup=3),
    },
    "Adafactor": {"optimizer": OptimizerSettings(name="adafactor")},
    "bf16": {"precision": "bf16"},
    "growing dropout": {"dropout_epochs": 2.9},
    "bf16, accumulation, moving average": {"precision": "bf16", "accumulate": 2, "ema": 0.8},
    "log every step": {"log_every": 1, "checkpoint_every": 1},
}


class Crash(Exception):
    """Stands for a kill: nothing is saved on the way out."""


def crash_after(steps, accumulate):
    """A loss that fails while it computes step `steps` + 1 of this process."""
    calls = iter(range(10**9))

    def measure(model, batch):
        if next(calls) >= steps * accumulate:
            raise Crash
        return loss(model, batch)

    return measure


def disturbed(folder, chosen, steps_each):
    """Train, crashing after so many steps of each process, until one of them reaches the end."""
    for steps in steps_each:
        with start_or_resume(folder, chosen) as run, pytest.raises(Crash):
            Trainer(Net(), crash_after(steps, chosen.accumulate), chosen).fit(batches, evaluate, run=run)
    return train(folder, chosen)


@pytest.mark.parametrize("feature", FEATURES)
def test_resume_is_exact(feature, fast_path):
    chosen = settings(**FEATURES[feature])
    want = train(fast_path / "undisturbed", chosen)
    assert disturbed(fast_path / "run", chosen, [0, 1, 5, 9]) == want
    assert len(want[1]) > 5


def test_resume_is_exact_with_early_stopping(fast_path):
    chosen = settings(evaluate_every=2, patience=2, watch="error")

    def measure(model):
        """Best at the third evaluation; a function of the model alone."""
        return {"error": abs(evaluate(model)["loss"] - 0.95)}

    found = []
    for crashes in ([], [3, 4, 5]):
        folder = fast_path / str(len(crashes))
        for steps in crashes:
            with start_or_resume(folder, chosen) as run, pytest.raises(Crash):
                Trainer(Net(), crash_after(steps, 1), chosen).fit(batches, measure, run=run)
        model = Net()
        with start_or_resume(folder, chosen) as run:
            progress = Trainer(model, loss, chosen).fit(batches, measure, run=run)
        assert progress.finished == "patience" and progress.best_step == progress.step - 4 > 4
        found.append((digest(model.state_dict()), history(folder), progress.step))
    assert found[0] == found[1]


def test_resume_is_exact_with_rewind(fast_path):
    """The data of one epoch are broken for a rate that is too high, so the rewind happens again in the same way."""
    chosen = settings(on_nan="rewind", log_every=1)

    def one_process(folder, steps):
        """The final weights and the progress; None where it crashed."""
        counted, model = loss if steps is None else crash_after(steps, 1), Net()

        def measure(model, batch):
            counted(model, batch)
            broken = trainer.progress.step == 10 and trainer.rate() > 0.009
            return loss(model, Batch(batch.X * float("nan"), batch.y) if broken else batch)

        with start_or_resume(folder, chosen) as run:
            trainer = Trainer(model, measure, chosen)
            try:
                return (
                    digest(model.state_dict()) if trainer.fit(batches, evaluate, run=run).rewinds == 1 else "no rewind"
                )
            except Crash:
                return None

    found = []
    for crashes in ([], [9, 3, 5]):
        folder = fast_path / str(len(crashes))
        ends = [one_process(folder, steps) for steps in [*crashes, None]]
        assert ends[:-1] == [None] * len(crashes)
        found.append((ends[-1], history(folder)))
    assert found[0] == found[1] and found[0][0] != "no rewind"
    assert {"step": 8, "split": "train", "name": "rewinds", "value": 1.0} in found[0][1]


def test_fifty_resumes_are_exact_and_leave_no_files_behind(fast_path):
    chosen = settings(steps=60, checkpoint_every=1)
    want = train(fast_path / "undisturbed", chosen)

    def files():
        return sorted(len(names) for _, _, names in os.walk(fast_path / "run"))

    counts = set()
    for i in range(50):
        with start_or_resume(fast_path / "run", chosen) as run, pytest.raises(Crash):
            Trainer(Net(), crash_after(1, 1), chosen).fit(batches, evaluate, run=run)
        if i > 10:
            counts.add(tuple(files()))
    assert train(fast_path / "run", chosen) == want
    assert len(counts) == 1
    assert files() == sorted(len(names) for _, _, names in os.walk(fast_path / "undisturbed"))


def test_a_finished_run_stays_as_it_is(fast_path):
    chosen = settings()
    want = train(fast_path, chosen)

    def everything():
        files = [path for path in fast_path.rglob("*") if path.is_file() and path.name != ".lock"]
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    before = everything()

    def never(*_):
        raise AssertionError("nothing is left to do")

    model = Net(seed=9)
    with Run.resume(fast_path, chosen, data=DATA) as run:
        Trainer(model, never, chosen).fit(never, never, run=run)
    assert digest(model.state_dict()) == want[0]
    assert everything() == before


LONGER = {
    "steps": ({"steps": 30}, {"steps": 50}),
    "epochs": ({"steps": None, "epochs": 2, "evaluate_every": 0}, {"steps": None, "epochs": 5, "evaluate_every": 0}),
    "other than before": ({"steps": None, "tokens": 200}, {"steps": 50}),
}


@pytest.mark.parametrize("kind", LONGER)
@pytest.mark.parametrize("cut", [False, True])
def test_a_longer_budget_ends_at_the_weights_of_a_run_that_had_it_from_the_start(kind, cut, fast_path):
    short, long = (settings(keep="last", ema=0.9, **changes) for changes in LONGER[kind])
    want = train(fast_path / "long", long)
    train(fast_path / "run", short)
    if cut:
        with Run.resume(fast_path / "run", long, data=DATA, accept=["budget"]) as run, pytest.raises(Crash):
            Trainer(Net(), crash_after(3, 1), long).fit(batches, evaluate, run=run)
        kept = read_run(fast_path / "run")["settings"]
        assert [kept[name] for name in BUDGET] == [getattr(long, name) for name in BUDGET]
    model = Net()
    with Run.resume(fast_path / "run", long, data=DATA, accept=[] if cut else ["budget"]) as run:
        assert run.leaves(long)
        progress = Trainer(model, loss, long).fit(batches, evaluate, run=run)
        assert not run.leaves(long)
    assert digest(model.state_dict()) == want[0]
    # What the first budget's end added to the history stays there: a line of the loss and an evaluation.
    evaluations = [{**line, "split": "evaluation"} for line in want[1] if line["split"] == "evaluation"]
    assert [line for line in evaluations if line not in history(fast_path / "run")] == []
    assert progress.finished in ("steps", "epochs")


def test_a_budget_that_is_used_up_is_refused_and_changes_nothing(fast_path):
    train(fast_path, settings())
    before = (fast_path / "run.json").read_bytes()
    said = (
        r"The run has done 30 steps and \d+ tokens in 0.0 minutes, so steps would end it at once; .*from its first step"
    )
    with pytest.raises(UsageError, match=said) as error:
        resume_with(fast_path, settings(steps=20), accept=["budget"])
    assert "larger budget" in error.value.todo
    with pytest.raises(ModelError, match=r"settings.steps was 30, is 60"):
        resume_with(fast_path, settings(steps=60))
    assert (fast_path / "run.json").read_bytes() == before
    train(fast_path / "patient", settings(patience=1, watch="accuracy"))
    with pytest.raises(UsageError, match="so patience would end it") as error:
        resume_with(fast_path / "patient", settings(patience=1, watch="accuracy", steps=90), accept=["budget"])
    assert "start a new run from it" in error.value.todo


# ------------------------------------------------------------------------------------------------------------ refusals


def resume_with(folder, chosen=None, data=DATA, **more):
    Run.resume(folder, chosen or settings(), data=data, **more).close()


def test_resume_refuses_what_differs_and_says_which(fast_path, monkeypatch):
    with Run.start(fast_path, settings(), data=DATA, config={"model": {"d": 8}}) as run:
        Trainer(Net(), loss, settings()).fit(batches, run=run)
    same = {"config": {"model": {"d": 8}}}
    resume_with(fast_path, **same)
    with pytest.raises(ModelError, match="data was 'made data 1', is 'other'") as error:
        resume_with(fast_path, data="other", **same)
    assert error.value.exit_code == 4
    with pytest.raises(ModelError, match=r"settings.schedule.rate was 0.02, is 0.5; settings.steps was 30, is 31"):
        resume_with(fast_path, settings(steps=31, schedule=ScheduleSettings(rate=0.5, warmup=5)), **same)
    with pytest.raises(ModelError, match=r"config.model.d was 8, is 9"):
        resume_with(fast_path, config={"model": {"d": 9}})
    with pytest.raises(ModelError, match=r"threads was 1, is 2"):
        resume_with(fast_path, settings(threads=2), **same)
    resume_with(fast_path, settings(threads=None), **same)
    monkeypatch.setattr(runs.torch, "__version__", "2.99.0")
    monkeypatch.setattr(runs, "__version__", "99")
    with pytest.raises(ModelError, match=r"version.axw was .* is '99'; version.torch was '2\..*', is '2.99.0'"):
        resume_with(fast_path, **same)
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ModelError, match=r"version.axw .*machine.processes was 1, is 3"):
        resume_with(fast_path, **same)
    with pytest.raises(ModelError, match=r"exactly as it was: machine.processes was 1, is 3"):
        resume_with(fast_path, accept=["version"], **same)
    resume_with(fast_path, accept=["version", "machine"], **same)
    with pytest.raises(UsageError, match=r"Unknown difference 'versions'. Allowed: .*Did you mean 'version'\?"):
        resume_with(fast_path, accept=["versions"], **same)


def test_the_settings_in_the_run_folder_are_enough_to_go_on(fast_path):
    chosen = settings(ema=0.9, threads=None)
    want = train(fast_path / "undisturbed", chosen)
    with start_or_resume(fast_path / "run", chosen) as run, pytest.raises(Crash):
        Trainer(Net(), crash_after(9, 1), chosen).fit(batches, evaluate, run=run)
    found = read_run(fast_path / "run")
    assert found["data"] == DATA and found["version"]["torch"] == torch.__version__
    assert train(fast_path / "run", from_dict(TrainSettings, found["settings"])) == want


@pytest.mark.parametrize("accept", ["settings", "budget"])
def test_what_was_accepted_is_written_down(accept, fast_path):
    with start_or_resume(fast_path, settings()) as run, pytest.raises(Crash):
        Trainer(Net(), crash_after(5, 1), settings()).fit(batches, run=run)
    longer = settings(steps=31)
    with Run.resume(fast_path, longer, data=DATA, accept=[accept]) as run:
        Trainer(Net(), loss, longer).fit(batches, run=run)
    event = json.loads((fast_path / "events.jsonl").read_text().splitlines()[-1])
    assert event == {"event": "resumed", "step": 4, "accepted": ["settings.steps was 30, is 31"]}


def test_threads_that_nobody_asked_for_are_those_of_the_first_start(fast_path):
    chosen, seen = settings(threads=None, steps=10), []

    def measure(model):
        seen.append(torch.get_num_threads())
        return evaluate(model)

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with start_or_resume(fast_path, chosen) as run, pytest.raises(Crash):
            Trainer(Net(), crash_after(8, 1), chosen).fit(batches, measure, run=run)
        torch.set_num_threads(1)
        with start_or_resume(fast_path, chosen) as run:
            Trainer(Net(), loss, chosen).fit(batches, measure, run=run)
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {2} and read_run(fast_path)["threads"] == 2


def test_a_run_starts_in_a_folder_of_its_own(fast_path):
    with Run.start(fast_path / "run", settings(), data=DATA):
        with pytest.raises(BusyError, match=f"process {os.getpid()}"):
            resume_with(fast_path / "run")
        with pytest.raises(BusyError):
            Run.start(fast_path / "run", settings(), data=DATA)
    with pytest.raises(UsageError, match="The folder holds a run already") as error:
        Run.start(fast_path / "run", settings(), data=DATA)
    assert "Resume it, or give another folder." in str(error.value)
    (fast_path / "else").mkdir()
    (fast_path / "else" / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="not empty: it holds thesis.tex"):
        Run.start(fast_path / "else", settings(), data=DATA)
    with pytest.raises(ModelError, match="There is no run here"):
        resume_with(fast_path / "else")


def test_a_run_file_that_is_damaged_or_newer(fast_path):
    Run.start(fast_path, settings(), data=DATA).close()
    text = (fast_path / "run.json").read_text()
    (fast_path / "run.json").write_text(text.replace('"format": 1', '"format": 2'))
    with pytest.raises(ModelError, match="The run has format 2; allowed: 1"):
        resume_with(fast_path)
    for damaged in (text[:-9], "[]", "{", ""):
        (fast_path / "run.json").write_text(damaged)
        with pytest.raises(ModelError):
            resume_with(fast_path)


def test_another_model_is_refused(fast_path):
    with start_or_resume(fast_path, settings()) as run, pytest.raises(Crash):
        Trainer(Net(), crash_after(5, 1), settings()).fit(batches, run=run)
    model = Net()
    model.last = torch.nn.Linear(7, 4)
    with (
        start_or_resume(fast_path, settings()) as run,
        pytest.raises(ModelError, match="different tensors: last.bias, last.weight"),
    ):
        Trainer(model, loss, settings()).fit(batches, run=run)


def test_a_damaged_checkpoint_is_noticed_and_the_one_before_is_used(fast_path):
    chosen = settings()
    want = train(fast_path / "undisturbed", chosen)
    with start_or_resume(fast_path / "run", chosen) as run, pytest.raises(Crash):
        Trainer(Net(), crash_after(9, 1), chosen).fit(batches, evaluate, run=run)
    weights = fast_path / "run" / "checkpoints" / "step_00000008" / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.warns(DataWarning, match="step_00000008' is skipped"):
        assert train(fast_path / "run", chosen) == want


# ---------------------------------------------------------------------------------------------- nothing lost, no surprise


def test_the_last_good_checkpoint_is_untouched_by_what_is_not_finite(fast_path):
    chosen, calls = settings(), iter(range(10**9))

    def measure(model, batch):
        return loss(model, Batch(batch.X * (float("nan") if next(calls) >= 10 else 1), batch.y))

    with start_or_resume(fast_path, chosen) as run:
        with pytest.raises(NotFiniteError):
            Trainer(Net(), measure, chosen).fit(batches, evaluate, run=run)
        newest = run.newest()
    assert newest.state["step"] == 8
    assert all(t.isfinite().all() for group in newest.tensors.values() for t in group.values())
    assert train(fast_path, chosen) == train(fast_path / "undisturbed", chosen)


def test_a_disk_that_fails_is_noticed_before_the_work(fast_path):
    class Full(Disk):
        def fsync(self, number):
            if self.armed:
                raise OSError(28, "No space left on device")
            super().fsync(number)

        armed = False

    disk, steps = Full(), []
    with Run.start(fast_path, settings(), data=DATA, disk=disk) as run:
        disk.armed = True
        with pytest.raises(ResourceError, match="the disk is full") as error:
            Trainer(Net(), lambda m, b: steps.append(1) or loss(m, b), settings()).fit(batches, run=run)
    assert error.value.exit_code == 6 and steps == []


def test_the_history_is_on_the_disk_before_the_checkpoint_that_counts_on_it(fast_path):
    class Watched(Disk):
        paths, safe, renamed = {}, {}, []

        def open_append(self, path):
            number = super().open_append(path)
            self.paths[number] = path.name
            return number

        def fsync(self, number):
            super().fsync(number)
            self.safe[self.paths.get(number)] = self.size(number)

        def rename(self, old, new):
            if new.name.startswith("step_"):
                size = (fast_path / "history.jsonl").stat().st_size
                self.renamed.append(size == self.safe["history.jsonl"])
            super().rename(old, new)

    disk = Watched()
    with Run.start(fast_path, settings(log_every=1), data=DATA, disk=disk) as run:
        Trainer(Net(), loss, settings(log_every=1)).fit(batches, evaluate, run=run)
    assert len(disk.renamed) == 9 and all(disk.renamed)


def test_the_batch_sequence_is_entered_and_not_read_through(fast_path):
    class Lazy(list):
        def __init__(self, epoch):
            super().__init__(range(8))
            self.epoch = epoch

        def __getitem__(self, i):
            read.append((self.epoch, i))
            return batches(self.epoch)[i]

        def __iter__(self):
            raise AssertionError("read by place")

    chosen = settings(checkpoint_every=5)
    for steps, want in ((6, [(1, i) for i in range(8)]), (1, [(1, 5), (1, 6), (1, 7)])):
        read = []
        with start_or_resume(fast_path, chosen) as run, pytest.raises(Crash):
            Trainer(Net(), crash_after(steps, 1), chosen).fit(Lazy, run=run)
        assert read == want[: len(read)] and len(read) >= 2


def test_fingerprints(fast_path):
    assert fingerprint_of_bytes([b"ab", b"c"]) != fingerprint_of_bytes([b"a", b"bc"])
    assert fingerprint_of_bytes([np.arange(3).tobytes()]) == fingerprint_of_bytes([np.arange(3).tobytes()])
    a, b = fast_path / "a", fast_path / "b"
    a.write_bytes(b"1\n" * 9)
    b.write_bytes(b"2")
    (fast_path / "link").symlink_to(a)
    assert fingerprint_of_files([a, b]) == fingerprint_of_files([fast_path / "link", b]) != fingerprint_of_files([b, a])
    with pytest.raises(ResourceError, match="Could not read the data"):
        fingerprint_of_files([fast_path / "none"])

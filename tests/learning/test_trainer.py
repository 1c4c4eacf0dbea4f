import io
import sys
import types

import pytest
import torch
from torch import nn

from axw.errors import DataError, DataWarning, NotFiniteError, ResourceError, UsageError
from axw.learning import Console, Hook, Measured, OptimizerSettings, ScheduleSettings, TensorBoard, Trainer
from axw.learning.forecast import Trial, forecast
from axw.learning.progress import Progress, duration, groups
from tests.learning.tiny import Batch, Net, Plain, batches, digest, evaluate, loss, made_rows, settings


class Listener(Hook):
    def __init__(self):
        self.records, self.notes, self.saves, self.ends = [], [], [], []

    def on_records(self, records):
        self.records += records

    def on_note(self, text):
        self.notes.append(text)

    def on_save(self, step):
        self.saves.append(step)

    def on_end(self, reason):
        self.ends.append(reason)

    def values(self, split, name):
        return {r.step: r.value for r in self.records if (r.split, r.name) == (split, name)}


# ------------------------------------------------------------------------------------------------- micro-batches


@pytest.mark.parametrize("cuts", [(61,), (13, 48), (1, 2, 3, 5, 50), (20, 20, 21)])
def test_micro_batches_of_any_sizes_equal_one_batch(cuts):
    rows = made_rows()
    found = []
    for sizes in ((61,), cuts):
        model = Plain(dtype=torch.float64)
        # Plain SGD: Adam and clipping would forgive a gradient of the wrong size.
        rate = ScheduleSettings(name="constant", rate=0.5, warmup=0)
        trainer = Trainer(model, loss, settings(optimizer=OptimizerSettings(name="sgd", clip=None), schedule=rate))
        parts = [Batch(*pair) for pair in zip(rows.X.double().split(sizes), rows.y.split(sizes), strict=True)]
        measured = [trainer.step(parts) for _ in range(5)]
        found.append((model, measured))
    (whole, a), (cut, b) = found
    assert [m.count for m in b] == [61] * 5
    assert [m.mean for m in b] == pytest.approx([m.mean for m in a], rel=1e-12)
    for p, q in zip(whole.parameters(), cut.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-10, atol=1e-12)


def test_step_needs_something_to_count():
    trainer = Trainer(Plain(), lambda model, batch: Measured(model(batch.X).sum() * 0, 0), settings())
    with pytest.raises(DataError, match="Step 1 has nothing to learn from: its losses counted 0"):
        trainer.step([made_rows()])


def test_the_callers_generator_mode_and_threads_are_left_alone():
    model = Net()
    torch.manual_seed(4)
    want = torch.rand(2)
    torch.manual_seed(4)
    threads = torch.get_num_threads()
    Trainer(model, loss, settings(threads=threads + 1, steps=2)).fit(batches, evaluate)
    assert torch.equal(torch.rand(2), want)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_trainer_fits_once():
    trainer = Trainer(Net(), loss, settings(steps=1))
    trainer.fit(batches)
    with pytest.raises(UsageError, match="This trainer has fitted its model already"):
        trainer.fit(batches)


# -------------------------------------------------------------------------------------------- budgets, early stopping


def test_each_budget_ends_training():
    rows = len(made_rows().y)
    for changes, reason, step in [
        ({"steps": 7}, "steps", 7),
        ({"steps": 0}, "steps", 0),
        ({"steps": None, "epochs": 2}, "epochs", 16),
        ({"steps": None, "epochs": 3, "accumulate": 3}, "epochs", 9),
        ({"steps": None, "tokens": 3 * rows}, "tokens", 24),
        ({"steps": 50, "minutes": 0}, "minutes", 0),
    ]:
        progress = Trainer(Net(), loss, settings(**changes)).fit(batches)
        assert (progress.finished, progress.step) == (reason, step), changes


def test_early_stopping_keeps_the_best_weights():
    """The measure falls to step 6, then rises: three more evaluations, then the weights of step 6 come back."""
    made, seen = iter([5.0, 3.0, 1.0, 2.0, 1.5, 1.0, 0.0]), []

    def measure(model):
        seen.append(digest(model.state_dict()))
        return {"error": next(made)}

    for keep, index in (("best", 2), ("last", -1)):
        made, seen = iter([5.0, 3.0, 1.0, 2.0, 1.5, 1.0, 0.0]), []
        model = Net()
        train = settings(evaluate_every=2, patience=3, watch="error", keep=keep)
        progress = Trainer(model, loss, train).fit(batches, measure)
        assert (progress.finished, progress.step, progress.best, progress.best_step) == (
            "patience",
            12,
            1.0,
            6,
        )
        assert digest(model.state_dict()) == seen[index]
        assert not model.training


def test_higher_may_be_better():
    made = iter([0.1, 0.4, 0.3, 0.2])
    progress = Trainer(Net(), loss, settings(evaluate_every=2, patience=2, watch="bleu", better="higher")).fit(
        batches, lambda model: {"bleu": next(made)}
    )
    assert (progress.best, progress.best_step, progress.step) == (0.4, 4, 8)


def test_evaluation_is_at_each_epochs_end_and_at_the_end():
    listener = Listener()
    Trainer(Net(), loss, settings(evaluate_every=0, steps=19), hooks=[listener]).fit(batches, evaluate)
    assert list(listener.values("evaluation", "loss")) == [8, 16, 19]


def test_evaluation_must_give_the_watched_measure_as_a_finite_number():
    with pytest.raises(
        UsageError, match=r"The measure to watch is 'los'. Allowed: accuracy, loss. Did you mean 'loss'\?"
    ):
        Trainer(Net(), loss, settings(watch="los")).fit(batches, evaluate)
    with pytest.raises(NotFiniteError, match="The measure 'loss' is nan at step 7"):
        Trainer(Net(), loss, settings()).fit(batches, lambda model: {"loss": float("nan")})


def test_evaluation_uses_the_average_and_training_goes_on_without_it():
    plain, averaged = Listener(), Listener()
    Trainer(Net(), loss, settings(log_every=1), hooks=[plain]).fit(batches, evaluate)
    for changes in ({"ema": 0.9}, {"average": 3}):
        averaged = Listener()
        Trainer(Net(), loss, settings(log_every=1, **changes), hooks=[averaged]).fit(batches, evaluate)
        assert averaged.values("train", "loss") == plain.values("train", "loss")
        assert averaged.values("evaluation", "loss") != plain.values("evaluation", "loss")


def test_final_weights_are_the_moving_average():
    model, seen = Plain(), []
    trainer = Trainer(model, loss, settings(ema=0.9, steps=6))
    ema = [p.detach().clone() for p in model.parameters()]
    step = trainer.step

    def watched(parts):
        measured = step(parts)
        d = min(0.9, (1 + trainer.progress.step) / (10 + trainer.progress.step))
        seen.append(trainer.progress.step)
        for mean, p in zip(ema, model.parameters(), strict=True):
            mean.copy_(d * mean + (1 - d) * p.detach())
        return measured

    trainer.step = watched
    trainer.fit(batches)
    assert seen == [1, 2, 3, 4, 5, 6]
    for mean, p in zip(ema, model.parameters(), strict=True):
        torch.testing.assert_close(p.detach(), mean)


def test_final_weights_are_the_mean_of_the_last_evaluations():
    model, seen = Plain(), []
    trainer = Trainer(model, loss, settings(average=2, keep="last", steps=9, evaluate_every=3))
    trainer.fit(batches, lambda m: seen.append(trainer.state.mean.added[-1][0].clone()) or {"loss": 1.0})
    want = (seen[-1] + seen[-2]) / 2
    got = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
    kept = torch.cat([v.reshape(-1) for _, v in trainer.state.parameters.named([want])])
    order = [n for n, _ in trainer.state.parameters.named([want])]
    assert torch.equal(torch.cat([dict(model.named_parameters())[n].detach().reshape(-1) for n in order]), kept)
    assert len(seen) == 3 and got.isfinite().all()


# -------------------------------------------------------------------------------------------------------- not finite


def broken(at, then=10**9):
    """A loss whose batch is broken at the `at`-th call."""
    calls = iter(range(1, 10**9))

    def measure(model, batch):
        call = next(calls)
        X = batch.X * float("nan") if at <= call < then else batch.X
        return loss(model, Batch(X, batch.y))

    return measure


@pytest.mark.parametrize("at", [1, 2, 11, 30])
def test_not_finite_stops_before_the_weights_change(at):
    model, good = Plain(), Plain()
    trainer = Trainer(model, broken(at), settings(keep="last"))
    with pytest.raises(NotFiniteError) as error:
        trainer.fit(batches)
    assert error.value.exit_code == 5
    assert f"The loss is nan and the gradient's norm nan at step {at}" in str(error.value)
    assert f"In epoch {1 + (at - 1) // 8}, batches {1 + (at - 1) % 8} to" in str(error.value)
    assert "the output of layer 'first' (Linear), batch 1 of the step" in str(error.value)
    assert "Lower schedule.rate" in str(error.value)
    if at > 1:
        Trainer(good, loss, settings(keep="last", steps=at - 1, schedule=settings().schedule)).fit(batches)
    trainer.state.parameters.release()
    assert digest(model.state_dict()) == digest(good.state_dict())


def test_the_batch_itself_or_a_gradient_may_be_where_it_began():
    bad = [Batch(torch.full((2, 5), float("inf")), torch.tensor([0, 1]))]
    with pytest.raises(NotFiniteError, match="first: a number in the batch itself, batch 2 of the step"):
        Trainer(Plain(), loss, settings()).step([made_rows(), *bad])

    def root(model, batch):
        return Measured(model.first.bias.sub(model.first.bias.detach()).abs().sqrt().sum(), 1)

    with pytest.raises(NotFiniteError, match="first: the gradient of 'first.bias'"):
        Trainer(Plain(), root, settings()).step([0])
    with pytest.raises(NotFiniteError, match="first: the loss itself"):
        Trainer(Plain(), lambda m, b: Measured(m.first.bias.sum() + torch.inf, 1), settings()).step([0])


def test_a_rate_that_is_far_too_high_ends_with_exit_code_5():
    train = settings(
        optimizer=OptimizerSettings(name="sgd", clip=None),
        schedule=ScheduleSettings(name="constant", rate=1e38, warmup=0),
    )
    with pytest.raises(NotFiniteError):
        Trainer(Plain(), loss, train).fit(batches)


def test_rewind_goes_back_and_halves_the_rate():
    listener = Listener()
    # The trial before the first step asks for the loss twice.
    progress = Trainer(Net(), broken(13, 14), settings(on_nan="rewind", log_every=1), hooks=[listener]).fit(batches)
    assert (progress.finished, progress.step, progress.rewinds) == ("steps", 30, 1)
    assert "not finite after step 10: back to step 8, half the rate" in listener.notes
    assert [(r.step, r.value) for r in listener.records if r.name == "rewinds"] == [(8, 1.0)]
    steps = [r.step for r in listener.records if r.name == "loss"]
    assert steps == [*range(1, 11), *range(9, 31)]
    schedule = Trainer(Net(), loss, settings())._schedule
    rates = [r.value for r in listener.records if r.name == "rate"]
    assert rates[9] == schedule(10, 2) and rates[10] == schedule(9, 2) / 2


def test_rewind_gives_up_after_three():
    listener = Listener()
    with pytest.raises(NotFiniteError, match="It went back 3 times, with half the rate each time"):
        Trainer(Net(), broken(11), settings(on_nan="rewind"), hooks=[listener]).fit(batches)
    assert len([text for text in listener.notes if "half the rate" in text]) == 3


def test_memory_that_is_too_small_says_what_to_do():
    def hungry(model, batch):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:1] . DefaultCPUAllocator: can't allocate memory: 8 bytes")

    with pytest.raises(ResourceError, match="The memory is too small for batch 1 of step 1") as error:
        Trainer(Plain(), hungry, settings()).fit(batches)
    assert "Use smaller batches, and accumulate more" in str(error.value) and error.value.exit_code == 6

    def bug(model, batch):
        raise RuntimeError("size mismatch")

    with pytest.raises(RuntimeError, match="size mismatch"):
        Trainer(Plain(), bug, settings()).fit(batches)


# ------------------------------------------------------------------------------------------------------- the batches


def test_groups_go_on_from_any_position():
    def letters(epoch):
        return [f"{epoch}{c}" for c in "abcde"]

    def read(source, epoch, index, size, most=9):
        some = zip(groups(source, epoch, index, size), range(most), strict=False)
        return [group._replace(batches_per_epoch=None) for group, _ in some]

    for size in (1, 2, 3, 5, 7):
        every = read(letters, 1, 0, size)
        assert [c for g in every for c in g.parts][:9] == [*letters(1), *letters(2)][:9]
        for i in range(4):
            again = read(letters, every[i].next_epoch, every[i].next_index, size)
            assert again[:4] == every[i + 1 : i + 5]
            assert read(lambda e: iter(letters(e)), every[i].next_epoch, every[i].next_index, size) == again
        assert [g.ends_epoch for g in every] == [g.next_index == 0 for g in every]


def test_an_epoch_without_batches():
    with pytest.raises(DataError, match="Epoch 1 has no batches; allowed: 1 or more"):
        Trainer(Net(), loss, settings()).fit(lambda epoch: [])


# ------------------------------------------------------------------------------------------------------------ telling


def test_it_says_how_long_it_will_take():
    listener = Listener()
    Trainer(Net(), loss, settings(), hooks=[listener]).fit(batches)
    first, again, peak = listener.notes
    assert first.startswith("about ") and again.startswith("now about ") and peak.startswith("peak memory ")
    said = " s a step: {} steps, {} epochs of 8, take about 0 s, evaluations not counted"
    assert first.partition(" s a step")[2] == said.format(30, 3.75).removeprefix(" s a step")
    assert again.partition(" s a step")[2] == said.format(27, 3.38).removeprefix(" s a step")
    assert listener.ends == ["steps"]


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"steps": 15}, "0.5 s a step: 5 steps, 1 epochs of 5, take about 2 s"),
        ({"epochs": 3}, "0.5 s a step: 8 steps, 1.6 epochs of 5, take about 4 s"),
        ({"tokens": 300}, "0.5 s a step: 5 steps, 1 epochs of 5, take about 2 s"),
        ({"minutes": 3}, "0.5 s a step: 300 steps, 60 epochs of 5, take about 2 min"),
        ({"minutes": 3, "steps": 20, "patience": 4}, "0.5 s a step: at most 10 steps, 2 epochs of 5, take about 5 s"),
    ],
)
def test_what_a_budget_comes_to(budget, said):
    progress = Progress(step=10, epoch=2, index=4, tokens=200, seconds=30.0)
    train = settings(**({"steps": None, "accumulate": 2} | budget))
    assert forecast(progress, train, 9, Trial(0.5, 20)) == f"about {said}, evaluations not counted"
    # Where an epoch is not known beforehand, and only epochs are counted, nothing is promised.
    if budget == {"epochs": 3}:
        assert forecast(progress, train, None, Trial(0.5, 20)).endswith("no budget says how many steps it will be")


@pytest.mark.parametrize("make", [Net, Plain])
def test_a_trial_changes_nothing(make):
    train = settings(steps=9)
    plain, watched = make(), make()
    Trainer(plain, loss, train).fit(batches, evaluate)
    Trainer(watched, loss, train, hooks=[Listener()]).fit(batches, evaluate)
    assert digest(plain.state_dict()) == digest(watched.state_dict())
    trainer = Trainer(model := make(), loss, train)
    before = digest(model.state_dict())
    found = trainer.trial([made_rows(), made_rows()])
    assert digest(model.state_dict()) == before and found.tokens == 122 and found.seconds > 0
    assert trainer.progress == Progress()


def test_how_long_a_time_is():
    assert [duration(x) for x in (8, 700, 3 * 3600 + 300)] == ["8 s", "12 min", "3 h 05 min"]


def test_the_console_writes_plain_lines():
    stream = io.StringIO()
    Trainer(Net(), loss, settings(steps=7), hooks=[Console(stream)]).fit(batches, evaluate)
    lines = stream.getvalue().splitlines()
    steps = [line for line in lines if line.startswith("step ")]
    assert steps[0].startswith("step 3  train  loss 1.") and "rate 0.012" in steps[0]
    assert steps[-1].startswith("step 7  evaluation  loss ")
    assert lines[0].startswith("about ") and lines[-1].startswith("peak memory ")


def test_the_console_writes_to_stderr(capsys):
    Trainer(Net(), loss, settings(steps=3), hooks=[Console()]).fit(batches)
    captured = capsys.readouterr()
    assert captured.out == "" and "step 3  train" in captured.err


def test_a_hook_that_fails_is_left_out():
    class Bad(Hook):
        def on_records(self, records):
            raise OSError("no space")

    listener = Listener()
    with pytest.warns(DataWarning, match="The hook Bad failed and is left out: OSError: no space"):
        Trainer(Net(), loss, settings(), hooks=[Bad(), listener]).fit(batches)
    assert listener.ends == ["steps"]


def test_tensorboard_is_optional(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"pip install 'axw\[tensorboard\]'"):
        TensorBoard(tmp_path)

    class Writer:
        said = []

        def __init__(self, folder):
            self.said.append(folder)

        def add_scalar(self, name, value, step):
            self.said.append((name, step))

        def flush(self):
            self.said.append("flush")

        def close(self):
            self.said.append("close")

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    Trainer(Net(), loss, settings(steps=3), hooks=[TensorBoard(tmp_path)]).fit(batches)
    assert Writer.said == [
        str(tmp_path),
        ("train/loss", 3),
        ("train/rate", 3),
        ("train/gradient_norm", 3),
        "close",
    ]


def test_tensorboard_reads_what_is_written(tmp_path):
    """With the real TensorBoard, where it is installed."""
    pytest.importorskip("tensorboard", reason="the extra [tensorboard] is not installed")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    Trainer(Net(), loss, settings(steps=4, log_every=2), hooks=[TensorBoard(tmp_path)]).fit(batches)
    found = accumulator.EventAccumulator(str(tmp_path))
    found.Reload()
    assert [event.step for event in found.Scalars("train/loss")] == [2, 4]


def test_batches_may_be_any_nest_of_tensors():
    def measure(model, batch):
        return loss(model, Batch(batch["rows"][0], batch["rows"][1]))

    rows = made_rows()
    Trainer(Plain(), measure, settings()).step([{"rows": [rows.X, rows.y], "ids": "a"}])
    bad = {"rows": (rows.X * float("nan"), rows.y)}
    with pytest.raises(NotFiniteError, match="a number in the batch itself"):
        Trainer(Plain(), measure, settings()).step([bad])


def test_models_with_layers_that_return_several_things():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.LSTM(5, 3)

        def forward(self, X):
            return self.inner(X)[0]

    bad = Batch(torch.full((2, 5), 1e38), torch.tensor([0, 1]))
    model = Two()
    with torch.no_grad():
        model.inner.weight_ih_l0.fill_(1e38)
        model.inner.bias_ih_l0.fill_(-torch.inf)
    with pytest.raises(NotFiniteError, match=r"the output of layer 'inner' \(LSTM\)"):
        Trainer(model, loss, settings()).step([bad])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_not_learnt_stays_as_it_was_bit_for_bit(precision):
    model = Plain(seed=1)
    model.first.requires_grad_(False)
    before = digest(dict(model.first.named_parameters()))
    learnt = digest({n: p for n, p in model.named_parameters() if p.requires_grad})
    Trainer(model, loss, settings(steps=2, precision=precision)).fit(batches)
    assert digest(dict(model.first.named_parameters())) == before
    assert digest({n: p for n, p in model.named_parameters() if p.requires_grad}) != learnt

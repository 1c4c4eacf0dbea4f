"""Training from the command line: budgets, signals, numbers that are not finite, going on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from axw.cli import main
from axw.learning.hooks import Hook, Record

SMALL = [
    *(
        "--set",
        "vocabulary=300",
        "--set",
        "network.d_model=16",
        "--set",
        "network.layers=1",
        "--set",
        "batch_tokens=200",
    ),
    *("--set", "longest=40", "--set", "train.log_every=1"),
]
LAST = [*SMALL, "--set", "train.keep=last", "--set", "train.average=0"]  # the weights of the last step
LINES = [
    f"the {a} {b} in the {c} ."
    for a in ("dog", "man", "sun", "cat")
    for b in ("sits", "runs")
    for c in ("snow", "park")
]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(LINES * 5) + "\n")
    return path


def run_json(name: str) -> dict[str, object]:
    return json.loads(Path(name, "run.json").read_text())


def history(name: str) -> list[dict[str, object]]:
    return [{**json.loads(line), "seconds": 0} for line in Path(name, "history.jsonl").read_text().splitlines()]


def weights(name: str) -> bytes:
    return Path(name, "model", "model.safetensors").read_bytes()


def test_budgets_and_seed_are_what_was_asked(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--steps", "4", "--checkpoint-every", "2", "--seed", "7", "--threads", "1", "--on-nan", "rewind"]
    assert main(["fit", "words", "corpus.txt", "--save", "a.run", *options, *SMALL]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("saved a.run: 4 steps") and "s a step" in said.err and "axw resume a.run" in said.err
    settings = run_json("a.run")["settings"]
    assert isinstance(settings, dict)
    assert [settings[name] for name in ("steps", "minutes", "checkpoint_every", "seed", "on_nan")] == [
        4,
        None,
        2,
        7,
        "rewind",
    ]
    assert main(["fit", "words", "corpus.txt", "--save", "b.run", *options, *SMALL]) == 0
    assert weights("a.run") == weights("b.run") and history("a.run") == history("b.run")
    assert main(["fit", "words", "corpus.txt", "--save", "c.run", "--tokens", "60", *SMALL]) == 0
    assert "training ended: tokens" in capsys.readouterr().err


@pytest.mark.slow  # signals and kills of a run are tried in tests/learning, Ctrl-C of a command in test_words.py
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_stopped_and_resumed_from_the_command_line(corpus: Path, number: signal.Signals, code: int) -> None:
    options = ["--steps", "60", "--checkpoint-every", "3", "--threads", "1", *SMALL]
    assert main(["fit", "words", "corpus.txt", "--save", "whole.run", *options]) == 0
    command = [
        sys.executable,
        "-c",
        "import sys; from axw.cli import main; sys.exit(main())",
        "fit",
        "words",
        "corpus.txt",
        "--save",
        "cut.run",
        *options,
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step 10 "):
            process.send_signal(number)
            break
    process.communicate()
    assert process.returncode == code
    assert main(["resume", "cut.run"]) == 0
    assert weights("whole.run") == weights("cut.run") and history("whole.run") == history("cut.run")


def test_numbers_that_are_not_finite_end_with_5(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wild = ["--steps", "30", "--set", "train.schedule.rate=1e38", "--set", "train.schedule.warmup=0", *SMALL]
    assert main(["fit", "words", "corpus.txt", "--save", "wild.run", *wild]) == 5
    said = capsys.readouterr().err
    assert "only finite numbers are allowed" in said and "The weights were not changed" in said
    assert not Path("wild.run", "model").exists()


def test_what_cannot_be_resumed_is_said(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", "nothing.run"]) == 4
    assert "There is no run here" in capsys.readouterr().err
    assert main(["fit", "words", "corpus.txt", "--save", "a.run", "--steps", "2", *SMALL]) == 0
    assert main(["fit", "words", "corpus.txt", "--save", "a.run", "--steps", "2", *SMALL]) == 2
    assert "is there already" in capsys.readouterr().err
    corpus.write_text("other words\nand more of them\n" * 20)
    assert main(["resume", "a.run"]) == 4
    assert "data was" in capsys.readouterr().err
    assert main(["resume", "a.run", "--accept", "weather"]) == 2


def test_a_run_that_has_ended_is_trained_for_longer(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "words", "corpus.txt", "--save", "whole.run", "--steps", "6", *LAST]) == 0
    assert main(["fit", "words", "corpus.txt", "--save", "a.run", "--steps", "3", *LAST]) == 0
    assert main(["resume", "a.run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("saved a.run: 3 steps")
    assert main(["resume", "a.run", "--steps", "2"]) == 2
    assert "a budget is that of the whole run" in capsys.readouterr().err
    assert main(["resume", "a.run", "--steps", "6"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("saved a.run: 6 steps") and "goes on from step 3" in said.err
    assert weights("a.run") == weights("whole.run")
    config = run_json("a.run")["config"]
    assert isinstance(config, dict) and config["settings"]["train"]["steps"] == 6
    assert main(["resume", "a.run"]) == 0
    assert capsys.readouterr().out.startswith("saved a.run: 6 steps")


def test_a_run_that_was_stopped_ends_where_it_is(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupts(Hook):
        def on_records(self, records: Sequence[Record]) -> None:
            if records[0].step == 4:
                signal.raise_signal(signal.SIGINT)

    assert main(["fit", "words", "corpus.txt", "--save", "whole.run", "--steps", "4", *LAST]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("axw.cli.words.told", Interrupts)
        assert main(["fit", "words", "corpus.txt", "--save", "a.run", "--steps", "99", *LAST]) == 130
    capsys.readouterr()
    assert main(["resume", "a.run", "--steps", "1"]) == 0
    assert capsys.readouterr().out.startswith("saved a.run: 4 steps")
    assert weights("a.run") == weights("whole.run")


def test_wrong_settings_are_said(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "words", "corpus.txt", "--save", "a.run", "--set", "network.heds=3"]) == 2
    assert "heads" in capsys.readouterr().err
    assert main(["fit", "words", "-", "--save", "a.run"]) == 2
    assert "stdin will not do" in capsys.readouterr().err
    assert not Path("a.run").exists()


def test_damaged_runs_are_refused(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "words", "corpus.txt", "--save", "a.run", "--steps", "2", *SMALL]) == 0
    file = Path("a.run", "model", "model.safetensors")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    assert main(["fill", "a.run", "the [MASK] ."]) == 4
    assert "model.safetensors" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_are_one_from_the_command_line(corpus: Path) -> None:
    from axw.storage import tensors_from_bytes

    exact = ["--set", "train.accumulate=2", "--set", "train.precision=fp32"]
    words = ["fit", "words", "corpus.txt", "--steps", "50", "--threads", "1", *SMALL, *exact]
    assert main([*words, "--save", "one.run"]) == 0
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python"]
    program = [sys.executable, "-c", "import sys; from axw.cli import main; sys.exit(main())"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [*launcher, *program, *words, "--save", "two.run"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (tensors_from_bytes(weights(name)) for name in ("one.run", "two.run"))
    assert one.keys() == two.keys()
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5
    assert done.stdout.count("saved two.run") == 1

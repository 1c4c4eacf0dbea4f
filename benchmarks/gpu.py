"""Training on a GPU: is it right, and how fast is it?

    python -m benchmarks.gpu                                  everything, on cuda
    python -m benchmarks.gpu --only right                     the checks alone
    python -m benchmarks.gpu --device cpu --size tiny         the same functions without a GPU

right    the trainer on the device gives the numbers of the CPU (float32, no dropout, to 1e-3 of the weights after 10 steps); a
         run that is cut and resumed on the device is that of an undisturbed run, bit for bit; FSDP2 with one process is the
         plain trainer; bfloat16 learns; the doors (translator, masked words, parser) train, evaluate and answer
speed    tokens a second of the Transformer's training step in fp32 and bf16, plain, compiled, and with CUDA graphs, and with
         FSDP2; what share of the card's matrix products that is, and peak memory

A token is one of the source or of the target; padding does not count. The arithmetic of a step is counted by PyTorch's
`FlopCounterMode`; the ceiling is a product of two square bfloat16 matrices, measured on the same card in the same minute. What
cannot run is left out and says why. The exit code is 1 where a check fails.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from benchmarks.gpu_checks import RIGHT, SIZES, Size, lesson_of, network_of, one_process, settings_of, sharded
from torch import nn

from axw.learning import Trainer
from axw.learning.devices import settled
from axw.learning.distributed import Processes
from axw.learning.memory import peak_memory
from axw.models.translation.lesson import PairBatch
from axw.networks.transformer import Transformer

# --------------------------------------------------------------------------------------------------------------- speed


def ceiling(device: torch.device, rows: int, rounds: int = 20) -> float:
    """Arithmetic a second of a product of two square bfloat16 matrices: 2 n^3 / s."""
    a, b = (torch.randn(rows, rows, dtype=torch.bfloat16, device=device) for _ in range(2))
    best = float("inf")
    for _ in range(3):
        settled(device)
        begun = time.perf_counter()
        for _ in range(rounds):
            a @ b
        settled(device)
        best = min(best, (time.perf_counter() - begun) / rounds)
    return 2 * rows**3 / best


def arithmetic(size: Size, device: torch.device) -> tuple[float, int]:
    """The arithmetic of one batch's loss and gradient, and its tokens; matrix products alone."""
    from torch.utils.flop_counter import FlopCounterMode

    settings = settings_of(size, 1)
    network = network_of(size, settings, device)
    batch = PairBatch(*(part.to(device) for part in lesson_of(size, settings, network, spread=0).batches(1)[0]))
    with FlopCounterMode(display=False) as counter:
        lesson_of(size, settings, network).loss(network, batch).sum.backward()
    return float(counter.get_total_flops()), int((batch.source > 0).sum() + (batch.said > 0).sum())


class Speed(NamedTuple):
    tokens: float  # a second
    gigabytes: float  # peak, on the device
    loss: float


def speed(
    size: Size, group: Processes, precision: str, steps: int, prepare: Callable[[Transformer], nn.Module], warm: int = 4
) -> Speed:
    """Training steps by the clock, after some that warm up. All sentences have one length, so that graphs can be kept."""
    if group.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(group.device)
    settings = settings_of(size, steps + warm, precision, dropout=0.1)
    network = prepare(network_of(size, settings, group.device))
    lesson = lesson_of(size, settings, network, spread=0)
    trainer: Trainer[PairBatch] = Trainer(network, lesson.loss, settings.train, processes=group)
    ready = [PairBatch(*(part.to(group.device) for part in batch)) for batch in lesson.batches(1)]
    full = max(len(batch.source) for batch in ready)
    ready = [batch for batch in ready if len(batch.source) == full]
    count = tokens = 0
    begun, last = time.perf_counter(), 0.0
    for number in range(steps + warm):
        if number == warm:
            settled(group.device)
            begun = time.perf_counter()
        batch = ready[number % len(ready)]
        last = trainer.step([batch]).mean
        if number >= warm:
            tokens += int((batch.source > 0).sum() + (batch.said > 0).sum())
            count += 1
    settled(group.device)
    return Speed(tokens / (time.perf_counter() - begun), peak_memory(group.device).device / 1e9, last)


def plain(network: Transformer) -> nn.Module:
    return network


def by_compile(**how: Any) -> Callable[[Transformer], nn.Module]:
    def prepare(network: Transformer) -> nn.Module:
        torch._dynamo.reset()
        network.compile(**how)
        return network

    return prepare


WAYS: list[tuple[str, str, Callable[[Transformer], nn.Module]]] = [
    ("fp32", "fp32", plain),
    ("bf16", "bf16", plain),
    ("bf16, compiled", "bf16", by_compile(dynamic=False)),
    ("bf16, compiled, CUDA graphs", "bf16", by_compile(dynamic=False, mode="reduce-overhead")),
    ("bf16, FSDP2", "bf16", sharded("bf16")),
]


def measured(size: Size, device: torch.device, steps: int, ways: Sequence[tuple[str, str, Any]]) -> list[str]:
    """A line for each way to train."""
    most, (flops, tokens) = ceiling(device, size.product), arithmetic(size, device)
    lines = [
        f"{size.d_model} x {size.layers} layers, feed-forward {size.d_ff}, vocabulary {size.vocabulary:,}, "
        f"batches of {tokens:,} tokens",
        f"matrix products alone: {most / 1e12:.4g} TFLOP/s; a token costs {flops / tokens / 1e9:.3g} GFLOP",
        f"{'':30s}   tokens/s  of ceiling  peak GB   loss",
    ]
    for name, precision, prepare in ways:
        try:
            with one_process(device) if "FSDP2" in name else contextlib.nullcontext(Processes(device=device)) as group:
                found = speed(size, group, precision if "FSDP2" not in name else "fp32", steps, prepare)
        except Exception as error:
            lines.append(f"{name:30s}   left out: {type(error).__name__}: {str(error).splitlines()[0][:200]}")
            continue
        share = 100 * found.tokens * flops / tokens / most
        lines.append(f"{name:30s} {found.tokens:10,.0f} {share:9.1f} % {found.gigabytes:8.2f} {found.loss:6.3f}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--only", choices=["right", "speed"])
    chosen = parser.parse_args()
    if chosen.device.startswith("cuda") and not torch.cuda.is_available():
        print("there is no GPU here; --device cpu --size tiny runs the same without one", file=sys.stderr)
        return 2
    device = torch.device(chosen.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{name}, PyTorch {torch.__version__}")
    failed = 0
    for check, run in RIGHT.items() if chosen.only != "speed" else ():
        begun = time.perf_counter()
        try:
            text, good = run(device), "ok"
        except Exception as error:
            text, good, failed = f"{type(error).__name__}: {str(error)[:300]}", "FAILED", failed + 1
        print(f"{good:6s} {check:20s} {text} ({time.perf_counter() - begun:.1f} s)", flush=True)
    for line in measured(SIZES[chosen.size], device, chosen.steps, WAYS) if chosen.only != "right" else ():
        print(line, flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

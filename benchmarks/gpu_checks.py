"""The checks of `benchmarks/gpu.py`: functions of a device that raise `Failed` where one does not hold; and what they train."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from axw.data.sentences import Sentences
from axw.learning import OptimizerSettings, Run, ScheduleSettings, Trainer, TrainSettings
from axw.learning.distributed import Processes, processes, shard
from axw.models.translation.lesson import Encoded, PairBatch, translation_lesson
from axw.models.translation.settings import TranslationSettings
from axw.networks.blocks import TransformerSettings
from axw.networks.transformer import Transformer


class Size(NamedTuple):
    """The model and the batches of the speed part."""

    d_model: int
    layers: int
    d_ff: int
    vocabulary: int
    tokens: int
    length: int
    product: int  # rows and columns of the matrices that the ceiling multiplies


SIZES = {
    "tiny": Size(16, 1, 32, 97, 200, 9, 64),
    "base": Size(512, 6, 2048, 32_000, 32_768, 32, 8192),
    "big": Size(1024, 6, 4096, 32_000, 32_768, 32, 8192),
}
FIRST = 5  # the first id that is no mark


def settings_of(size: Size, steps: int, precision: str = "fp32", dropout: float = 0.0) -> TranslationSettings:
    network = TransformerSettings(
        d_model=size.d_model,
        layers=size.layers,
        heads=max(2, size.d_model // 64),
        d_ff=size.d_ff,
        dropout=dropout,
        attention_dropout=dropout,
        feedforward_dropout=dropout,
    )
    train = TrainSettings(
        optimizer=OptimizerSettings(name="adam", beta2=0.98, clip=1.0),
        schedule=ScheduleSettings(name="constant", rate=1e-3, warmup=0),
        steps=steps,
        checkpoint_every=5,
        log_every=1,
        threads=1 if size is SIZES["tiny"] else None,
        precision=precision,  # type: ignore[arg-type]
    )
    return TranslationSettings(transformer=network, train=train, batch_tokens=size.tokens, vocabulary=size.vocabulary)


def network_of(size: Size, settings: TranslationSettings, device: torch.device) -> Transformer:
    return Transformer(settings.transformer, size.vocabulary, size.vocabulary, seed=1).to(device)


def sentences(size: Size, seed: int, spread: int) -> Sentences:
    """As many as fill four batches, of `length` ids more or less `spread`."""
    draw = np.random.default_rng(seed)
    count = max(8, 4 * size.tokens // (size.length + 1))
    lengths = draw.integers(max(1, size.length - spread), size.length + spread + 1, count)
    return Sentences.of([draw.integers(FIRST, size.vocabulary, n) for n in lengths])


def lesson_of(size: Size, settings: TranslationSettings, network: nn.Module, spread: int = 3) -> Any:
    """What the translator's door gives the trainer, on made-up ids: the target is the source, so that it can be learned."""
    pairs = Encoded(sentences(size, 1, spread), sentences(size, 1, spread))
    held = Encoded(pairs.source[:7], pairs.target[:7])
    return translation_lesson(settings, lambda epoch: pairs, held, network)


def trained(
    size: Size,
    settings: TranslationSettings,
    group: Processes,
    prepare: Callable[[Transformer], nn.Module] = lambda network: network,
    folder: Path | None = None,
    stop: int | None = None,
) -> tuple[dict[str, torch.Tensor], list[float]]:
    """The weights after training, and the training losses; `stop` cuts the run there, as a crash would."""
    network = prepare(network_of(size, settings, group.device))
    lesson = lesson_of(size, settings, network)
    losses: list[float] = []

    def loss(model: nn.Module, batch: PairBatch) -> Any:
        if trainer.progress.step == stop:
            raise KeyboardInterrupt
        found = lesson.loss(model, batch)
        losses.append(float(found.sum.detach()) / found.count)
        return found

    trainer: Trainer[PairBatch] = Trainer(network, loss, settings.train, processes=group)
    run = None
    if folder is not None:
        start = Run.resume if (folder / "run.json").exists() else Run.start
        run = start(folder, settings.train, data="made up")
    with contextlib.closing(run) if run is not None else contextlib.nullcontext():
        trainer.fit(lesson.batches, lesson.evaluate, run=run)
    whole = {n: p.full_tensor() if hasattr(p, "full_tensor") else p for n, p in network.named_parameters()}
    return {name: p.detach().float().cpu() for name, p in whole.items()}, losses


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The greatest difference of a weight, as a share of the greatest weight of its tensor."""
    assert one.keys() == other.keys(), sorted(one.keys() ^ other.keys())
    return max(float((one[n] - other[n]).abs().max() / one[n].abs().max().clamp(min=1e-6)) for n in one)


@contextlib.contextmanager
def one_process(device: torch.device) -> Iterator[Processes]:
    """`processes()` as torchrun would start it with one process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    names = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update(names)
    try:
        with processes("gloo" if device.type == "cpu" else None) as group:
            yield group
    finally:
        for name in names:
            os.environ.pop(name, None)


def sharded(precision: str) -> Callable[[Transformer], nn.Module]:
    """Layer by layer. What a decoder's layer remembers of the source is made outside of it, so that is a block of its own."""

    def prepare(network: Transformer) -> nn.Module:
        outside = [part for layer in network.decoder_layers() for part in (layer.cross.score.key, layer.cross.value)]
        return shard(network, [*network.encoder.layers, *outside, *network.layers], precision=precision)

    return prepare


# --------------------------------------------------------------------------------------------------------------- right


def same_as_cpu(device: torch.device) -> str:
    size = SIZES["tiny"]
    found = [trained(size, settings_of(size, 10), Processes(device=where))[0] for where in ("cpu", device)]
    return verdict(apart(*found) < 1e-3, f"after 10 steps the weights differ by {apart(*found):.1e} of the greatest")


def resumed(device: torch.device) -> str:
    size, group = SIZES["tiny"], Processes(device=device)
    settings = settings_of(size, 20, "bf16", dropout=0.1)
    with tempfile.TemporaryDirectory() as scratch:
        whole, _ = trained(size, settings, group, folder=Path(scratch) / "whole")
        with contextlib.suppress(KeyboardInterrupt):
            trained(size, settings, group, folder=Path(scratch) / "cut", stop=13)
        again, _ = trained(size, settings, group, folder=Path(scratch) / "cut")
    equal = all(torch.equal(whole[name], again[name]) for name in whole)
    return verdict(
        equal, f"cut after step 13 and resumed from step 10: the weights are {'' if equal else 'not '}the same bits"
    )


def fsdp2(device: torch.device) -> str:
    size = SIZES["tiny"]
    plain, _ = trained(size, settings_of(size, 10), Processes(device=device))
    with one_process(device) as group:
        spread, _ = trained(size, settings_of(size, 10), group, sharded("fp32"))
        _, losses = trained(size, settings_of(size, 30), group, sharded("bf16"))
    good = apart(plain, spread) < 1e-5 and losses[-1] < 0.95 * losses[0]
    text = f"weights differ by {apart(plain, spread):.1e}; in bf16 the loss goes {losses[0]:.2f} to {losses[-1]:.2f}"
    return verdict(good, text)


def bf16(device: torch.device) -> str:
    size = SIZES["tiny"]
    _, losses = trained(size, settings_of(size, 60, "bf16", dropout=0.1), Processes(device=device))
    return verdict(losses[-1] < 0.95 * losses[0], f"the loss goes {losses[0]:.2f} to {losses[-1]:.2f}")


def compiled(device: torch.device, backend: str = "inductor") -> str:
    def prepare(network: Transformer) -> nn.Module:
        network.compile(dynamic=True, backend=backend)
        return network

    size, group = SIZES["tiny"], Processes(device=device)
    plain, other = (trained(size, settings_of(size, 10), group, how)[0] for how in (lambda network: network, prepare))
    return verdict(apart(plain, other) < 1e-3, f"after 10 steps the weights differ by {apart(plain, other):.1e}")


def doors(device: torch.device) -> str:
    """Train, evaluate and answer, as a user would. The doors take the GPU where there is one."""
    from axw import ConstituencyParser, MaskedLanguageModel, Translator
    from axw.learning import with_settings
    from axw.models.trees.settings import ParserSettings
    from axw.models.words.settings import WordsSettings

    lines = [
        f"the {a} {b} the {c} ." for a in ("dog", "man", "cat") for b in ("sees", "has") for c in ("sun", "tree")
    ] * 4
    trees = [
        f"(S (NP (D the) (N {a})) (VP (V {b}) (NP (N {a}))))" for a in ("cats", "dogs") for b in ("eat", "see")
    ] * 9
    small = [f"{part}={value}" for part, value in (("d_model", 16), ("layers", 1), ("heads", 2), ("d_ff", 32))]

    def settled_for(settings: Any, part: str) -> Any:
        budget = ["train.minutes=none", "train.steps=6", "train.evaluate_every=3"]
        return with_settings(settings, [*(f"{part}.{each}" for each in small), *budget])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so little text allows few pieces
        translator = Translator(settled_for(TranslationSettings(), "transformer")).fit(
            lines, [x.upper() for x in lines]
        )
        words = MaskedLanguageModel(settled_for(WordsSettings(), "network")).fit(lines)
        parser = ConstituencyParser(settled_for(ParserSettings(), "transformer")).fit(trees)
    answers = translator.translate(lines[:2]), words.fill("the [MASK] sees ."), parser.parse(["the cats eat cats"])
    return verdict(
        all(len(str(each)) for each in answers), "translator, masked words and parser trained, evaluated, answered"
    )


RIGHT: dict[str, Callable[[torch.device], str]] = {
    "as on the CPU": same_as_cpu,
    "resume": resumed,
    "bf16": bf16,
    "FSDP2, one process": fsdp2,
    "compiled": compiled,
    "doors": doors,
}


class Failed(AssertionError):
    """A check that does not hold."""


def verdict(good: bool, text: str) -> str:
    if not good:
        raise Failed(text)
    return text

"""One contender of `benchmarks/translation.py`: builds its model, then trains on the same batches whenever it is told to.

    python benchmarks/translation_worker.py NAME '{"d_model": 256, ...}'

Each line "go" on stdin is one round; the answer is a line of JSON with the seconds of each batch and the greatest memory so far.
Only PyTorch and NumPy are needed here, and what the contender itself needs.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

PAD, BOS, EOS, FIRST = 0, 1, 2, 5
Batch = tuple[Tensor, Tensor, Tensor]  # source with the end, target as it is read, target as it is said


def batches(s: dict) -> list[Batch]:
    """Sentences of 8 to 30 words, those of about one length together, the target of one batch about as long as its source."""
    draw, made = np.random.default_rng(0), []
    for number in range(s["batches"]):
        n = 8 + (22 * number) // max(1, s["batches"] - 1)
        b = max(1, s["tokens"] // (n + 1))
        lengths = draw.integers(max(8, n - 1), n + 1, (2, b))
        source, target = (
            np.where(np.arange(n) < own[:, None], draw.integers(FIRST, s["vocabulary"], (b, n)), PAD) for own in lengths
        )
        ends = [np.concatenate([side, np.zeros((b, 1), int)], 1) for side in (source, target)]
        for side, own in zip(ends, lengths, strict=True):
            side[np.arange(b), own] = EOS
        read = np.concatenate([np.full((b, 1), BOS), target], 1)
        made.append(tuple(torch.from_numpy(side.astype(np.int64)) for side in (ends[0], read, ends[1])))
    return made


def stepper(model: nn.Module, loss: Callable[[Batch], Tensor], autocast: bool = False) -> Callable[[Batch], None]:
    """Forward, backward, clip, Adam: as these libraries are used."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9, fused=True)
    model.train()

    def step(batch: Batch) -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            value = loss(batch)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


class Torch(nn.Module):
    """nn.Transformer with one matrix for both embeddings and the output, before-norm, sinusoids."""

    def __init__(self, s: dict) -> None:
        super().__init__()
        d = s["d_model"]
        self.d, self.embed = d, nn.Embedding(s["vocabulary"], d)
        nn.init.normal_(self.embed.weight, 0.0, d**-0.5)
        self.body = nn.Transformer(
            d, s["heads"], s["layers"], s["layers"], s["d_ff"], s["dropout"], batch_first=True, norm_first=True
        )
        place, wave = torch.arange(512)[:, None], torch.arange(0, d, 2)
        angle = place / 10000 ** (wave / d)
        self.register_buffer("places", torch.cat([angle.sin(), angle.cos()], 1))
        self.drop = nn.Dropout(s["dropout"])

    def rows(self, ids: Tensor) -> Tensor:
        return self.drop(self.embed(ids) * self.d**0.5 + self.places[: ids.shape[1]])

    def forward(self, batch: Batch) -> Tensor:
        source, read, said = batch
        n, mask = read.shape[1], source == PAD
        causal = torch.ones(n, n, dtype=torch.bool).triu(1)
        H = self.body(
            self.rows(source),
            self.rows(read),
            tgt_mask=causal,
            src_key_padding_mask=mask,
            memory_key_padding_mask=mask,
            tgt_is_causal=True,
        )
        return F.cross_entropy(
            F.linear(H, self.embed.weight).flatten(0, 1).float(), said.flatten(), label_smoothing=0.1, ignore_index=PAD
        )


def with_torch(s: dict, autocast: bool) -> Callable[[Batch], None]:
    model = Torch(s)
    return stepper(model, model, autocast)


def marian_model(s: dict, use_cache: bool = False) -> nn.Module:
    from transformers import MarianConfig, MarianMTModel

    shape = {
        f"{side}_{name}": s[key]
        for side in ("encoder", "decoder")
        for name, key in (("layers", "layers"), ("ffn_dim", "d_ff"), ("attention_heads", "heads"))
    }
    dropped = dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), s["dropout"])
    return MarianMTModel(
        MarianConfig(
            vocab_size=s["vocabulary"],
            d_model=s["d_model"],
            activation_function="relu",
            max_position_embeddings=512,
            pad_token_id=PAD,
            eos_token_id=EOS,
            decoder_start_token_id=BOS,
            scale_embedding=True,
            use_cache=use_cache,
            **shape,
            **dropped,
        )
    )


def marian(s: dict) -> Callable[[Batch], None]:
    model = marian_model(s)

    def loss(batch: Batch) -> Tensor:
        source, read, said = batch
        logits = model(input_ids=source, attention_mask=(source != PAD).long(), decoder_input_ids=read).logits
        return F.cross_entropy(logits.flatten(0, 1), said.flatten(), label_smoothing=0.1, ignore_index=PAD)

    return stepper(model, loss)


def joey_model(s: dict) -> nn.Module:
    from types import SimpleNamespace
    from unittest.mock import MagicMock

    # What it would draw, write its curves and cut words with, which no step needs.
    for name in (
        "torch.utils.tensorboard",
        "matplotlib",
        "matplotlib.pyplot",
        "matplotlib.figure",
        "matplotlib.backends.backend_pdf",
        "subword_nmt",
        "subword_nmt.apply_bpe",
    ):
        sys.modules.setdefault(name, MagicMock())
    from joeynmt.model import build_model
    from joeynmt.vocabulary import Vocabulary

    names = {"unk": 0, "pad": 1, "bos": 2, "eos": 3}
    special = {f"{name}_token": f"<{name}>" for name in names} | {f"{name}_id": i for name, i in names.items()}
    words = Vocabulary(
        [f"w{i}" for i in range(s["vocabulary"] - 4)], SimpleNamespace(**special, sep_token=None, lang_tags=[])
    )
    side = {
        "type": "transformer",
        "num_layers": s["layers"],
        "num_heads": s["heads"],
        "hidden_size": s["d_model"],
        "ff_size": s["d_ff"],
        "dropout": s["dropout"],
        "layer_norm": "pre",
        "embeddings": {"embedding_dim": s["d_model"], "scale": True, "dropout": s["dropout"]},
    }
    return build_model(
        {"tied_embeddings": True, "tied_softmax": True, "encoder": side, "decoder": dict(side)}, words, words
    )


def joey(s: dict) -> Callable[[Batch], None]:
    model = joey_model(s)
    model.loss_function = ("crossentropy", 0.1)
    moved = torch.arange(s["vocabulary"])
    moved[:4] = torch.tensor([1, 2, 3, 0])

    def loss(batch: Batch) -> Tensor:
        source, read, said = (moved[part] for part in batch)
        mask = (source != 1)[:, None, :]
        given = {"src": source, "src_mask": mask, "src_length": mask.sum((1, 2)), "trg_input": read, "trg": said}
        value = model(return_type="loss", **given, trg_mask=(read != 1)[:, None, :])[0]
        return value / (said != 1).sum()

    return stepper(model, loss)


def axw(s: dict, precision: str, keep: bool) -> Callable[[Batch], None]:
    from axw.data.sentences import Sentences
    from axw.learning import OptimizerSettings, ScheduleSettings, Trainer, TrainSettings
    from axw.learning.allocator import ready_to_train
    from axw.models.translation.lesson import Encoded, PairBatch, translation_lesson
    from axw.models.translation.settings import TranslationSettings
    from axw.networks.blocks import TransformerSettings
    from axw.networks.transformer import Transformer

    if keep:
        ready_to_train()
    names = ("d_model", "layers", "heads", "d_ff", "dropout")
    same = dict.fromkeys(("attention_dropout", "feedforward_dropout"), s["dropout"])
    network = TransformerSettings(**{name: s[name] for name in names}, **same, bias=True)
    train = TrainSettings(
        optimizer=OptimizerSettings(clip=1.0), schedule=ScheduleSettings(rate=1e-4), steps=10**6, precision=precision
    )
    settings = TranslationSettings(transformer=network, train=train, smoothing=0.1)
    model, nothing = Transformer(network, s["vocabulary"], s["vocabulary"]), Encoded(Sentences.of([]), Sentences.of([]))
    lesson = translation_lesson(settings, lambda epoch: nothing, nothing, model)
    trainer = Trainer(model, lesson.loss, train)
    return lambda batch: trainer.step([PairBatch(*batch)]) and None


def products(s: dict, kind: torch.dtype) -> Callable[[Batch], None]:
    """The ceiling: all matrix products of a step, forward and backward, and nothing else."""
    d, f, V, L, h = (s[name] for name in ("d_model", "d_ff", "vocabulary", "layers", "heads"))
    made: dict[tuple[int, ...], Tensor] = {}

    def some(*shape: int) -> Tensor:
        if shape not in made:
            made[shape] = torch.randn(*shape, dtype=torch.float32).to(kind)
        return made[shape]

    def product(rows: int, k: int, n: int, times: int) -> None:
        X, W, dY = some(rows, k), some(k, n), some(rows, n)
        for _ in range(times):
            X @ W, dY @ W.T, X.T @ dY

    def attend(b: int, n: int, m: int, times: int) -> None:
        Q, K, A = some(b * h, n, d // h), some(b * h, m, d // h), some(b * h, n, m)
        for _ in range(times):
            Q @ K.mT, A @ K, A @ K, A.mT @ Q, A.mT @ Q, Q @ K.mT

    def step(batch: Batch) -> None:
        source, read, said = batch
        (b, m), n = source.shape, read.shape[1]
        product(b * m, d, d, L * 6)  # query, key, value, out of the encoder; key and value that the decoder asks
        product(b * n, d, d, L * 6)
        for rows in (b * m, b * n):
            product(rows, d, f, L)
            product(rows, f, d, L)
        product(int((said != PAD).sum()), d, V, 1)
        for q, k in ((m, m), (n, n), (n, m)):
            attend(b, q, k, L)

    return step


CONTENDERS: dict[str, Callable[[dict], Callable[[Batch], None]]] = {
    "JoeyNMT fp32": joey,
    "Hugging Face Marian fp32": marian,
    "nn.Transformer fp32": lambda s: with_torch(s, False),
    "nn.Transformer bf16 autocast": lambda s: with_torch(s, True),
    "axw fp32": lambda s: axw(s, "fp32", True),
    "axw bf16, plain allocator": lambda s: axw(s, "bf16", False),
    "axw bf16": lambda s: axw(s, "bf16", True),
    "matrix products alone, fp32": lambda s: products(s, torch.float32),
    "matrix products alone, bf16": lambda s: products(s, torch.bfloat16),
}


def main() -> None:
    name, s = sys.argv[1], json.loads(sys.argv[2])
    torch.manual_seed(0)
    torch.set_num_threads(s["threads"])
    clock = time.process_time if s["clock"] == "cpu" else time.perf_counter
    made, step = batches(s), CONTENDERS[name](s)
    step(made[0])
    print(json.dumps({"ready": name, "torch": torch.__version__}), flush=True)
    for _ in sys.stdin:
        seconds, memory = [], []
        for batch in made:
            begin = clock()
            step(batch)
            seconds.append(clock() - begin)
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
        print(json.dumps({"seconds": seconds, "memory": memory}), flush=True)


if __name__ == "__main__":
    main()

"""How fast the LSTM with input feeding trains: gradients made once after the loop against autograd's step by step.

    OMP_NUM_THREADS=2 python benchmarks/luong_speed.py

Luong et al. 2015: layers x cells, global general, no dropout; sentences of 8 to 30 tokens, one length a batch, about 4096 target
tokens a batch. A run is forward, loss over the vocabulary, backward. The ways take turns, and the median of the turns is printed,
in source + target tokens a second. The plain form is written out below with nothing but PyTorch's own operations, loss included;
axw's has the loss that axw trains with.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from axw.learning.allocator import ready_to_train
from axw.learning.projected import projected_cross_entropy
from axw.networks.luong import LuongNetwork, LuongSettings


def plain(network: LuongNetwork, source: Tensor, target: Tensor) -> Tensor:
    """h~ (b n d), step by step as the paper writes it; autograd adds up the gradients of weights and memory at every step."""
    memory, hidden, cells = network.encode(source)
    hidden, cells = [h[:, 0] for h in hidden], [c[:, 0] for c in cells]
    keys, H, feed, answers = memory.keys[:, 0], memory.values[:, 0], torch.zeros_like(hidden[0]), []
    for word in F.embedding(target, network.embed_target).unbind(1):
        x = torch.cat([word, feed], 1)
        for number, layer in enumerate(network.decoder):
            gates = torch.addmm(layer.bias, torch.cat([x, hidden[number]], 1), layer.weight)
            i, f, o, g = gates.chunk(4, 1)
            cells[number] = f.sigmoid() * cells[number] + i.sigmoid() * g.tanh()
            x = hidden[number] = o.sigmoid() * cells[number].tanh()
        A = torch.softmax((x[:, None] @ keys.mT).masked_fill(~memory.mask[:, 0], -1e9), -1)
        feed = torch.tanh(torch.cat([(A @ H)[:, 0], x], 1) @ network.cross.combine)
        answers.append(feed)
    return torch.stack(answers, 1)


def batches(tokens: int, size: int, count: int, seed: int = 0) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Source, target as read and as predicted; lengths spread evenly over 8 .. 30."""
    generator, made = torch.Generator().manual_seed(seed), []
    for number in range(count):
        n = 8 + (22 * number) // max(1, count - 1)
        b = max(1, tokens // n)
        words = torch.randint(5, size, (b, 2 * n + 1), generator=generator)
        made.append((words[:, :n], words[:, n : 2 * n], words[:, n + 1 :]))
    return made


def plain_loss(network: LuongNetwork, hidden: Tensor, expected: Tensor) -> Tensor:
    return F.cross_entropy(network.logits(hidden).flatten(0, 1), expected.flatten())


def axw_loss(network: LuongNetwork, hidden: Tensor, expected: Tensor) -> Tensor:
    return projected_cross_entropy(hidden.flatten(0, 1), network.projection, expected.flatten()).sum / expected.numel()


def run(
    network: LuongNetwork, way: tuple[Callable[..., Tensor], Callable[..., Tensor]], batch: tuple[Tensor, ...]
) -> float:
    """Seconds of one forward and backward pass."""
    source, target, expected = batch
    answer, loss = way
    network.zero_grad(set_to_none=True)
    begin = time.perf_counter()
    loss(network, answer(source, target), expected).backward()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--cells", type=int, default=512)
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--batches", type=int, default=3)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    ready_to_train()
    settings = LuongSettings(layers=options.layers, d_model=options.cells, dropout=0.0)
    ways: dict[str, tuple[LuongNetwork, tuple[Callable[..., Tensor], Callable[..., Tensor]]]] = {}
    for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        network = LuongNetwork(settings, options.vocabulary, options.vocabulary).to(kind)
        ways[f"plain {name}"] = (network, (partial(plain, network), plain_loss))
        ways[f"axw {name}"] = (network, (network, axw_loss))
    made = batches(options.tokens, options.vocabulary, options.batches)
    words = sum(source.numel() + target.numel() for source, target, _ in made)
    for network, answer in ways.values():
        run(network, answer, made[0])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.turns):
        for name, (network, answer) in ways.items():
            seconds[name].append(sum(run(network, answer, batch) for batch in made))
    base = statistics.median(seconds["plain fp32"])
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {options.layers} x {options.cells}")
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"{name:14s} {words / median:9,.0f} tokens/s   {base / median:4.2f} x plain fp32")


if __name__ == "__main__":
    main()

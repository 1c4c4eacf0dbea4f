"""The files of an export to ONNX."""

from __future__ import annotations

import logging
from pathlib import Path

from axw.data.vocabulary import BOS
from axw.export.answers import Decodes
from axw.export.huggingface.tokenizer import tokenizer_json
from axw.export.installed import installed
from axw.export.onnx import luong, transformer
from axw.export.onnx.answers import OnnxGuesses, writes
from axw.export.questions import Subject
from axw.networks.luong import LuongNetwork
from axw.networks.masked_words import MaskedWords
from axw.networks.transformer import Transformer
from axw.storage import write_bytes
from axw.storage.foreign import remove_tree, scratch_folder


def faults(given: Subject) -> list[str]:
    """Every network can be written as a graph."""
    return []


def files(given: Subject) -> dict[str, bytes]:
    """model.onnx, or encoder.onnx and step.onnx; and tokenizer.json."""
    network = given.network
    if isinstance(network, MaskedWords):
        made = {"model.onnx": transformer.words_graph(network, given.longest)}
    elif isinstance(network, LuongNetwork):
        made = {"encoder.onnx": luong.encoder_graph(network), "step.onnx": luong.step_graph(network)}
    else:
        assert isinstance(network, Transformer)
        made = {
            "encoder.onnx": transformer.encoder_graph(network, given.longest),
            "step.onnx": transformer.step_graph(network, given.longest),
        }
    made["tokenizer.json"] = tokenizer_json(given.source, (BOS,) if given.guesses else given.before)
    if given.target is not given.source:
        made["target-tokenizer.json"] = tokenizer_json(given.target, ())
    return made


def files_int8(given: Subject) -> dict[str, bytes]:
    """The same with products of 8 bits, as onnxruntime makes them: weights once, what they multiply at each step."""
    installed("onnxruntime")
    from onnxruntime import quantization

    made, scratch, disabled = files(given), scratch_folder(), logging.root.manager.disable
    logging.disable(logging.WARNING)  # it recommends a step for pictures
    try:
        for name in [name for name in made if name.endswith(".onnx")]:
            write_bytes(scratch / name, made[name])
            quantization.quantize_dynamic(scratch / name, scratch / f"int8.{name}", per_channel=True)
            made[name] = (scratch / f"int8.{name}").read_bytes()
    finally:
        logging.disable(disabled)
        remove_tree(scratch)
    return made


def program(folder: Path, given: Subject) -> Decodes | OnnxGuesses:
    """onnxruntime, with an exported folder."""
    return OnnxGuesses(folder) if given.guesses else writes(folder)

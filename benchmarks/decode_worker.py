"""One engine of `benchmarks/decode.py`: builds its model, then decodes whenever it is told to.

    python benchmarks/decode_worker.py ENGINE '{"d_model": 256, ...}'

A line of JSON {"batch": 64, "beam": 5, "seconds": 2} on stdin is one measurement: the same sentences again and again for so
long. The answer is a line of JSON with the seconds of each time.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

Decode = Callable[[torch.Tensor, int], Any]  # source (b m), beam

FIRST = 5


def network(s: dict) -> Any:
    from axw.networks.blocks import TransformerSettings
    from axw.networks.transformer import Transformer

    names = ("d_model", "layers", "heads", "d_ff")
    none = dict.fromkeys(("dropout", "attention_dropout", "feedforward_dropout"), 0.0)
    return Transformer(TransformerSettings(**{n: s[n] for n in names}, **none), s["vocabulary"], s["vocabulary"]).eval()


def axw(s: dict, precision: str, way: str = "compiled") -> Decode:
    """`search` over the network's steps, as `axw translate` runs it; of PyTorch, or the "plain" network itself."""
    from axw.decoding import SearchSettings, search
    from axw.learning.allocator import keep_freed_memory
    from axw.networks.steps import steps_of
    from axw.networks.transformer_steps import TransformerSteps

    keep_freed_memory()
    if way == "plain":
        decoder: Any = network(s)
    else:
        decoder = TransformerSteps(network(s), precision) if way == "PyTorch" else steps_of(network(s), precision)

    def decode(source: torch.Tensor, beam: int) -> Any:
        most = s["words"]
        settings = SearchSettings(beam=beam, min_length=most, max_factor=0, max_constant=most, length_penalty="none")
        with torch.no_grad():
            state = decoder.start(decoder.encode(source))
        return search(decoder, state, settings, source_lengths=[source.shape[1]] * len(source))

    return decode


def ctranslate2(s: dict, compute: str) -> Decode:
    """The same weights in CTranslate2, one thread."""
    import ctranslate2 as program

    names = ["<blank>", "<s>", "</s>", "<unk>", *(f"w{i}" for i in range(4, s["vocabulary"]))]
    with tempfile.TemporaryDirectory() as folder:
        spec = _spec(network(s), names)
        spec.save(folder)
        translator = program.Translator(
            folder, "cpu", compute_type=compute, inter_threads=1, intra_threads=s["threads"]
        )

    def decode(source: torch.Tensor, beam: int) -> Any:
        lines = [[names[i] for i in row] for row in source.tolist()]
        most = s["words"]
        return translator.translate_batch(
            lines,
            beam_size=beam,
            length_penalty=0,
            min_decoding_length=most,
            max_decoding_length=most,
            suppress_sequences=[["<blank>"], ["<s>"]],
            max_batch_size=len(lines),
            return_scores=True,
        )

    return decode


def _spec(transformer: Any, names: list[str]) -> Any:
    """The network in CTranslate2's words: before-norm, ReLU, sinusoids, no biases."""
    from ctranslate2.specs import TransformerSpec
    from ctranslate2.specs.common_spec import Activation

    from axw.equation import sinusoids

    s, places = transformer.settings, sinusoids(512, transformer.settings.d_model).numpy()
    spec = TransformerSpec.from_config(
        (s.layers, len(transformer.layers)), s.heads, pre_norm=True, activation=Activation.RELU
    )

    def fill(linear: Any, *layers: Any) -> None:
        linear.weight = torch.cat([layer.weight.detach() for layer in layers]).numpy()

    def norm(theirs: Any, ours: Any) -> None:
        theirs.gamma, theirs.beta = ours.weight.detach().numpy(), ours.bias.detach().numpy()

    def feedforward(theirs: Any, layer: Any) -> None:
        norm(theirs.layer_norm, layer.around_feedforward.norm)
        fill(theirs.linear_0, layer.feedforward.inner)
        fill(theirs.linear_1, layer.feedforward.outer)

    def own(theirs: Any, attention: Any, around: Any) -> None:
        norm(theirs.layer_norm, around.norm)
        fill(theirs.linear[0], attention.score.query, attention.score.key, attention.value)
        fill(theirs.linear[1], attention.out)

    weight = transformer.embed_source.weight.detach().numpy()
    for side, embeddings, last in (
        (spec.encoder, spec.encoder.embeddings[0], transformer.encoder.last),
        (spec.decoder, spec.decoder.embeddings, transformer.last),
    ):
        embeddings.weight, side.scale_embeddings, side.position_encodings.encodings = weight, True, places
        norm(side.layer_norm, last)
    for theirs, layer in zip(spec.encoder.layer, transformer.encoder.layers, strict=True):
        own(theirs.self_attention, layer.attention, layer.around_attention)
        feedforward(theirs.ffn, layer)
    for theirs, layer in zip(spec.decoder.layer, transformer.layers, strict=True):
        own(theirs.self_attention, layer.own, layer.around_own)
        norm(theirs.attention.layer_norm, layer.around_cross.norm)
        fill(theirs.attention.linear[0], layer.cross.score.query)
        fill(theirs.attention.linear[1], layer.cross.score.key, layer.cross.value)
        fill(theirs.attention.linear[2], layer.cross.out)
        feedforward(theirs.ffn, layer)
    spec.decoder.projection.weight = weight
    spec.register_source_vocabulary(names)
    spec.register_target_vocabulary(names)
    spec.config.decoder_start_token, spec.config.add_source_bos, spec.config.add_source_eos = "<s>", False, False
    spec.validate()
    return spec


def huggingface(s: dict) -> Decode:
    from translation_worker import marian_model

    model = marian_model({**s, "dropout": 0.0}, use_cache=True).eval()

    @torch.no_grad()
    def decode(source: torch.Tensor, beam: int) -> Any:
        most = s["words"]
        return model.generate(
            source, attention_mask=torch.ones_like(source), num_beams=beam, min_new_tokens=most, max_new_tokens=most
        )

    return decode


def joeynmt(s: dict) -> Decode:
    from translation_worker import joey_model

    model = joey_model({**s, "dropout": 0.0}).eval()
    from joeynmt.search import beam_search, greedy

    @torch.no_grad()
    def decode(source: torch.Tensor, beam: int) -> Any:
        mask, most = torch.ones(len(source), 1, source.shape[1], dtype=torch.bool), s["words"]
        rows, hidden, _, _ = model(
            return_type="encode", src=source, src_length=torch.full((len(source),), source.shape[1]), src_mask=mask
        )
        given = {"model": model, "encoder_output": rows, "encoder_hidden": hidden, "src_mask": mask}
        given |= {"max_output_length": most, "min_output_length": most}
        return greedy(**given) if beam == 1 else beam_search(**given, beam_size=beam, alpha=-1)

    return decode


ENGINES: dict[str, Callable[[dict], Decode]] = {
    "axw plain": lambda s: axw(s, "fp32", "plain"),
    "axw PyTorch fp32": lambda s: axw(s, "fp32", "PyTorch"),
    "axw PyTorch int8": lambda s: axw(s, "int8", "PyTorch"),
    "axw fp32": lambda s: axw(s, "fp32"),
    "axw bf16": lambda s: axw(s, "bf16"),
    "axw int8": lambda s: axw(s, "int8"),
    "CTranslate2 fp32": lambda s: ctranslate2(s, "float32"),
    "CTranslate2 int8": lambda s: ctranslate2(s, "int8"),
    "Hugging Face fp32": huggingface,
    "JoeyNMT fp32": joeynmt,
}


def main() -> None:
    name, s = sys.argv[1], json.loads(sys.argv[2])
    sys.path.insert(0, str(Path(__file__).parent))
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries talk; what is read is only what is written here
    torch.manual_seed(0)
    torch.set_num_threads(s["threads"])
    decode = ENGINES[name](s)
    clock = time.process_time if s["clock"] == "cpu" else time.perf_counter
    print(json.dumps({"pid": os.getpid()}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        words = torch.randint(
            FIRST, s["vocabulary"], (asked["batch"], s["source_words"]), generator=torch.Generator().manual_seed(1)
        )
        decode(words, asked["beam"])
        taken, begin = [], time.perf_counter()
        while not taken or time.perf_counter() - begin < asked["seconds"]:
            start = clock()
            decode(words, asked["beam"])
            taken.append(clock() - start)
        print(json.dumps(taken), file=answers, flush=True)


if __name__ == "__main__":
    main()

"""One engine of `benchmarks/decode.py --model`: a trained translator, in axw or exported to CTranslate2, and real sentences.

    python benchmarks/decode_sentences.py ENGINE '{"model": "RUN", "source": "FILE", "lines": 500, ...}'

A line of JSON {"batch": 64, "beam": 5, "part": 0, "parts": 2} on stdin is one measurement: every second line, from the first, is
translated, 64 beside each other. The answer is a line of JSON with the seconds and the texts. Each engine has its own way to put
lines of one length together, and its own length penalty; both encode and decode the pieces with the model's vocabulary.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

Translate = Callable[[list[str], int, int], list[str]]  # lines, batch, beam


def axw(model: Any, precision: Any) -> Translate:
    from axw.models.translation import translator
    from axw.models.translation.laid_out import LaidOutTranslator

    model = LaidOutTranslator(model, precision)  # as each process of `axw translate` does, once

    def translate(lines: list[str], batch: int, beam: int) -> list[str]:
        translator._AT_ONCE = batch
        search = replace(model.settings.search, beam=beam, nbest=1)
        return [best[0].text for best in model.hypotheses(lines, search=search, precision=precision)]

    return translate


def ctranslate2(model: Any, compute: str) -> Translate:
    """As its documentation has it: all lines in one call, which sorts them by length."""
    import ctranslate2 as program

    from axw.export import ctranslate
    from axw.export.questions import subject

    given = subject(model)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in ctranslate.files(given).items():
            (Path(folder) / name).write_bytes(data)
        made = program.Translator(folder, "cpu", compute_type=compute, inter_threads=1, intra_threads=1)
    source, target = given.source, given.target
    number = {entry: i for i, entry in enumerate(target.entries)}

    def translate(lines: list[str], batch: int, beam: int) -> list[str]:
        asked = [[source.entries[i] for i in ids] + ["</s>"] for ids in model._encode(lines, source, "forward")]
        answers = made.translate_batch(asked, beam_size=beam, max_batch_size=batch, batch_type="examples")
        return [target.decode(tuple(number[token] for token in answer.hypotheses[0])) for answer in answers]

    return translate


ENGINES: dict[str, Callable[[Any], Translate]] = {
    "axw fp32": lambda model: axw(model, "fp32"),
    "axw bf16": lambda model: axw(model, "bf16"),
    "axw int8": lambda model: axw(model, "int8"),
    "CTranslate2 fp32": lambda model: ctranslate2(model, "float32"),
    "CTranslate2 int8": lambda model: ctranslate2(model, "int8"),
}


def main() -> None:
    name, s = sys.argv[1], json.loads(sys.argv[2])
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries talk; what is read is only what is written here
    from axw.data import read_lines
    from axw.learning.allocator import keep_freed_memory
    from axw.models.translation.translator import Translator

    keep_freed_memory()
    torch.set_num_threads(s["threads"])
    translate = ENGINES[name](Translator.load(s["model"]))
    lines = list(islice(read_lines(s["source"]), s["lines"]))
    clock = time.process_time if s["clock"] == "cpu" else time.perf_counter
    print(json.dumps({"pid": os.getpid()}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        own = lines[asked["part"] :: asked["parts"]]
        translate(own[:32], asked["batch"], asked["beam"])  # what is done once is not measured
        begin = clock()
        texts = translate(own, asked["batch"], asked["beam"])
        print(json.dumps({"seconds": clock() - begin, "texts": texts}), file=answers, flush=True)


if __name__ == "__main__":
    main()

"""The same network for other programs, each export followed by a proof that it says the same.

    export(model, "ctranslate2", folder, questions)          prove_again(model, folder, questions)

questions.py   what both are asked;  answers.py how axw answers;  proof.py where the two may not part
huggingface/   Transformers;  ctranslate.py CTranslate2;  onnx/ onnxruntime;  plain.py tensors with a description
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {"export": "exporting", "prove_again": "exporting", "TARGETS": "exporting"}

__all__ = ["TARGETS", "export", "prove_again"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'axw.export' has no attribute {name!r}")
    return getattr(import_module(f"axw.export.{_HOMES[name]}"), name)

"""Export, prove, and only then write."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from axw.errors import ModelError, UsageError, did_you_mean
from axw.export import ctranslate, plain
from axw.export.huggingface import target as huggingface
from axw.export.installed import installed
from axw.export.onnx import target as onnx
from axw.export.proof import Proof, check_questions, prove
from axw.export.questions import Questions, Subject, subject
from axw.export.readme import readme
from axw.storage import Folder, json_to_bytes, read_folder, write_folder
from axw.storage.foreign import remove_tree, scratch_folder
from axw.version import __version__


class Target(NamedTuple):
    """A program that an export is for.

    needs     packages without which it can be neither written nor proved
    faults    what of a network it cannot hold;  files: name -> bytes;  program: the files, run by that program
    int8      whether it has weights of 8 bits: `files` and `faults` of those
    """

    needs: tuple[str, ...]
    faults: Callable[[Subject], list[str]]
    files: Callable[[Subject], dict[str, bytes]]
    program: Callable[[Path, Subject], Any]
    int8: Callable[[Subject], dict[str, bytes]] | None = None


TARGETS = {
    "huggingface": Target(("transformers",), huggingface.faults, huggingface.files, huggingface.program),
    "ctranslate2": Target(
        ("ctranslate2",), ctranslate.faults, ctranslate.files, ctranslate.program, ctranslate.files_int8
    ),
    "onnx": Target(("onnx", "onnxruntime"), onnx.faults, onnx.files, onnx.program, onnx.files_int8),
    "safetensors": Target((), plain.faults, plain.files, plain.program),
}


def export(
    model: Any,
    to: str,
    folder: str | os.PathLike[str],
    asked: Questions,
    *,
    int8: bool = False,
    beam: int = 5,
) -> Proof:
    """Write the model for the program `to` into the new folder `folder`, once that program has said what the model says.

    asked   what both are asked: `axw.export.questions.questions(subject(model), lines)`
    beam    hypotheses of the search that is compared beside the greedy one

    Raises `UsageError` where the folder is there, the program is not installed or cannot hold the network; `GateError` where it
    says something else, and then nothing is left behind.
    """
    path, given = Path(folder), subject(model)
    target = _target(to, int8)
    if os.path.lexists(path):
        raise UsageError("Something is there already.", f"In {str(path)!r}.", "Name another folder.")
    _check_holds(given, to)
    check_questions(given, asked, int8=int8)
    for package in target.needs:
        installed(package)
    made = target.int8(given) if int8 and target.int8 is not None else target.files(given)
    proof = _proved(made, target, to, given, asked, int8=int8, beam=beam)
    made |= {"proof.json": json_to_bytes(proof.to_json()), "README.md": readme(given, to, proof).encode()}
    write_folder(path, made, meta=_meta(to, int8))
    return proof


def prove_again(model: Any, folder: str | os.PathLike[str], asked: Questions, *, beam: int = 5) -> Proof:
    """The proof of an export that is there. `ModelError` where a file is damaged, `GateError` where it says something else."""
    whole = read_folder(folder)
    to, int8 = _exported(whole)
    given, target = subject(model), _target(to, int8)
    for package in target.needs:
        installed(package)
    check_questions(given, asked, int8=int8)
    return prove(given, target.program(whole.path, given), asked, to, int8=int8, beam=beam)


def _proved(
    made: dict[str, bytes], target: Target, to: str, given: Subject, asked: Questions, *, int8: bool, beam: int
) -> Proof:
    scratch = scratch_folder()
    try:
        write_folder(scratch / "export", made, meta=_meta(to, int8))
        return prove(given, target.program(scratch / "export", given), asked, to, int8=int8, beam=beam)
    finally:
        remove_tree(scratch)


def _meta(to: str, int8: bool) -> dict[str, Any]:
    return {"kind": "export", "target": to, "precision": "int8" if int8 else "fp32", "axw": __version__}


def _exported(folder: Folder) -> tuple[str, bool]:
    if folder.meta.get("kind") != "export" or folder.meta.get("target") not in TARGETS:
        raise ModelError(
            "The folder is no export of axw.",
            f"In {str(folder.path)!r}.",
            "Make one: axw export RUN --to TARGET --save FOLDER",
        )
    return str(folder.meta["target"]), folder.meta.get("precision") == "int8"


def _target(to: str, int8: bool) -> Target:
    if to not in TARGETS:
        raise UsageError(f"There is no target {to!r}.", "In export.", did_you_mean(to, TARGETS))
    if int8 and TARGETS[to].int8 is None:
        able = ", ".join(name for name, target in TARGETS.items() if target.int8 is not None)
        raise UsageError(f"An export to {to} has no int8; those that have: {able}.", "--int8", "Leave --int8 away.")
    return TARGETS[to]


def _check_holds(given: Subject, to: str) -> None:
    wrong = TARGETS[to].faults(given)
    if wrong:
        able = [name for name, target in TARGETS.items() if not target.faults(given)]
        raise UsageError(
            f"{to} cannot hold this network: {' '.join(wrong)}",
            f"In the export to {to}.",
            f"Targets that can: {', '.join(able)}.",
        )

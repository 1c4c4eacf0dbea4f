"""A folder in which the commands of the help pages and of the documents run: small made-up data, and training cut to a moment.

Every line is run as it stands, but for what makes a training of hours one of a second: `SMALLER` is added to `axw fit`, and
`LONGER` takes the place of minutes more.
"""

from __future__ import annotations

import io
import shlex
import shutil
from pathlib import Path

import pytest

from axw.cli import main

SMALL = "--steps 2 --set train.evaluate_every=2 --set batch_tokens=300 --set vocabulary=300 --set longest=60"
SMALL_CLASSES = "--steps 2 --set train.evaluate_every=2"
SMALLER = {
    "words": f"{SMALL} --set network.d_model=16 --set network.layers=1",
    "translation": f"{SMALL} --set transformer.d_model=16 --set transformer.layers=1 --set luong.d_model=16",
    "trees": f"{SMALL} --set transformer.d_model=16 --set transformer.layers=1 --set luong.d_model=16",
}
LONGER = "--steps 4"
EXPORTS = {"huggingface": ["transformers"], "ctranslate2": ["ctranslate2"], "onnx": ["onnx", "onnxruntime"]}
SENTENCES = [
    f"the {a} {b} in the {c}." for a in ("dog", "man", "sun") for b in ("sits", "runs") for c in ("snow", "park")
]
TREES = [f"(S (NP (DT the) (NN {b})) (VP (VBZ sits)) (. .))" for b in ("dog", "man", "sun", "cat")]
TEXTS = ("corpus.txt", "valid.txt", "train.de", "train.en", "valid.de", "valid.en")


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_texts(folder: Path) -> None:
    """Lines, pairs of lines and trees, under the names that the documents use."""
    for name in TEXTS:
        write_lines(folder / name, SENTENCES * 3)
    for name in ("train.mrg", "valid.mrg", "held_out.mrg"):
        write_lines(folder / name, TREES * 6)
    write_lines(folder / "sentences", ["the man sits .", "the dog in the park sits ."])


def trained(kind: str, save: str) -> str:
    """A run of that kind in the folder that one is in, after two steps: what a page says that you have trained before."""
    data = {"words": "corpus.txt", "translation": "train.de train.en", "trees": "train.mrg"}[kind]
    if not Path(save).exists():
        assert main(["fit", kind, *data.split(), "--save", save, *SMALLER[kind].split()]) == 0
    return save


def write_foreign(folder: Path) -> None:
    """bert.folder or marian.folder: a model with random weights, as Hugging Face's library writes one."""
    pytest.importorskip("transformers", reason="needs pip install 'axw[export]'")
    from tests.export import foreign

    if not folder.exists():
        {"bert": foreign.bert, "marian": foreign.marian}[folder.stem](folder)


def run(line: str, folder: Path, patch: pytest.MonkeyPatch) -> int:
    """One `axw ...` line as a shell would run it, in this process; a training is made small, and the run that it makes is new.

    `< FILE` is stdin, `> FILE` is stdout, and what follows # is not read.
    """
    words = shlex.split(line, comments=True)
    if words[1] == "fit" and words[2] in SMALLER:
        shutil.rmtree(folder / words[words.index("--save") + 1], ignore_errors=True)
        words += shlex.split(SMALL_CLASSES if "--from" in words else SMALLER[words[2]])
    if words[1] == "resume" and "--minutes" in words:
        place = words.index("--minutes")
        words[place : place + 2] = LONGER.split()
    patch.chdir(folder)
    for package in EXPORTS.get(words[words.index("--to") + 1], ()) if "--to" in words else ():
        pytest.importorskip(package, reason="needs pip install 'axw[export]'")
    if words[1] == "import":
        write_foreign(folder / words[2])
    if ">" in words:
        place = words.index(">")
        with (folder / words[place + 1]).open("w", encoding="utf-8") as file, patch.context() as inner:
            inner.setattr("sys.stdout", file)
            return run(shlex.join(words[:place] + words[place + 2 :]).replace("'<'", "<"), folder, patch)
    if "<" in words:
        place = words.index("<")
        patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((folder / words[place + 1]).read_bytes())))
        words = words[:place] + words[place + 2 :]
    return main(words[1:])

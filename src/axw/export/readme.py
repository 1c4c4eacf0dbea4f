"""The README.md of an export: how it is loaded, and what was proved."""

from __future__ import annotations

from axw.export.proof import Proof
from axw.export.questions import Subject
from axw.version import __version__

_USE = {
    "huggingface words": """\
from transformers import pipeline

fill = pipeline("fill-mask", model="THIS_FOLDER")
fill("I like to [MASK] in the winter.")
""",
    "huggingface": """\
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

tokenizer, model = (each.from_pretrained("THIS_FOLDER") for each in (AutoTokenizer, AutoModelForSeq2SeqLM))
ids = model.generate(**tokenizer(["A line."], return_tensors="pt"))
tokenizer.batch_decode(ids, skip_special_tokens=True)
""",
    "ctranslate2": """\
import ctranslate2
from tokenizers import Tokenizer

translator = ctranslate2.Translator("THIS_FOLDER")
tokenizer = Tokenizer.from_file("THIS_FOLDER/tokenizer.json")
pieces = tokenizer.encode("A line.").tokens
said = translator.translate_batch([pieces], beam_size=5)[0].hypotheses[0]
""",
    "onnx words": """\
import onnxruntime
from tokenizers import Tokenizer

session = onnxruntime.InferenceSession("THIS_FOLDER/model.onnx")
tokenizer = Tokenizer.from_file("THIS_FOLDER/tokenizer.json")
(log_p,) = session.run(None, {"ids": [tokenizer.encode("I like to [MASK] .").ids]})
""",
    "onnx": """\
from axw.export.onnx.answers import OnnxDecoder             # 60 lines: what a step is given, and what it gives

decoder = OnnxDecoder.load("THIS_FOLDER")
""",
    "safetensors": """\
from safetensors.numpy import load_file

weights = load_file("THIS_FOLDER/model.safetensors")       # config.json says the settings, the ids and the shapes
""",
}


def readme(given: Subject, to: str, proof: Proof) -> str:
    """Markdown."""
    use = _USE.get(f"{to} words" if given.guesses else to, _USE[to])
    what = "A masked-word model" if given.guesses else "A model that turns one text into another"
    lines = [
        f"# {what}, for {to}",
        "",
        f"Exported by axw {__version__}: {proof}.",
        "",
        "```python",
        use.rstrip(),
        "```",
        "",
    ]
    if given.target is not given.source:
        lines += ["The target has a vocabulary of its own: target-tokenizer.json.", ""]
    lines += ["proof.json says what was compared, MANIFEST.json the SHA-256 of each file.", ""]
    return "\n".join(lines)

"""An exported graph run by onnxruntime: as a decoder that the one search steps with, or as a guesser of hidden words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from axw.data.vocabulary import BOS, PAD
from axw.export.answers import Decodes
from axw.export.installed import installed


class OnnxState(NamedTuple):
    """source: arrays (b ...) that stay;  said: arrays (b w ...) that change, in the order of the step's inputs."""

    source: tuple[Tensor, ...]
    said: tuple[Tensor, ...]


class OnnxDecoder:
    """encoder.onnx and step.onnx of a folder, as a decoder of `axw.decoding.search`."""

    def __init__(self, encoder: Any, step: Any) -> None:
        self.encoder, self.session = encoder, step
        names = [each.name for each in step.get_inputs()]
        self.source = [name for name in names if name.startswith("source_")]
        self.said = [name for name in names if name.startswith("said_")]

    @classmethod
    def load(cls, folder: str | Path) -> OnnxDecoder:
        """The graphs of an exported folder. `UsageError` where onnxruntime is not installed."""
        return cls(session(Path(folder) / "encoder.onnx"), session(Path(folder) / "step.onnx"))

    def begin(self, source: Tensor) -> tuple[OnnxDecoder, OnnxState]:
        """source (b m) of ids, 0 for padding -> what the search steps with, and its first state."""
        found = dict(
            zip((each.name for each in self.encoder.get_outputs()), self._run(self.encoder, source=source), strict=True)
        )
        kept = tuple(found[name] for name in self.source)
        return self, OnnxState(kept, tuple(found[name] for name in self.said))

    def step(self, tokens: Tensor, state: OnnxState) -> tuple[Tensor, OnnxState]:
        """As `axw.decoding.Decoder.step`."""
        b, w = tokens.shape
        said = [part if part.shape[1] == w else part.expand(b, w, *part.shape[2:]) for part in state.said]
        given = dict(zip([*self.source, *self.said], [*state.source, *said], strict=True))
        found = dict(
            zip(
                (each.name for each in self.session.get_outputs()),
                self._run(self.session, tokens=tokens, **given),
                strict=True,
            )
        )
        after = tuple(found[name.replace("said_", "next_")] for name in self.said)
        return found["log_p"], state._replace(said=after)

    def select(self, state: OnnxState, sentences: Tensor, parents: Tensor) -> OnnxState:
        """As `axw.decoding.Decoder.select`."""
        source = tuple(part[sentences] for part in state.source)
        return OnnxState(source, tuple(part[sentences[:, None], parents] for part in state.said))

    def _run(self, session: Any, **given: Tensor) -> list[Tensor]:
        return [
            torch.from_numpy(array) for array in session.run(None, {name: part.numpy() for name, part in given.items()})
        ]


class OnnxGuesses:
    """model.onnx of a folder."""

    def __init__(self, folder: Path) -> None:
        self.session = session(folder / "model.onnx")

    def log_p(self, ids: np.ndarray) -> np.ndarray:
        return np.asarray(self.session.run(["log_p"], {"ids": ids})[0])


def session(path: Path) -> Any:
    """onnxruntime with one thread of its own for each graph, so that two graphs do not fight for cores."""
    runtime = installed("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = max(1, torch.get_num_threads())
    options.log_severity_level = 3
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def writes(folder: Path) -> Decodes:
    """The proof's way to ask: axw's own search over the graph's steps."""
    decoder = OnnxDecoder.load(folder)
    return Decodes(decoder.begin, (PAD, BOS))

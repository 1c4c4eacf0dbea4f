"""What a network after Luong, Pham and Manning 2015 is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from axw.errors import UsageError, did_you_mean

SCORES = ("dot", "general", "concat", "concat-paper", "location", "none")
WINDOWS = ("global", "local-m", "local-p")
SHARED = ("all", "target", "none")


@dataclass(frozen=True, kw_only=True)
class LuongSettings:
    """The choices of Luong et al. 2015, by their names.

    layers           LSTM layers of the encoder, and of the decoder
    d_model          cells of a layer;  d_embedding: width of a word (None: d_model)
    score            dot, general, concat (whole W_a), concat-paper (its memory half fixed to the identity: footnote 15),
                     location; none: no attention, the decoder knows the source by its first state alone (the base of Table 1)
    window           global; local-m (p_t = t); local-p (p_t predicted);  window_width is D
    input_feeding    whether step t reads what step t-1 answered (section 3.3)
    reverse          whether the encoder reads the source backwards. The memory stays in the order of the source
    dropout          on what enters a layer and leaves the last, never from step to step (Zaremba et al. 2015)
    initial_range    first weights are uniform in [-initial_range, initial_range]
    alignment_shift  which word A of step t belongs to: the "input" word that the step reads, or the "output" word that it
                     predicts (footnote 14). None: "output" for location, "input" for scores that look at the words
    shared           which of source embedding, target embedding and output are one matrix: all, target (the last two), none
    longest          places that `location` knows
    """

    layers: int = 2
    d_model: int = 512
    d_embedding: int | None = None
    score: str = "general"
    window: str = "global"
    window_width: int = 10
    input_feeding: bool = True
    reverse: bool = True
    dropout: float = 0.2
    initial_range: float = 0.1
    alignment_shift: Literal["input", "output"] | None = None
    shared: Literal["all", "target", "none"] = "none"
    longest: int = 100

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {getattr(self, name)}; allowed: 1 or more."
            for name in ("layers", "d_model", "d_embedding", "window_width", "longest")
            if getattr(self, name) is not None and getattr(self, name) < 1
        ]
        if not 0.0 <= self.dropout < 1.0:
            wrong.append(f"dropout is {self.dropout}; allowed: 0 or more, below 1.")
        if not self.initial_range > 0.0:
            wrong.append(f"initial_range is {self.initial_range}; allowed: above 0.")
        allowed: dict[str, tuple[str | None, ...]] = {"score": SCORES, "window": WINDOWS, "shared": SHARED}
        allowed["alignment_shift"] = (None, "input", "output")
        wrong += [
            f"{name} is {getattr(self, name)!r}. {did_you_mean(str(getattr(self, name)), [str(n) for n in names])}"
            for name, names in allowed.items()
            if getattr(self, name) not in names
        ]
        if self.score == "none" and (self.window != "global" or self.input_feeding):
            wrong.append(
                f"score is none with window {self.window}, input_feeding {self.input_feeding}; "
                "allowed without attention: global, false."
            )
        if self.shared != "none" and self.embedding_width != self.d_model:
            wrong.append(
                f"shared is {self.shared!r} with d_embedding {self.d_embedding}, d_model {self.d_model}; "
                "allowed: equal widths, or shared none."
            )
        if wrong:
            raise UsageError(" ".join(wrong), "In the settings of the network.", "Correct each of them.")

    @property
    def embedding_width(self) -> int:
        return self.d_model if self.d_embedding is None else self.d_embedding

    @property
    def aligned_word(self) -> Literal["input", "output"]:
        """The word that A of a step belongs to, by footnote 14 where the setting does not say."""
        if self.alignment_shift is not None:
            return self.alignment_shift
        return "output" if self.score == "location" else "input"

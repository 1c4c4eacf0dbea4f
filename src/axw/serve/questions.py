"""What may be asked: the schema of every request, with a bound on every number and every length."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from axw.serve.limits import BEAM, CHARACTERS, COLUMNS, EXPLAINED, ITEMS, LARGEST, TOP

Line = Annotated[str, Field(max_length=CHARACTERS)]
Lines = Annotated[list[Line], Field(min_length=1, max_length=ITEMS)]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Whole = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Value = bool | Whole | Number | Line | None
Row = Annotated[dict[Line, Value], Field(max_length=COLUMNS)]
Name = Annotated[str, Field(min_length=1, max_length=CHARACTERS)] | Whole
Beam = Annotated[int, Field(ge=1, le=BEAM)]


class Question(BaseModel):
    """Nothing is guessed: an unknown name is an error, and "1" is no number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RowsQuestion(Question):
    """Rows of a table: {column: value}; `ids` names them where the model knows rows by the index of its table."""

    rows: list[Row] = Field(min_length=1, max_length=ITEMS)
    ids: list[Name] | None = Field(default=None, min_length=1, max_length=ITEMS)


class LinesQuestion(Question):
    """Lines of text."""

    lines: Lines


class FillQuestion(Question):
    """Lines with [MASK] in them; `top` words for each."""

    lines: Lines
    top: int = Field(default=5, ge=1, le=TOP)
    order: Literal["together", "left-to-right"] = "together"


class TranslateQuestion(Question):
    """Lines to translate; `beam` hypotheses are followed at once (null: as the model was saved), the `nbest` best are told."""

    lines: Lines
    beam: Beam | None = None
    nbest: int = Field(default=1, ge=1, le=BEAM)


class ParseQuestion(Question):
    """Sentences, their words with blanks between them."""

    lines: Lines
    beam: Beam | None = None


class ExplainRowsQuestion(Question):
    """Rows of a table whose answers are to be explained; `pictures`: as SVG, too."""

    rows: list[Row] = Field(min_length=1, max_length=EXPLAINED)
    ids: list[Name] | None = Field(default=None, min_length=1, max_length=EXPLAINED)
    pictures: bool = False


class ExplainLineQuestion(Question):
    """One line whose attention is asked for; `target`: what it was turned into (null: the model's own translation); `unit`: of
    its words, or of the pieces that the network reads; `pictures`: as SVG, too."""

    line: Line
    target: Line | None = None
    unit: Literal["words", "pieces"] = Field(
        default="words", description="What source, target, reads and pictures are of: words, or the pieces of words."
    )
    pictures: bool = False


class Answered(BaseModel):
    """One answer for each row or line, in their order."""

    model: str
    answers: list[dict[str, Any]]


class ErrorText(BaseModel):
    """Why there is no answer."""

    code: str
    message: str
    request_id: str
    limit: float | None = None
    got: float | None = None
    item: int | None = None


class Error(BaseModel):
    """The body of every answer that is none."""

    error: ErrorText

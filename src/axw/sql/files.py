"""The Parquet that an engine is to read or write, looked at before it does."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from axw.errors import DataError, UsageError


def one_case(names: Iterable[str], where: str) -> None:
    """`DataError` where two names differ only in upper and lower case, which SQL does not tell apart."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise DataError(
                f"The columns {other!r} and {name!r} differ only in upper and lower case, which SQL does not tell apart.",
                where,
                "Rename one of them.",
            )


def parquet(path: str | os.PathLike[str], nanoseconds: bool) -> str:
    """The path as text, local files looked at: `DataError` where there is nothing, or no Parquet."""
    text = os.fspath(path)
    if "://" in text:
        return text
    files = sorted(Path().glob(text)) if _pattern(text) and not Path(text).is_absolute() else [Path(text)]
    if _pattern(text) and Path(text).is_absolute():
        files = sorted(Path("/").glob(text.lstrip("/")))
    if len(files) == 1 and files[0].is_dir():
        files, text = sorted(files[0].glob("*.parquet")), os.path.join(text, "*.parquet")
    if not files or not files[0].is_file():
        raise DataError(f"There is no file {text}.", text, "Check the path.")
    with files[0].open("rb") as file:
        if file.read(4) != b"PAR1":
            raise DataError(
                f"{files[0]} is not Parquet, which is what SQL engines read.",
                text,
                "Write the table as Parquet (pandas: frame.to_parquet), or use the engine memory, which reads CSV.",
            )
    _check_schema(files[0], nanoseconds)
    return text


def _check_schema(file: Path, nanoseconds: bool) -> None:
    """The names in the file itself: an engine may have renamed one of two by the time that it shows them."""
    import pyarrow.parquet

    try:
        schema = pyarrow.parquet.read_schema(file)
    except (OSError, ValueError) as error:
        raise DataError(f"{file} is damaged: {str(error)[:120]}", str(file), "Copy or write it again.") from error
    one_case(schema.names, str(file))
    fine = [field.name for field in schema if str(field.type).startswith("timestamp[ns")]
    if fine and not nanoseconds:
        raise DataError(
            f"Column {fine[0]!r} holds timestamps of nanoseconds, which Spark does not read.",
            str(file),
            "Write it with microseconds: frame.to_parquet(path, coerce_timestamps='us', allow_truncated_timestamps=True).",
        )


def _pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def free(path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    if target.exists():
        raise UsageError(f"{target} is there already.", str(target), "Name another file, or remove it.")
    return target

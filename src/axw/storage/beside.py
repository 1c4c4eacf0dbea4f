"""Reports that lie beside a model in its folder: written for people, never read by a program, and not in the manifest."""

from __future__ import annotations

import re
from pathlib import Path

from axw.errors import AxwError
from axw.storage.disk import REAL, Disk, read_bounded
from axw.storage.files import json_from_bytes

VERDICT = '<div class="verdict" role="note">'  # what each page of a report has, and no other page
_PAGE = b'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy"'
_NAME = re.compile(r"report(-.+)?\.(html|json)")
_MOST_BYTES = 1 << 26


def is_report_name(name: str) -> bool:
    """report.html of a fit, report-test.html of an evaluation, and the JSON of both."""
    return _NAME.fullmatch(name) is not None


def is_report(path: Path, disk: Disk = REAL) -> bool:
    """Whether the file is a page of a report that axw wrote, or the JSON beside one; only such a file is replaced."""
    try:
        data = read_bounded(path, _MOST_BYTES, disk)
        if path.suffix != ".json":
            return data.startswith(_PAGE) and VERDICT.encode() in data
        value = json_from_bytes(data, f"In {str(path)!r}.")
    except (OSError, AxwError):
        return False
    return isinstance(value, dict) and str(value.get("schema", "")).startswith("axw.") and "title" in value

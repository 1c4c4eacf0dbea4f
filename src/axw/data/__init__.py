"""Readers of tables, lines, pairs and trees; columns, findings, and the bundled samples."""

from axw.data.columns import Columns
from axw.data.findings import Finding, check, findings_to_dict, findings_to_text
from axw.data.line_file import LineFile
from axw.data.lines import LinePolicy, LineReport, read_lines
from axw.data.pairs import Pair, PairFile
from axw.data.tables import as_frame, read_table
from axw.data.trees import Tree, read_trees, unwrap

__all__ = [
    "Columns",
    "Finding",
    "LineFile",
    "LinePolicy",
    "LineReport",
    "Pair",
    "PairFile",
    "Tree",
    "as_frame",
    "check",
    "findings_to_dict",
    "findings_to_text",
    "read_lines",
    "read_table",
    "read_trees",
    "unwrap",
]

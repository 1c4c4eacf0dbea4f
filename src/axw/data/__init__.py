"""Readers of tables, lines, pairs, trees; vocabularies, batches and masks of words; columns, findings; the bundled samples."""

from axw.data.batches import batches_by_length, pad
from axw.data.columns import Columns
from axw.data.findings import Finding, check, findings_to_dict, findings_to_text
from axw.data.line_file import LineFile
from axw.data.lines import LinePolicy, LineReport, read_lines
from axw.data.masking import Masked, mask_spans, mask_words
from axw.data.pairs import Pair, PairFile
from axw.data.sentences import Sentences
from axw.data.span_filling import SpansToFill, fill_spans
from axw.data.subword_sampling import SubwordSampler
from axw.data.tables import as_frame, read_table
from axw.data.tree_file import TreeFile
from axw.data.trees import Tree, read_trees, unwrap
from axw.data.vocabulary import BOS, EOS, MASK, PAD, UNK, Vocabulary

__all__ = [
    "BOS",
    "EOS",
    "MASK",
    "PAD",
    "UNK",
    "Columns",
    "Finding",
    "LineFile",
    "LinePolicy",
    "LineReport",
    "Masked",
    "Pair",
    "PairFile",
    "Sentences",
    "SpansToFill",
    "SubwordSampler",
    "Tree",
    "TreeFile",
    "Vocabulary",
    "as_frame",
    "batches_by_length",
    "check",
    "fill_spans",
    "findings_to_dict",
    "findings_to_text",
    "mask_spans",
    "mask_words",
    "pad",
    "read_lines",
    "read_table",
    "read_trees",
    "unwrap",
]

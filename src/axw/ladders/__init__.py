"""Which rung pays: models that extend each other, fitted on the same folds and compared pair by pair."""

from axw.ladders.by_group import ByGroup, GroupLine, Homophily
from axw.ladders.held_out import HeldOut
from axw.ladders.result import Cell, Ladder, Row
from axw.ladders.run import ladder
from axw.ladders.rungs import Rung, table_rungs
from axw.ladders.splitters import AsOf, KnownNeighbours, NewGroups
from axw.ladders.statistics import Interval, corrected_interval, holm, holm_intervals
from axw.ladders.verdict import Answer, Choice, Comparison, Question

__all__ = [
    "Answer",
    "AsOf",
    "ByGroup",
    "Cell",
    "Choice",
    "Comparison",
    "GroupLine",
    "HeldOut",
    "Homophily",
    "Interval",
    "KnownNeighbours",
    "Ladder",
    "NewGroups",
    "Question",
    "Row",
    "Rung",
    "corrected_interval",
    "holm",
    "holm_intervals",
    "ladder",
    "table_rungs",
]

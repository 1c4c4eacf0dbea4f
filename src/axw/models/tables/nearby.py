"""The part of the memory that a few new rows may read, found by key and not by a look at every remembered row."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from axw.models.tables.problem import TableRows
from axw.models.tables.reading import Reader
from axw.models.tables.smoothing import SmoothingStep
from axw.relations import KeyIndex, RowIndex
from axw.relations.keys import objects

# Where more than one row asks for so many that are remembered, a pass over the whole memory is as fast.
FEW = 8


@dataclass(frozen=True)
class MemoryIndex:
    """What is kept with a memory, so that predicting costs work in proportion to what new rows read.

    ids        the remembered names, where a new row may be the same as a remembered one by its place alone
    relations  an index a relation; None where the rung reads all rows, or a relation (`Near`) has none
    """

    ids: KeyIndex | None
    relations: tuple[RowIndex, ...] | None

    @classmethod
    def of(cls, step: Any, memory: TableRows, reader: Reader) -> MemoryIndex:
        ids = None if reader.named or reader.positions else KeyIndex(objects(memory.rows.ids))
        # Smoothing reads rows that are many hops away, from everywhere: it has no near part.
        relations = () if isinstance(step, SmoothingStep) else step.relations
        found = [relation.index(memory.rows) for relation in relations]
        known = tuple(index for index in found if index is not None)
        return cls(ids, known if found and len(known) == len(found) else None)

    def part(self, step: Any, asking: TableRows, memory: TableRows) -> tuple[Any, TableRows]:
        """The step and the memory as these rows need them: the answer is the same as with all of it."""
        if self.relations is None or FEW * len(asking.X) > len(memory.X):
            return step, memory
        cuts = [index.cut(asking.rows) for index in self.relations]
        near = copy.copy(step)
        near.relations = tuple(cut.relation for cut in cuts)
        places = np.unique(np.concatenate([cut.places for cut in cuts]))
        return near, memory.take(
            places if len(places) else np.zeros(1, np.int64)
        )  # padded places need a row to point at

"""A linear or graph rung as one SELECT in DuckDB's SQL, with the rows that it reads as Parquet beside it."""

from __future__ import annotations

import io
import math
import re
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from axw.errors import UsageError
from axw.export.table_proof import TableProof, proved
from axw.models.tables.linear import LinearStep, gram
from axw.models.tables.reading import names_of
from axw.relations import Edges, Ref, SameValue
from axw.storage import write_bytes
from axw.storage.foreign import remove_tree, scratch_folder

PROVED = 1e-9
ROWS, MEMORY = "rows", "memory"
_NEW = 10**12  # the first name of rows that are new to a model whose rows have no names
_ANSWER = re.compile(r"prediction|(p|score)_\d+")  # columns of the answer


def faults(model: Any) -> list[str]:
    """Why the model cannot be said in SQL."""
    if not isinstance(model.step_, LinearStep):
        return [f"attention={model.attention!r} is no sum of columns that SQL can form."]
    wrong = [f"{one!r} is no join by keys." for one in _related(model) if not isinstance(one, SameValue | Ref | Edges)]
    if model.target_.kind == "numbers" and len(model.targets_) > 1:
        wrong.append("It predicts several numbers at once.")
    if model._reader.hashing is not None and _related(model):
        wrong.append("Its remembered keys are hashes (context='hashed').")
    if model.id is not None and _ANSWER.fullmatch(str(model.id).casefold()):
        wrong.append(f"Its id column {model.id!r} is called like a column of the answer; rename it, and fit again.")
    return wrong


def _related(model: Any) -> tuple[Any, ...]:
    return tuple(model.step_.relations) if model.step_.attention == "given" else ()


def id_column(model: Any) -> str:
    """The column of `rows` that names them; the answer has it too."""
    if model.id is not None:
        return str(model.id)
    used = {str(name).casefold() for name in (*model._reader.columns.used, *model._reader.keys)}
    names = chain(("row", "row_id", "axw_row"), (f"axw_row_{number}" for number in count(2)))
    return next(name for name in names if name not in used)


def files(model: Any, X: pd.DataFrame) -> dict[str, bytes]:
    """predict.sql, and what it reads. X: rows like those that will be asked, from which the types of the columns are read."""
    made = {}
    if _related(model):
        made["memory.parquet"] = _parquet(_memory(model))
    for place, relation in enumerate(_related(model)):
        if isinstance(relation, Edges):
            made[f"edges{place}.parquet"] = _parquet(relation.frame())
    scratch = scratch_folder()
    try:
        for name, data in (made | {f"{ROWS}.parquet": _parquet(asked(model, X))}).items():
            write_bytes(scratch / name, data)
        return {"predict.sql": (_select(model, scratch) + "\n").encode(), **made}
    finally:
        remove_tree(scratch)


def asked(model: Any, X: pd.DataFrame) -> pd.DataFrame:
    """The rows as a table `rows`: with a column that names them."""
    name = id_column(model)
    if model.id is not None:
        return X
    ids = pd.Series(names_of(model._reader.rows(X))) if model._reader.named else pd.Series(range(len(X)))
    return X.reset_index(drop=True).assign(**{name: ids.infer_objects()})


def _memory(model: Any) -> pd.DataFrame:
    """row, key0 ..., x0 ..., y0 ...: the remembered rows, their keys, their columns as numbers, and their labels."""
    memory = model.memory_
    ids = pd.Series(memory.rows.ids, dtype=object).infer_objects()
    if not model._reader.named:  # a place in a table is no name: no new row is one of these
        ids = pd.Series(np.full(len(memory.X), None), dtype="Int64")
    keys = {f"key{place}": memory.rows.columns[name].reset_index(drop=True) for place, name in enumerate(_keys(model))}
    columns = {f"x{place}": memory.X[:, place] for place in range(memory.X.shape[1])}
    labels = {f"y{place}": memory.Y[:, place] for place in range(memory.Y.shape[1])} if model.step_.labels else {}
    return pd.DataFrame({"row": ids, **keys, **columns, **labels})


def _keys(model: Any) -> list[str]:
    from axw.sql.relations import key_columns

    return key_columns([one for one in _related(model) if not isinstance(one, Edges)])


def _parquet(frame: pd.DataFrame) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    try:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UsageError(
            f"A column holds values of several kinds, which no database does: {str(error)[:120]}",
            "export to sql",
            "Write each column as numbers or as text, and fit again.",
        ) from error
    return buffer.getvalue()


def _select(model: Any, folder: Path) -> str:
    """The query. `axw.sql` says the model as one expression, as it does where a table outgrows memory."""
    import sqlglot  # Ibis writes its queries with it

    from axw.sql import DuckDB, EdgeTable, Form
    from axw.sql.model import SqlModel
    from axw.sql.relations import known
    from axw.sql.target import Answer

    class OneSelect(DuckDB):
        """Keeps nothing on the way: what it is asked stays one expression. A file is a table of its name."""

        def keep(self, table: Any) -> Any:
            return table

        def drop(self, table: Any) -> None:
            pass

        def read(self, path: Any) -> Any:
            name = Path(path).stem
            with self._working(f"read {path}"):
                _view(self.backend.con, name, Path(path))
                return self.backend.table(name)

    relations = tuple(
        EdgeTable(folder / f"edges{place}.parquet", one.source, one.target, one.weight, both=one.both)
        if isinstance(one, Edges)
        else one
        for place, one in enumerate(_related(model))
    )
    W = gram(model.memory_) @ model.fitted_.W if model.step_.attention == "dot" else model.fitted_.W
    form = Form(model._reader.columns, relations, id_column(model), None, bool(model.step_.labels and relations))
    answer = Answer(model.targets_[0], getattr(model, "classes_", None), model.target_)
    said = SqlModel(form, answer, W, model.fitted_.b, 0.0, model.temperature_, None, 0, ())
    with OneSelect(threads=1) as engine:
        asking = form.rows(engine, engine.read(folder / f"{ROWS}.parquet"))
        memory = asking
        if relations:
            table = engine.read(folder / f"{MEMORY}.parquet")
            names = [name for name in table.columns if name[0] in "rk"]
            memory = table.mutate(**{name: known(table[name]) for name in names})
        found = said.outputs(engine, asking, memory, unit=_unit(model))
        scores = {f"score_{k}": found[f"o{k}"] for k in range(len(said.b))} if answer.classes is not None else {}
        query = engine.sql(found.select(form.id, **said.answers(found), **scores))
    return str(sqlglot.transpile(query, read="duckdb", write="duckdb", pretty=True)[0])


def _unit(model: Any) -> float:
    """As fine as whole numbers of 64 bits allow where all labels are added up."""
    if not model.step_.labels or not _related(model):
        return 2.0**-30
    most = float(np.abs(model.target_.standard(model.memory_.Y)).max(initial=1.0)) * max(1, len(model.memory_.X))
    return 2.0 ** -min(44, 61 - math.ceil(math.log2(most)))


def _view(connection: Any, name: str, path: Path) -> None:
    said = str(path).replace("'", "''")
    connection.execute(f"CREATE VIEW \"{name}\" AS SELECT * FROM read_parquet('{said}')")


def prove(model: Any, made: dict[str, bytes], X: pd.DataFrame) -> TableProof:
    """The SELECT, run by DuckDB over the files, gives what the model gives."""
    from axw.sql.installed import installed

    duckdb = installed("duckdb")
    scratch = scratch_folder()
    if not model._reader.named:
        X = X.set_axis(range(_NEW, _NEW + len(X)))  # to the SELECT no row is one that is remembered
    rows = asked(model, X)
    try:
        for name, data in (made | {f"{ROWS}.parquet": _parquet(rows)}).items():
            write_bytes(scratch / name, data)
        with duckdb.connect() as connection:
            for path in sorted(scratch.glob("*.parquet")):
                _view(connection, path.stem, path)
            found = connection.sql(made["predict.sql"].decode()).df()
    except duckdb.Error as error:
        raise UsageError(f"DuckDB does not run the query: {str(error)[:200]}", "export to sql") from error
    finally:
        remove_tree(scratch)
    name = id_column(model)
    found = found.set_index(name).reindex(pd.Index(rows[name]))
    if model.target_.kind == "classes":
        theirs = found[[f"p_{k}" for k in range(len(model.classes_))]].to_numpy(float)
        return proved("sql", model.predict_proba(X), theirs, PROVED, "the probability")
    return proved(
        "sql", np.asarray(model.predict(X))[:, None], found[["prediction"]].to_numpy(float), PROVED, "the prediction"
    )


_USE = """\
predict.sql is one SELECT for DuckDB. It reads a table `rows` (the rows that ask, with the columns that the model was fitted on
and a column `{id}` that names them){reads}:

```python
import duckdb

with duckdb.connect() as db:
    for name in {names}:
        db.execute(f"CREATE VIEW {{name}} AS FROM '{{name}}.parquet'")
    db.execute("CREATE VIEW rows AS FROM 'new.parquet'")
    answers = db.sql(open("predict.sql").read()).df()
```

The answer has `{id}`, `prediction` and, for classes, `p_0`, `p_1`, ... in the order of {classes}, and `score_0`, ...: the
log-odds of the second of two classes, or a score a class. A row that is among the remembered ones by its
name does not read itself.
"""


def use(model: Any) -> str:
    """How it is run."""
    names = [MEMORY] * bool(_related(model))
    names += [f"edges{place}" for place, one in enumerate(_related(model)) if isinstance(one, Edges)]
    reads = f", and {' and '.join(f'`{name}`' for name in names)}, which lie beside it" if names else ""
    classes = getattr(model, "classes_", None)
    listed = "the classes" if classes is None else ", ".join(map(repr, classes.tolist()))
    return _USE.format(id=id_column(model), reads=reads, names=names, classes=listed)

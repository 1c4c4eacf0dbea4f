"""A X for tables that outgrow memory, as Ibis expressions: on DuckDB by default, on Spark where one machine is outgrown.

    with axw.sql.DuckDB(memory="4GB") as engine:
        calls = EdgeTable("calls.parquet", "caller", "called")
        model = fit(engine, engine.read("customers.parquet"), "defaulted", relations=[calls], labels=True, id="customer")
        save(model, "calls.axw")

Importing this room needs the extra: pip install 'axw[sql]'; Spark needs 'axw[spark]' and Java 17 or later.
"""

from axw.sql.columns import fit_columns, transform
from axw.sql.design import Form, design
from axw.sql.engine import ENGINES, DuckDB, Engine, Spark, connect
from axw.sql.given import Entries, Groups, SqlGiven
from axw.sql.model import SqlModel, fit
from axw.sql.propagate import propagate
from axw.sql.relations import EdgeTable, edges, given
from axw.sql.remember import to_estimator
from axw.sql.saved import load, save
from axw.sql.solve import gram, logistic, ridge

__all__ = [
    "ENGINES",
    "DuckDB",
    "EdgeTable",
    "Engine",
    "Entries",
    "Form",
    "Groups",
    "Spark",
    "SqlGiven",
    "SqlModel",
    "connect",
    "design",
    "edges",
    "fit",
    "fit_columns",
    "given",
    "gram",
    "load",
    "logistic",
    "propagate",
    "ridge",
    "save",
    "to_estimator",
    "transform",
]

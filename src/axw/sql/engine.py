"""The engines that carry out A X: DuckDB in this process, Spark on one machine or a cluster.

Both are asked in Ibis expressions, so there is one formula and not one for each engine. An engine reads Parquet, keeps what is
used again, and gives small answers (sums, counts) back as Arrow tables. Rows stay where they are.
"""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from axw.errors import AxwError, ResourceError, UsageError, did_you_mean
from axw.sql.files import free, one_case, parquet
from axw.sql.installed import ibis, installed
from axw.sql.limits import engine_limit
from axw.storage.foreign import published, remove_tree, scratch_folder

if TYPE_CHECKING:
    import pyarrow as pa
    from ibis.expr.types import Table

ENGINES = ("duckdb", "spark")


class Engine(ABC):
    """Where the tables are. Use it in a `with`: what it kept is thrown away at the end.

    name      "duckdb" or "spark"
    backend   the Ibis backend, to which any expression over its tables may be given
    """

    name: str
    backend: Any
    nanoseconds: bool = True
    """It reads timestamps of nanoseconds."""
    together: int = 1_000
    """Sums that one query asks for."""
    _tables: list[Table]

    def read(self, path: str | os.PathLike[str]) -> Table:
        """The Parquet file, folder of Parquet files, or pattern (`rows/*.parquet`). Nothing is loaded yet.

        Raises `DataError` where there is none, it is not Parquet, or two columns differ only in upper and lower case.
        """
        place = parquet(path, nanoseconds=self.nanoseconds)
        with self._working(f"read {place}"):
            table: Table = self.backend.read_parquet(place)
        one_case(table.columns, place)
        return table

    @abstractmethod
    def keep(self, table: Table) -> Table:
        """The same table, computed now and once; on disk where memory is short. For what is read again and again."""

    @abstractmethod
    def drop(self, table: Table) -> None:
        """Throw away a table that was kept."""

    def fetch(self, table: Table) -> pa.Table:
        """The rows of a small answer, in this process."""
        return self.query(self.sql(table))

    def sql(self, table: Table) -> str:
        """The expression as this engine's SQL."""
        with self._working("write a query"):
            return str(self.backend.compile(table))

    @abstractmethod
    def query(self, sql: str) -> pa.Table:
        """The rows that a query in the engine's SQL gives, in this process."""

    @abstractmethod
    def write(self, table: Table, path: str | os.PathLike[str]) -> None:
        """Write a table as Parquet: whole, or not at all. Raises `UsageError` where `path` is there already."""

    @abstractmethod
    def seconds(self, moment: Any) -> Any:
        """Seconds since 1970-01-01 UTC of a timestamp, with their fraction: the engines say this one thing differently."""

    @abstractmethod
    def close(self) -> None:
        """Throw away what was kept."""

    @abstractmethod
    def _faults(self) -> tuple[type[BaseException], ...]:
        """The errors by which this engine says that it cannot go on."""

    @contextmanager
    def passing(self) -> Iterator[None]:
        """What is kept inside is thrown away at its end."""
        before = list(self._tables)
        try:
            yield
        finally:
            for table in [table for table in self._tables if not any(table is other for other in before)]:
                with suppress(ResourceError):  # it died, and took its tables along
                    self.drop(table)

    def one(self, table: Table) -> dict[str, Any]:
        """The only row of a table, by column."""
        return dict(self.fetch(table).to_pylist()[0])

    @contextmanager
    def _working(self, doing: str) -> Iterator[None]:
        """An engine that fails, runs out of memory or dies says so in three lines; nothing has been written then."""
        with warnings.catch_warnings():
            for future in (FutureWarning, DeprecationWarning):  # the libraries' own, and not the reader's business
                warnings.simplefilter("ignore", future)
            try:
                yield
            except AxwError:
                raise
            except self._faults() as error:
                why = " ".join(str(error).split())[:300] or type(error).__name__
                why = "it has stopped" if isinstance(error, AttributeError) else why
                raise ResourceError(
                    f"The engine {self.name} could not {doing}: {why}",
                    f"engine {self.name}",
                    "Nothing was saved. Give it more memory or disk (scratch=), or fewer columns, and run again.",
                ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class DuckDB(Engine):
    """DuckDB in this process: a table may be many times larger than memory, as long as the disk holds what is kept.

    memory   most memory that this whole process may hold, such as "4GB", of which DuckDB gets seven tenths of what is free yet
             (its own limit is for its tables alone); None = four fifths of the machine's
    threads  None = all
    scratch  folder for what is kept and for what does not fit in memory; None = a temporary one. It is removed in `close`

    Raises `UsageError` where DuckDB is not installed or a setting is not one, `ResourceError` where `scratch` cannot be used.
    """

    name = "duckdb"

    def __init__(
        self,
        *,
        memory: str | None = None,
        threads: int | None = None,
        scratch: str | os.PathLike[str] | None = None,
    ) -> None:
        self._duckdb = installed("duckdb")
        limits = {"memory_limit": None if memory is None else engine_limit(memory), "threads": threads}
        try:
            self._scratch = scratch_folder(scratch)
        except OSError as error:
            raise ResourceError(
                f"No folder can be made in {scratch}: {error.strerror}.",
                "scratch",
                "Name a folder that can be written.",
            ) from error
        settings = {name: value for name, value in limits.items() if value is not None}
        self._kept, self._tables = 0, []
        try:
            self.backend = ibis.duckdb.connect(
                str(self._scratch / "kept.duckdb"),
                temp_directory=str(self._scratch / "spilled"),
                preserve_insertion_order=False,
                **settings,
            )
        except self._duckdb.Error as error:
            remove_tree(self._scratch)
            raise UsageError(
                f"DuckDB does not take these settings: {str(error).splitlines()[0]}",
                f"memory={memory!r}, threads={threads!r}",
                "Write memory='4GB', threads=2, for example.",
            ) from error

    def keep(self, table: Table) -> Table:
        self._kept += 1
        with self._working("compute a table"):
            kept: Table = self.backend.create_table(f"kept_{self._kept}", table)
        self._tables.append(kept)
        return kept

    def drop(self, table: Table) -> None:
        with self._working("drop a table"):
            self.backend.con.execute(f"DROP TABLE {table.op().name}")
        self._tables = [other for other in self._tables if other is not table]

    def query(self, sql: str) -> pa.Table:
        with self._working("answer a query"):
            return self.backend.con.sql(sql).to_arrow_table()

    def write(self, table: Table, path: str | os.PathLike[str]) -> None:
        target = free(path)
        with _writable(target), published(target) as partial, self._working(f"write {target}"):
            self.backend.to_parquet(table, str(partial))

    def seconds(self, moment: Any) -> Any:
        return moment.epoch_seconds().cast("float64")

    def close(self) -> None:
        try:
            self.backend.disconnect()
        except self._faults():
            pass  # it died before; its folder goes all the same
        finally:
            remove_tree(self._scratch)

    def _faults(self) -> tuple[type[BaseException], ...]:
        return (self._duckdb.Error, OSError)


class Spark(Engine):
    """Spark SQL: on this machine, or on the cluster that the session is connected to. The expressions are the same.

    session          a `pyspark.sql.SparkSession`, which `close` leaves running; None = one on this machine
    memory, threads  of the one on this machine, such as "4GB" and 2; None = what Spark takes, and all cores

    Files and what is written must lie where every machine of the cluster can reach them. Raises `UsageError` where PySpark is not
    installed, `ResourceError` where Java is missing or does not start.
    """

    name = "spark"
    nanoseconds = False
    together = 200  # it turns a query into Java code, and a method of Java holds no more than 64 KB

    def __init__(self, session: Any = None, *, memory: str | None = None, threads: int | None = None) -> None:
        installed("pyspark")
        self._tables = []
        self._own = session is None
        with self._working("start (is Java 17 or later installed?)"):
            self.session = _local_session(memory, threads) if session is None else session
            self.backend = ibis.pyspark.connect(self.session)

    def keep(self, table: Table) -> Table:
        with self._working("compute a table"):
            kept = table.cache()
            self.fetch(kept.agg(n=kept.count()))  # Spark waits with the work until somebody asks
        self._tables.append(kept)
        return kept

    def drop(self, table: Table) -> None:
        with self._working("drop a table"):
            table.release()
        self._tables = [other for other in self._tables if other is not table]

    def query(self, sql: str) -> pa.Table:
        with self._working("answer a query"):
            return self.session.sql(sql).toArrow()

    def write(self, table: Table, path: str | os.PathLike[str]) -> None:
        """A folder of Parquet files, as Spark writes them. It is written beside `path` and then renamed."""
        target = free(path)
        with _writable(target), published(target) as partial, self._working(f"write {target}"):
            self.session.sql(self.backend.compile(table)).write.parquet(str(partial))

    def seconds(self, moment: Any) -> Any:
        return moment.cast("timestamp('UTC')").cast("float64")  # one without a zone is no number there

    def close(self) -> None:
        try:
            for kept in self._tables:
                kept.release()
            if self._own:
                self.session.stop()
        except self._faults():
            pass  # it died before
        self._tables = []

    def _faults(self) -> tuple[type[BaseException], ...]:
        base = installed("pyspark.errors").PySparkException
        # PySpark meets a session that was stopped with an AttributeError.
        return (base, installed("py4j.protocol").Py4JError, OSError, AttributeError)


def connect(name: str, *, memory: str | None = None, threads: int | None = None) -> Engine:
    """The engine of that name, on this machine. Raises `UsageError` for another name, or where it is not installed."""
    if name not in ENGINES:
        raise UsageError(f"There is no engine {name!r}.", "engine", did_you_mean(name, ENGINES))
    if name == "duckdb":
        return DuckDB(memory=memory, threads=threads)
    return Spark(memory=memory, threads=threads)


@contextmanager
def _writable(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"{target} cannot be written: {error.strerror}."
        raise ResourceError(what, str(target), "Name another.") from error


def _local_session(memory: str | None, threads: int | None) -> Any:
    sql = installed("pyspark.sql")
    builder = sql.SparkSession.builder.appName("axw").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", "4")
    if "SPARK_MASTER" not in os.environ and "SPARK_REMOTE" not in os.environ:
        builder = builder.master(f"local[{threads or '*'}]")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    if memory is not None:
        builder = builder.config("spark.driver.memory", memory.lower().removesuffix("b"))
    session = builder.getOrCreate()
    if "SPARK_REMOTE" not in os.environ:
        session.sparkContext.setLogLevel("OFF")  # what fails is raised, and said once
    return session

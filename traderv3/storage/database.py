"""The database as the write queue and the readers see it, whichever of the two kinds it is.

Everything here blocks and belongs into a worker thread; `abort` alone may be called from another thread.
Errors: `DatabaseTrouble`, the database is away, full, locked or of another version, so try again later; `RowsRefused`,
it will never take one of these rows; `DatabaseProblem`, the URL is of no use.
Never: a row twice (`run_id`, `seq` is the key, and what is there stays); a password in a message.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from traderv3.config.limits import RETENTION
from traderv3.core.clock import WallClock
from traderv3.domain.errors import Reaction, TraderError
from traderv3.storage.rows import ROW_TYPES, Row, Stored, columns
from traderv3.storage.schema import MIGRATIONS, VERSION, VERSION_TABLE

Values = tuple[Any, ...]

CHUNK_ROWS: Final = 5_000  # read at a time: some megabytes


class DatabaseProblem(ValueError):
    """A URL that names no database, or one whose driver is not installed. A sentence for a person."""


class DatabaseTrouble(TraderError):
    """The database cannot do it now: away, locked, full, damaged, or made by a later version."""

    reaction: ClassVar[Reaction] = Reaction.RETRY


class NothingThere(DatabaseTrouble):
    """A reader found no database, or one without our tables: no trader has written there yet."""


class RowsRefused(TraderError):
    """The database understood, and will never take at least one of these rows; none was written."""

    reaction: ClassVar[Reaction] = Reaction.REPORT


class Cursor(Protocol):
    """What both drivers' cursors can. Parameters stand as `?` in the SQL."""

    def execute(self, sql: str, values: Values = (), /) -> None: ...
    def executemany(self, sql: str, rows: Sequence[Values], /) -> int: ...
    def fetchall(self) -> list[Values]: ...


class Driver(Protocol):
    """One connection to one kind of database. Every method raises `DatabaseTrouble`; `transaction` also `RowsRefused`."""

    name: str  # for people: where it is, without a password

    def connect(self) -> None:
        """Open the connection; what was open before is closed."""

    def transaction(self) -> contextlib.AbstractContextManager[Cursor]:
        """Commit at the end, or undo everything on an error."""

    def lock_schema(self, cursor: Cursor) -> None:
        """Let only one process at a time change the schema or delete rows, until the transaction ends."""

    def stream(self, sql: str, values: Values) -> Iterator[list[Values]]:
        """Read in chunks of `CHUNK_ROWS`, in the order of the query, without holding it all."""

    def abort(self) -> None:
        """End the call under way with an error, from another thread. Never waits."""

    def close(self) -> None:
        """Close the connection, if any. Never raises."""


class Database:
    """Connects by itself at the first use and again after `close`; brings the schema up to date when it connects."""

    def __init__(self, driver: Driver, *, wall_us: WallClock) -> None:
        self._driver = driver
        self._wall_us = wall_us
        self._is_open = False

    @property
    def name(self) -> str:
        """Where it is, for people."""
        return self._driver.name

    def write(self, batch: Sequence[Stored]) -> int:
        """Have all of these rows in one transaction; returns how many were not there yet.

        Raises `DatabaseTrouble` (whether they are in is not known; writing them again is right) or `RowsRefused`.
        """
        self._open()
        with self._driver.transaction() as cursor:
            ordered = sorted(batch, key=lambda stored: stored.row.table)
            return sum(
                cursor.executemany(_INSERT[table], [(it.run_id, it.seq, *_values(it.row)) for it in rows])
                for table, rows in itertools.groupby(ordered, key=lambda stored: stored.row.table)
            )

    def prune(self, table: str, before_us: int, most: int) -> int:
        """Delete up to `most` rows that are older, the oldest first; returns how many. Raises `DatabaseTrouble`."""
        self._open()
        with self._driver.transaction() as cursor:
            self._driver.lock_schema(cursor)  # two traders that delete the same rows would each wait for the other
            return cursor.executemany(_PRUNE[table], [(before_us, most)])

    def migrate(self) -> None:
        """Bring the schema up to date; part of every connecting. Raises `DatabaseTrouble` at one of a later version."""
        with self._driver.transaction() as cursor:
            self._driver.lock_schema(cursor)
            cursor.execute(VERSION_TABLE)
            cursor.execute("SELECT max(version) FROM schema_version")
            found = cursor.fetchall()[0][0] or 0
            if found > VERSION:
                msg = (
                    f"{self.name} has schema {found}, and this program knows {VERSION}: it was used by a later version"
                )
                raise DatabaseTrouble(msg)
            for version, statements in enumerate(MIGRATIONS[found:], start=found + 1):
                for statement in statements:
                    cursor.execute(statement)
                cursor.execute("INSERT INTO schema_version VALUES (?, ?)", (version, self._wall_us()))

    def abort(self) -> None:
        """End the call under way with `DatabaseTrouble`. From any thread."""
        self._driver.abort()

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        self._is_open = False
        self._driver.close()

    def _open(self) -> None:
        if not self._is_open:
            self._driver.connect()
            self.migrate()
            self._is_open = True


def open_driver(url: str, *, is_readonly: bool = False) -> Driver:
    """The driver for `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://…`. Connects to nothing yet.

    Raises `DatabaseProblem`, which never quotes the URL.
    """
    if url.startswith("sqlite:///") and url != "sqlite:///":
        from traderv3.storage.sqlite import SqliteDriver  # noqa: PLC0415 - only the driver that is used is loaded

        return SqliteDriver(Path(url.removeprefix("sqlite:///")), is_readonly=is_readonly)
    if url.startswith(("postgresql://", "postgres://")):
        try:
            from traderv3.storage.postgres import PostgresDriver  # noqa: PLC0415
        except ImportError as cause:
            msg = f"PostgreSQL needs the package psycopg, which cannot be loaded: {cause}"
            raise DatabaseProblem(msg) from None
        return PostgresDriver(url, is_readonly=is_readonly)
    msg = "the database URL is neither sqlite:///PATH nor postgresql://…"
    raise DatabaseProblem(msg)


def open_database(url: str, *, wall_us: WallClock) -> Database:
    """The database behind a URL, not connected yet. Raises `DatabaseProblem`."""
    return Database(open_driver(url), wall_us=wall_us)


def _values(row: Row) -> Values:
    return tuple(getattr(row, name) for name in row.__struct_fields__)


def _insert(table: str, names: Sequence[str]) -> str:
    marks = ", ".join("?" * (len(names) + 2))
    listed = ", ".join(("run_id", "seq", *names))
    return f"INSERT INTO {table} ({listed}) VALUES ({marks}) ON CONFLICT (run_id, seq) DO NOTHING"  # noqa: S608 - ours


_INSERT: Final = {kind.table: _insert(kind.table, columns(kind)) for kind in ROW_TYPES}
_PRUNE: Final = {
    table: f"DELETE FROM {table} WHERE (run_id, seq) IN"  # noqa: S608 - ours
    f" (SELECT run_id, seq FROM {table} WHERE at_us < ? ORDER BY at_us LIMIT ?)"
    for table in RETENTION.days
}

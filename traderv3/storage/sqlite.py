"""SQLite behind `Driver`: one file, WAL, written by one thread at a time while others may read.

Every commit is on the disk (`synchronous=FULL`): the spill forgets what the database has, and there are few commits.
Source: sqlite.org/wal.html, sqlite.org/pragma.html.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from traderv3.storage.database import CHUNK_ROWS, Cursor, DatabaseTrouble, NothingThere, RowsRefused, Values

BUSY_S: Final = 5.0  # how long another writer is waited for
_PRAGMAS: Final = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")
# What is wrong with a row and not with the database: types, NOT NULL, integers beyond 64 bits, text that is no UTF-8.
_REFUSALS: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    OverflowError,
    TypeError,
    ValueError,
)


class SqliteDriver:
    """A file, made with its folder if missing; read-only, it must be there."""

    def __init__(self, path: Path, *, is_readonly: bool = False) -> None:
        self.name = str(path)
        self._path = path.absolute()
        self._is_readonly = is_readonly
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None

    def connect(self) -> None:
        """Open the file. Raises `DatabaseTrouble`."""
        self.close()
        with self._translated():
            if self._is_readonly and not self._path.exists():
                raise NothingThere(f"there is no {self.name}")
            if not self._is_readonly:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            uri = f"{self._path.as_uri()}?mode={'ro' if self._is_readonly else 'rwc'}"
            # One thread at a time uses it, but not always the same one.
            connection = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            self._connection = connection
            if not self._is_readonly:
                for pragma in _PRAGMAS:
                    connection.execute(pragma)
            self._inode = self._found_inode()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """Commit at the end, or undo everything on an error."""
        connection = self._open_connection()
        with self._translated():
            if self._found_inode() != self._inode:
                msg = "the file was moved or replaced"
                raise sqlite3.OperationalError(msg)
            connection.execute("BEGIN" if self._is_readonly else "BEGIN IMMEDIATE")
            try:
                yield _Cursor(connection.cursor())
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # on some errors SQLite has undone it by itself
                    connection.execute("ROLLBACK")
                raise

    def lock_schema(self, cursor: Cursor) -> None:
        """Nothing to do: a transaction that may write locks the file."""

    def stream(self, sql: str, values: Values) -> Iterator[list[Values]]:
        """Read in chunks."""
        connection = self._open_connection()
        with self._translated(), contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(sql, values)
            while chunk := cursor.fetchmany(CHUNK_ROWS):
                yield chunk

    def abort(self) -> None:
        """Interrupt the query under way."""
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(sqlite3.ProgrammingError):  # closed at this very moment
                connection.interrupt()

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _open_connection(self) -> sqlite3.Connection:
        assert self._connection is not None, "connected before use"
        return self._connection

    def _found_inode(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_dev, found.st_ino

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except _REFUSALS as cause:
            raise RowsRefused(f"{type(cause).__name__}: {cause}") from cause
        except (sqlite3.Error, OSError) as cause:
            is_empty = str(cause).startswith("no such table")
            raise (NothingThere if is_empty else DatabaseTrouble)(f"{self.name}: {cause}") from cause


class _Cursor:
    """A cursor with the signatures of `Cursor`."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def execute(self, sql: str, values: Values = ()) -> None:
        self._cursor.execute(sql, values)

    def executemany(self, sql: str, rows: Sequence[Values]) -> int:
        return self._cursor.executemany(sql, rows).rowcount

    def fetchall(self) -> list[Values]:
        return self._cursor.fetchall()

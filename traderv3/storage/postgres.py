"""PostgreSQL behind `Driver`, through psycopg 3. Several traders may share one database: their runs keep them apart.

A call does not hang for ever: connecting, statements and silent networks have their limits here, and `abort` cuts the
connection. No prepared statements, so that a pooler may stand between.
Source: postgresql.org/docs, libpq "Connection Strings", "Error Codes"; psycopg.org/psycopg3/docs.
"""

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from traderv3.storage.database import (
    CHUNK_ROWS,
    Cursor,
    DatabaseProblem,
    DatabaseTrouble,
    NothingThere,
    RowsRefused,
    Values,
)

# What the URL does not say itself; seconds and, where named so, milliseconds.
DEFAULTS: Final[Mapping[str, Any]] = {
    "application_name": "traderv3",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # ms
    "options": "-c statement_timeout=20s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s",
}
_READING_OPTIONS: Final = "-c default_transaction_read_only=on"  # an export may take its time
_SCHEMA_LOCK: Final = 0x7472616465727633  # "traderv3": one number for all of them
# SQLSTATE classes and codes in which a row is at fault: data exception, integrity, text that is none, wrong type.
_REFUSALS: Final = ("22", "23", "42804", "42846")
_UNWRITABLE: Final = (TypeError, ValueError, OverflowError)  # Python's own no to a value


class PostgresDriver:
    """One connection to a server."""

    def __init__(self, url: str, *, is_readonly: bool = False) -> None:
        """Raises `DatabaseProblem` if the URL cannot be read."""
        try:
            named = conninfo_to_dict(url)
        except psycopg.ProgrammingError:  # its text quotes the URL, password and all
            msg = (
                "the database URL cannot be read; a blank or a sign such as @ or / in a password is written %40 or %2F"
            )
            raise DatabaseProblem(msg) from None
        defaults = {**DEFAULTS, **({"options": _READING_OPTIONS} if is_readonly else {})}
        self._parameters: dict[str, Any] = {**defaults, **named}
        where = named.get("host") or named.get("hostaddr") or "the local server"
        self.name = f"PostgreSQL at {where}, database {named.get('dbname') or named.get('user') or 'of the user'}"
        self._connection: psycopg.Connection[Values] | None = None

    def connect(self) -> None:
        """Connect and log in. Raises `DatabaseTrouble`."""
        self.close()
        with self._translated():
            self._connection = psycopg.connect(**self._parameters, prepare_threshold=None)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """Commit at the end, or undo everything on an error."""
        connection = self._open_connection()
        with self._translated(), connection.transaction(), connection.cursor() as cursor:
            yield _Cursor(cursor)

    def lock_schema(self, cursor: Cursor) -> None:
        """Wait for the others that are starting just now; then a change may take its time."""
        cursor.execute("SELECT pg_advisory_xact_lock(?)", (_SCHEMA_LOCK,))
        cursor.execute("SET LOCAL statement_timeout = 0")

    def stream(self, sql: str, values: Values) -> Iterator[list[Values]]:
        """Read in chunks, with a cursor on the server."""
        connection = self._open_connection()
        with self._translated(), connection.transaction(), connection.cursor("stream") as cursor:
            cursor.execute(_query(sql), values)
            while chunk := cursor.fetchmany(CHUNK_ROWS):
                yield chunk

    def abort(self) -> None:
        """Cut the connection under whoever is waiting for an answer."""
        connection = self._connection
        if connection is None:
            return
        gone_already = contextlib.suppress(OSError, psycopg.Error)
        with gone_already, socket.socket(fileno=os.dup(connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def _open_connection(self) -> psycopg.Connection[Values]:
        assert self._connection is not None, "connected before use"
        return self._connection

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.Error, *_UNWRITABLE) as cause:
            state = getattr(cause, "sqlstate", None)
            said = str(cause).partition("\n")[0].strip() or type(cause).__name__
            # Without a state psycopg itself said no: to a value (DataError, ProgrammingError), or to a dead connection.
            is_value = isinstance(cause, (psycopg.DataError, psycopg.ProgrammingError, *_UNWRITABLE))
            if is_value if state is None else state.startswith(_REFUSALS):
                raise RowsRefused(f"{type(cause).__name__}: {said}") from cause
            is_empty = isinstance(cause, psycopg.errors.UndefinedTable)
            raise (NothingThere if is_empty else DatabaseTrouble)(f"{self.name}: {said}") from cause


class _Cursor:
    """A cursor with the signatures of `Cursor`."""

    def __init__(self, cursor: psycopg.Cursor[Values]) -> None:
        self._cursor = cursor

    def execute(self, sql: str, values: Values = ()) -> None:
        self._cursor.execute(_query(sql), values)

    def executemany(self, sql: str, rows: Sequence[Values]) -> int:
        self._cursor.executemany(_query(sql), rows)
        return self._cursor.rowcount

    def fetchall(self) -> list[Values]:
        return self._cursor.fetchall()


def _query(sql: str) -> bytes:
    """psycopg's spelling; the SQL of this room has no other `?` and no `%`."""
    return sql.replace("?", "%s").encode()

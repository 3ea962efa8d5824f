"""What the console showed before the trader was started again: read back from the database, newest rows only.

Everything here blocks and belongs into a worker thread. Read-only, and from this trader's own runs: several may share
a database.
Never: an error. A database that is away, empty or damaged is an empty history, and `trouble` says why.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from traderv3.domain.feed import GAPS_KEPT, GapEntry
from traderv3.storage.database import DatabaseProblem, DatabaseTrouble, Driver, NothingThere, RowsRefused, open_driver
from traderv3.storage.rows import ConnectionRow, GapRow, TransitionRow, columns

R = TypeVar("R", TransitionRow, GapRow, ConnectionRow)

KEPT: Final = GAPS_KEPT


@dataclass(frozen=True, slots=True)
class History:
    """The newest of each kind, oldest first. `trouble` is why something may be missing, None where nothing is."""

    transitions: tuple[TransitionRow, ...] = ()
    gaps: tuple[GapEntry, ...] = ()
    connections: tuple[ConnectionRow, ...] = ()
    trouble: str | None = None


def read_history(url: str, *, environment: str, trader: str, except_run: str = "", most: int = KEPT) -> History:
    """Up to `most` rows of each kind, of this trader's runs other than `except_run` (the one that asks)."""
    whose = (environment, trader, except_run, most)
    try:
        driver = open_driver(url, is_readonly=True)
    except DatabaseProblem as cause:
        return History(trouble=str(cause))
    try:
        driver.connect()
        return History(
            transitions=_newest(driver, TransitionRow, "transitions", whose),
            gaps=tuple(_gap_entry(row) for row in _newest(driver, GapRow, "gap_journal", whose)),
            connections=_newest(driver, ConnectionRow, "connections", whose),
        )
    except NothingThere:
        return History()
    except (DatabaseTrouble, RowsRefused, msgspec.ValidationError) as cause:
        return History(trouble=str(cause))
    finally:
        driver.close()


def _newest(driver: Driver, kind: type[R], relation: str, whose: tuple[str, str, str, int]) -> tuple[R, ...]:
    sql = (
        f"SELECT {', '.join(columns(kind))} FROM {relation}"  # noqa: S608 - names of ours
        " WHERE run_id IN (SELECT run_id FROM run_started WHERE environment = ? AND trader = ?) AND run_id <> ?"
        " ORDER BY at_us DESC, seq DESC LIMIT ?"
    )
    found = [to_row(kind, values) for chunk in driver.stream(sql, whose) for values in chunk]
    return tuple(reversed(found))


def to_row(kind: type[R], values: tuple[object, ...]) -> R:
    """A row out of its columns. Raises `msgspec.ValidationError` at values that do not belong there."""
    named = {**dict(zip(columns(kind), values, strict=True)), "row": kind.__struct_config__.tag}
    return msgspec.convert(named, kind, strict=False)  # SQLite has 0 and 1 for False and True


def _gap_entry(row: GapRow) -> GapEntry:
    return GapEntry(row.connection, row.at_us, row.what, row.missing, row.books, row.how, row.stale_ms)

"""What the database keeps, as a table for a notebook: CSV, or Parquet with the optional package pyarrow.

CSV (RFC 4180, UTF-8, a header line): prices, counts and money as the venue's exact decimal strings, times as RFC 3339
UTC with microseconds, booleans `true` and `false`, a missing value empty. Parquet: decimals of the same scale,
timestamps of microseconds in UTC. A column `at_us` becomes `at`. Ordered by time, then by run and number in the run.
Never: a float; a whole table in memory; half a file under the name that was asked for.
"""

import contextlib
import csv
import importlib
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

from traderv3.domain.units import Money, Price, Qty, format_money, format_price, format_qty
from traderv3.storage.database import Driver, Values
from traderv3.storage.rows import AnyRow, BarRow, ConnectionRow, GapRow, TopRow, TradeRow, TransitionRow, columns

Format = Literal["csv", "parquet"]
FORMATS: Final[tuple[Format, ...]] = typing.get_args(Format)

_DIGITS: Final = 19  # of the largest 64-bit number
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ExportProblem(ValueError):
    """It cannot be exported like this; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """Which table or view, and the rows that are in it."""

    relation: str
    kind: type[AnyRow]

    @property
    def has_ticker(self) -> bool:
        """Whether its rows are of one market each."""
        return "ticker" in columns(self.kind)


SOURCES: Final = types.MappingProxyType(
    {
        "bars": Source("bars", BarRow),
        "trades": Source("trades", TradeRow),
        "books": Source("tops", TopRow),
        "transitions": Source("transitions", TransitionRow),
        "gaps": Source("gap_journal", GapRow),
        "connections": Source("connections", ConnectionRow),
    }
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows: `since_us` <= at < `until_us`; of these markets (all, if none is named); of one environment's runs."""

    since_us: int | None = None
    until_us: int | None = None
    tickers: tuple[str, ...] = ()
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class _Unit:
    """How one kind of value is written: as text, and in Parquet as a type and the Python value for it."""

    text: Callable[[Any], str]
    arrow: Callable[[Any], Any]  # the type, out of the module pyarrow
    value: Callable[[Any], Any] | None = None


def export(driver: Driver, what: str, chosen: Selection, out: Path, form: Format) -> int:
    """Write the rows to `out` and return how many they are.

    Raises `ExportProblem`, `DatabaseTrouble` or `OSError`; then `out` is as it was before.
    """
    source = SOURCES[what]
    if chosen.tickers and not source.has_ticker:
        msg = f"{what} are not of one market: leave --ticker out"
        raise ExportProblem(msg)
    write = _write_csv if form == "csv" else _parquet_writer()
    driver.connect()
    chunks = driver.stream(*_query(source, chosen))
    with _whole_or_nothing(out) as path:
        return write(path, source, chunks)


def _query(source: Source, chosen: Selection) -> tuple[str, Values]:
    conditions: list[str] = []
    values: list[object] = []
    for condition, value in (("at_us >= ?", chosen.since_us), ("at_us < ?", chosen.until_us)):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if chosen.tickers:
        conditions.append(f"ticker IN ({', '.join('?' * len(chosen.tickers))})")
        values += chosen.tickers
    if chosen.environment is not None:
        conditions.append("run_id IN (SELECT run_id FROM run_started WHERE environment = ?)")
        values.append(chosen.environment)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    listed = ", ".join((*columns(source.kind), "run_id", "seq"))
    return f"SELECT {listed} FROM {source.relation}{where} ORDER BY at_us, run_id, seq", tuple(values)  # noqa: S608


@contextlib.contextmanager
def _whole_or_nothing(out: Path) -> Iterator[Path]:
    """A name to write to, which becomes `out` at the end if all went well. A pipe or device is written to itself."""
    out = out.resolve()
    if out.exists() and not out.is_file():
        yield out
        return
    part = out.with_name(f"{out.name}.part")
    try:
        yield part
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


# -- columns -----------------------------------------------------------------------------------------------------------


def _rfc3339_us(at_us: int) -> str:
    return f"{_EPOCH + timedelta(microseconds=at_us):%Y-%m-%dT%H:%M:%S.%f}Z"


def _decimal(places: int) -> Callable[[int], Decimal]:
    return lambda value: Decimal(value).scaleb(-places)


_UNITS: Final[dict[object, _Unit]] = {
    Price: _Unit(format_price, lambda pa: pa.decimal128(_DIGITS, 4), _decimal(4)),
    Qty: _Unit(format_qty, lambda pa: pa.decimal128(_DIGITS, 2), _decimal(2)),
    Money: _Unit(format_money, lambda pa: pa.decimal128(_DIGITS, 6), _decimal(6)),
    bool: _Unit(lambda value: "true" if value else "false", lambda pa: pa.bool_(), bool),
    int: _Unit(str, lambda pa: pa.int64()),
    str: _Unit(str, lambda pa: pa.string()),
}
_TIME: Final = _Unit(_rfc3339_us, lambda pa: pa.timestamp("us", tz="UTC"))


def _units(kind: type[AnyRow]) -> list[tuple[str, _Unit]]:
    """Each column's name outside and its unit, `run_id` and `seq` last."""
    hints = typing.get_type_hints(kind)
    named: list[tuple[str, _Unit]] = []
    for name in columns(kind):
        hint = next((it for it in typing.get_args(hints[name]) if it is not type(None)), hints[name])
        is_time = name.endswith("_us")
        named.append((name.removesuffix("_us"), _TIME) if is_time else (name, _UNITS[hint]))
    return [*named, ("run_id", _UNITS[str]), ("seq", _UNITS[int])]


# -- formats -----------------------------------------------------------------------------------------------------------


def _write_csv(path: Path, source: Source, chunks: Iterable[list[Values]]) -> int:
    units = _units(source.kind)
    texts = [unit.text for _, unit in units]
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(name for name, _ in units)
        for chunk in chunks:
            writer.writerows(
                ["" if value is None else text(value) for text, value in zip(texts, values, strict=True)]
                for values in chunk
            )
            count += len(chunk)
    return count


def _parquet_writer() -> Callable[[Path, Source, Iterable[list[Values]]], int]:
    """The writer, if pyarrow is installed. Raises `ExportProblem`."""
    try:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        msg = "Parquet needs the package pyarrow (pip install 'traderv3[parquet]'); CSV needs nothing: --format csv"
        raise ExportProblem(msg) from None

    def write(path: Path, source: Source, chunks: Iterable[list[Values]]) -> int:
        units = _units(source.kind)
        schema = arrow.schema([(name, unit.arrow(arrow)) for name, unit in units])
        count = 0
        with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
            for chunk in chunks:
                listed = zip(units, schema, zip(*chunk, strict=True), strict=True)
                arrays = [arrow.array(_converted(unit, values), field.type) for (_, unit), field, values in listed]
                writer.write_batch(arrow.record_batch(arrays, schema=schema))
                count += len(chunk)
        return count

    return write


def _converted(unit: _Unit, values: Sequence[Any]) -> Sequence[Any]:
    convert = unit.value
    return values if convert is None else [None if value is None else convert(value) for value in values]

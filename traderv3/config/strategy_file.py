"""The file of a strategy's parameters and of the limits of risk, in TOML: read whole, checked whole.

    [risk.market]            a table for each field of `domain.risk_limits.RiskLimits`
    size = 50                contracts
    notional = 20.50         dollars; decimals are read as they are written, never as floats
    [spread_maker]           a table for each strategy that the program knows
    spread_min = 0.05

What the file leaves out keeps its default; what it names and nobody knows is a problem, with the nearest name.
Units: the type of each field says them (`Qty` contracts, `Price` and `Money` dollars, `int` as its name says).
Never: a float.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

from traderv3.config.problems import Findings
from traderv3.domain.risk_limits import DEFAULT_LIMITS, RiskLimits
from traderv3.domain.units import Money, Price, Qty, UnitError, parse_money, parse_price, parse_qty

FILE_BYTES_MAX: Final = 100_000
INT_DIGITS_MAX: Final = 9
RISK: Final = "risk"

D = TypeVar("D", bound=Any)


@dataclass(frozen=True, slots=True)
class NoParameters:
    """Of a strategy with nothing to set."""


NOTHING_TO_SET: Final = NoParameters()


def _parse_int(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= INT_DIGITS_MAX):
        msg = f"{text[:20]!r} is not a whole number from 0 to {'9' * INT_DIGITS_MAX}"
        raise UnitError(msg)
    return int(text)


_UNITS: Final[Mapping[object, tuple[Callable[[str], int], str]]] = {
    Qty: (parse_qty, "Write contracts with at most 2 decimals, such as 25 or 0.50"),
    Price: (parse_price, "Write dollars with at most 4 decimals, such as 0.05"),
    Money: (parse_money, "Write dollars with at most 6 decimals, such as 25 or 12.50"),
    int: (_parse_int, "Write a whole number"),
}


def read_strategy_file(
    path: Path | None, chosen: str, strategies: Mapping[str, object], findings: Findings
) -> tuple[object, RiskLimits]:
    """The parameters of the chosen strategy and the limits. Problems go into `findings`; the rest is then read on.

    `strategies` maps each name to its defaults, a frozen dataclass whose types are units. Without a file all are defaults.
    """
    document = {} if path is None else _parse(path, findings)
    where = path.name if path else ""
    for name in document:
        if name != RISK and name not in strategies:
            findings.problem(f"{where} [{name[:60]}]", "is no strategy", _nearest(name, [RISK, *strategies]))
    limits = read_fields(DEFAULT_LIMITS, document.get(RISK, {}), f"{where} [{RISK}]", findings)
    read = {
        name: read_fields(defaults, document.get(name, {}), f"{where} [{name}]", findings)
        for name, defaults in strategies.items()
    }
    return read.get(chosen), limits


def _parse(path: Path, findings: Findings) -> dict[str, Any]:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            findings.problem(path.name, f"is larger than {FILE_BYTES_MAX} bytes", "Is it a strategy file at all?")
            return {}
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=str)
    except OSError as cause:
        findings.problem(
            "V3_STRATEGY_FILE", f"{path} cannot be read ({cause.strerror})", "Name a file that you may read"
        )
    except (ValueError, RecursionError) as cause:  # TOMLDecodeError, UnicodeDecodeError
        findings.problem(path.name, f"is not TOML: {str(cause)[:200]}", "Write NAME = value below a [table]")
    return {}


def read_fields(defaults: D, table: object, where: str, findings: Findings) -> D:
    """The defaults with what the table replaces; a nested dataclass is a nested table."""
    if not isinstance(table, dict):
        findings.problem(where, "is not a table", f"Write {where} on a line of its own")
        return defaults
    units = get_type_hints(type(defaults))
    known = [field.name for field in fields(defaults)]
    values: dict[str, object] = {}
    for name, value in table.items():
        if name not in known:
            findings.problem(f"{where} {name[:60]}", "is not known", _nearest(name, known))
        elif is_dataclass(held := getattr(defaults, name)):
            values[name] = read_fields(held, value, f"{where[:-1]}.{name}]", findings)
        else:
            values[name] = _read_value(units[name], held, value, f"{where} {name}", findings)
    try:
        return replace(defaults, **values)
    except ValueError as cause:  # fields that contradict each other, as their class says
        findings.problem(where, str(cause), "Change one of them")
        return defaults


def _read_value(unit: object, default: object, value: object, where: str, findings: Findings) -> object:
    parse, how = _UNITS[unit]
    if isinstance(value, bool) or not isinstance(value, int | str):
        findings.problem(where, "is not a number", how)
        return default
    try:
        number = parse(str(value))
        if number < 0:
            msg = "is below 0"
            raise UnitError(msg)
    except UnitError as cause:
        findings.problem(where, str(cause), how)
        return default
    return number


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}"

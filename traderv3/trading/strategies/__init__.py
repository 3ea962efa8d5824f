"""Strategies: pure deciders, from what they see to what they want. This is the list of those that are shipped.

`hold` never trades and is what runs by default; `spread_maker` is an example. To add one: a module with a class that is a
`view.Strategy`, a frozen dataclass of parameters with units for types, its defaults, and a line in `STRATEGIES`.
Never: a socket, a clock, a random number, a file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from traderv3.config.strategy_file import NOTHING_TO_SET
from traderv3.trading.strategies import spread_maker
from traderv3.trading.strategies.hold import Hold
from traderv3.trading.strategies.view import Strategy


@dataclass(frozen=True, slots=True)
class Kind:
    """One shipped strategy: its parameters where a file says nothing, and how it is made of them."""

    defaults: Any
    make: Callable[[Any], Strategy]


STRATEGIES: Final[Mapping[str, Kind]] = {
    Hold.name: Kind(NOTHING_TO_SET, Hold),
    spread_maker.SpreadMaker.name: Kind(spread_maker.DEFAULTS, spread_maker.SpreadMaker),
}
DEFAULTS: Final[Mapping[str, Any]] = {name: kind.defaults for name, kind in STRATEGIES.items()}  # for `config.load`


def make_strategy(name: str, parameters: object) -> Strategy:
    """The strategy of that name; `parameters` are those that `config` read for it."""
    kind = STRATEGIES[name]
    assert type(parameters) is type(kind.defaults), f"{name} does not take {type(parameters).__name__}"
    return kind.make(parameters)

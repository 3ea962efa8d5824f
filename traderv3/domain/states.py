"""The trader's states as one table: what each means, where it may go, how long it may take.

    startup -> initializing -> kalshi_connectivity_orderbook_client -> ready <-> calibrating <-> trading_ready <-> acting
    every state but shutdown -> error -> kalshi_connectivity_orderbook_client; every state -> shutdown

Source: the design's contract on states. Limits in seconds.
Never: a second list of states anywhere; the machine, the console's diagram and the documents are drawn from here.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


class State(enum.StrEnum):
    """Where the trader is; the names are the wire's."""

    STARTUP = "startup"
    INITIALIZING = "initializing"
    CONNECTIVITY = "kalshi_connectivity_orderbook_client"
    READY = "ready"
    CALIBRATING = "calibrating"
    TRADING_READY = "trading_ready"
    ACTING = "acting"
    ERROR = "error"
    SHUTDOWN = "shutdown"


_S = State

EDGES: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        _S.STARTUP: frozenset({_S.INITIALIZING, _S.ERROR, _S.SHUTDOWN}),
        _S.INITIALIZING: frozenset({_S.CONNECTIVITY, _S.ERROR, _S.SHUTDOWN}),
        _S.CONNECTIVITY: frozenset({_S.READY, _S.ERROR, _S.SHUTDOWN}),
        _S.READY: frozenset({_S.CALIBRATING, _S.CONNECTIVITY, _S.ERROR, _S.SHUTDOWN}),
        _S.CALIBRATING: frozenset({_S.TRADING_READY, _S.READY, _S.CONNECTIVITY, _S.ERROR, _S.SHUTDOWN}),
        _S.TRADING_READY: frozenset({_S.ACTING, _S.CALIBRATING, _S.READY, _S.CONNECTIVITY, _S.ERROR, _S.SHUTDOWN}),
        _S.ACTING: frozenset({_S.TRADING_READY, _S.CALIBRATING, _S.READY, _S.CONNECTIVITY, _S.ERROR, _S.SHUTDOWN}),
        _S.ERROR: frozenset({_S.CONNECTIVITY, _S.INITIALIZING, _S.SHUTDOWN}),
        _S.SHUTDOWN: frozenset(),
    }
)

LIMITS_S: Final[Mapping[State, float]] = MappingProxyType(
    {_S.STARTUP: 30.0, _S.INITIALIZING: 60.0, _S.CONNECTIVITY: 120.0}
)
OVERDUE: Final[Mapping[State, State]] = MappingProxyType(dict.fromkeys(LIMITS_S, _S.ERROR))

MEANING: Final[Mapping[State, str]] = MappingProxyType(
    {
        _S.STARTUP: "configuration read, nothing started",
        _S.INITIALIZING: "event bus, metrics and web server come up",
        _S.CONNECTIVITY: "connecting, subscribing, waiting for every first snapshot",
        _S.READY: "books live; trading off or not yet calibrated",
        _S.CALIBRATING: "orders, positions and balance read from the venue and reconciled",
        _S.TRADING_READY: "may act, has no reason to",
        _S.ACTING: "an order is on its way or resting",
        _S.ERROR: "something needs mending",
        _S.SHUTDOWN: "ordered stop",
    }
)

# Where books are in use: the states that a lost venue ends.
OPERATING: Final = frozenset({_S.READY, _S.CALIBRATING, _S.TRADING_READY, _S.ACTING})

assert set(EDGES) == set(State) == set(MEANING)

"""The facts of the bus as lines of the log: each at the level a person expects, none so often that it drowns the others.

A venue that sends garbage tells the same kind of trouble thousands of times a second: of one kind `BURST` lines are
written in `WINDOW_US`, and the next one says how many were left out.
"""

from collections.abc import Callable
from typing import Any, Final

import structlog

from traderv3.core.event_bus import EventBus, handles
from traderv3.core.supervision import ActorChanged, Status
from traderv3.domain import events
from traderv3.domain.checks import BookDisagrees

WINDOW_US: Final = 10_000_000
BURST: Final = 20

log = structlog.get_logger(component="fact_log")

Line = tuple[str, str, dict[str, object]]  # level, text, fields
_ACTOR_LEVELS: Final = {Status.BACKOFF: "warning", Status.FAILED: "warning", Status.STARTING: "debug"}


def _actor_line(fact: ActorChanged) -> Line:
    fields: dict[str, object] = {"component": "supervisor", "actor": fact.name, "restarts": fact.restarts}
    if fact.error:
        fields["error"] = fact.error
    return _ACTOR_LEVELS.get(fact.status, "info"), f"actor {fact.status}", fields


WORDS: Final[dict[type, Callable[[Any], Line]]] = {
    events.StateChanged: lambda it: (
        "info",
        "state_transition",
        {"component": "state_machine", "from_state": it.source, "to_state": it.target, "context": it.context},
    ),
    events.ConnectionUp: lambda it: ("info", "connected to the venue", {"component": it.connection}),
    events.ConnectionLost: lambda it: (
        "warning",
        "connection lost",
        {"component": it.connection, "reason": it.reason, "retry_s": it.retry_s},
    ),
    events.GapDetected: lambda it: (
        "warning",
        f"sequence {it.kind}",
        {"component": it.connection, "sid": it.sid, "expected": it.expected, "got": it.got, "books": it.books},
    ),
    events.BooksRepaired: lambda it: (
        "info",
        "books repaired",
        {"component": it.connection, "took_ms": it.took_ms, "how": it.how, "books": it.books},
    ),
    events.FrameProblem: lambda it: ("warning", it.kind, {"component": it.connection, "detail": it.detail}),
    events.MarketsDropped: lambda it: (
        "warning",
        "markets dropped",
        {"component": "discovery", "tickers": ",".join(it.tickers), "reason": it.reason},
    ),
    events.MarketsOverLimit: lambda it: (
        "warning",
        "too many markets for this connection",
        {"component": it.connection, "tickers": ",".join(it.tickers[:20]), "reason": it.reason},
    ),
    events.StreamGap: lambda it: (
        "warning",
        "something of a channel was lost",
        {"component": it.connection, "channel": it.channel, "reason": it.reason},
    ),
    events.ChannelGivenUp: lambda it: (
        "warning",
        "channel not served",
        {"component": it.connection, "channel": it.channel, "reason": it.reason},
    ),
    BookDisagrees: lambda it: (
        "warning",
        "book differs from REST",
        {"component": "cross_check", "ticker": it.ticker, "levels": it.levels_differing},
    ),
    ActorChanged: _actor_line,
}


class FactLog:
    """Hears the bus and writes. State is one small record a kind of fact."""

    def __init__(self, bus: EventBus) -> None:
        self._windows: dict[tuple[object, ...], tuple[int, int]] = {}  # by kind: since when, how many
        bus.subscribe("fact_log", WORDS, handles(self.hear))

    def hear(self, fact: Any) -> None:
        """Write one fact, or count it."""
        kind = (type(fact), getattr(fact, "kind", None), getattr(fact, "name", None))
        since_us, count = self._windows.get(kind, (fact.at_us, 0))
        if fact.at_us - since_us >= WINDOW_US:
            left_out = max(0, count - BURST)
            self._windows[kind] = (fact.at_us, 1)
            say(fact, **({"left_out_before": left_out} if left_out else {}))
            return
        self._windows[kind] = (since_us, count + 1)
        if count < BURST:
            say(fact)


def say(fact: Any, **more: object) -> None:
    """Say one fact in the log, at the level a person expects."""
    level, text, fields = WORDS[type(fact)](fact)
    getattr(log, level)(text, **fields, **more)

"""The facts of the bus as lines of the log: each at the level a person expects, none so often that it drowns the others.

A venue that sends garbage tells the same kind of trouble thousands of times a second: of one kind `BURST` lines are
written in `WINDOW_US`, and the next one says how many were left out.
"""

from typing import Any, Final

import structlog

from traderv3.core.event_bus import EventBus, handles
from traderv3.core.supervision import ActorChanged, Status
from traderv3.domain import events
from traderv3.domain.checks import BookDisagrees

WINDOW_US: Final = 10_000_000
BURST: Final = 20

log = structlog.get_logger(component="fact_log")

LOGGED: Final = (
    events.ConnectionUp,
    events.ConnectionLost,
    events.GapDetected,
    events.BooksRepaired,
    events.FrameProblem,
    events.MarketsDropped,
    events.MarketsOverLimit,
    events.StreamGap,
    events.ChannelGivenUp,
    BookDisagrees,
    events.StateChanged,
    ActorChanged,
)


class FactLog:
    """Hears the bus and writes. State is one small record a kind of fact."""

    def __init__(self, bus: EventBus) -> None:
        self._windows: dict[tuple[object, ...], tuple[int, int]] = {}  # by kind: since when, how many
        bus.subscribe("fact_log", LOGGED, handles(self.hear))

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


def say(fact: Any, **more: int) -> None:
    """Say one fact in the log, at the level a person expects."""
    line = log.bind(**more)
    match fact:
        case events.StateChanged(source, target, context):
            line.info(
                "state_transition", component="state_machine", from_state=source, to_state=target, context=context
            )
        case events.ConnectionUp(connection):
            line.info("connected to the venue", component=connection)
        case events.ConnectionLost(connection, reason, retry_s):
            line.warning("connection lost", component=connection, reason=reason, retry_s=retry_s)
        case events.GapDetected(connection, sid, expected, got, books):
            what = {"component": connection, "sid": sid, "expected": expected, "got": got, "books": books}
            line.warning(f"sequence {fact.kind}", **what)
        case events.BooksRepaired(connection, took_ms):
            line.info("books repaired", component=connection, took_ms=took_ms, how=fact.how, books=fact.books)
        case events.FrameProblem(connection, kind, detail):
            line.warning(kind, component=connection, detail=detail)
        case events.MarketsDropped(tickers, reason):
            line.warning("markets dropped", component="discovery", tickers=",".join(tickers), reason=reason)
        case events.MarketsOverLimit(connection, tickers, reason):
            line.warning("too many markets on this connection", component=connection, count=len(tickers), reason=reason)
        case events.StreamGap(connection, channel):
            line.warning("something of a channel was lost", component=connection, channel=channel, reason=fact.reason)
        case events.ChannelGivenUp(connection, channel, reason):
            line.warning("channel not served", component=connection, channel=channel, reason=reason)
        case BookDisagrees(ticker, connection, levels_differing):
            line.warning("book differs from REST", component=connection, ticker=ticker, levels=levels_differing)
        case ActorChanged(name, status, restarts, error):
            level = {Status.BACKOFF: "warning", Status.FAILED: "warning", Status.STARTING: "debug"}.get(status, "info")
            getattr(line, level)(
                f"actor {status}",
                component="supervisor",
                actor=name,
                restarts=restarts,
                **({"error": error} if error else {}),
            )

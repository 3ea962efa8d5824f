"""The one builder of the picture: what `/v3/status`, `trader_status`, `snapshot` and each transition say comes from here.

Everything is read from facts at the moment of the call. Only tops and books of markets are kept, encoded, until the facts
that they show change; so no two places can disagree.
Units: as `console.messages`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from traderv3.console import messages, reports
from traderv3.core.event_bus import SubscriberStats
from traderv3.core.supervision import NodeReport
from traderv3.domain.book import Book, BookState
from traderv3.domain.feed import Feed, Listing
from traderv3.domain.health import Health, Numbers
from traderv3.domain.latency import Latency
from traderv3.domain.states import State
from traderv3.domain.timestamps import rfc3339, rfc3339_or_none

UNLISTED: Final = Listing()
TOP: Final = "market/"  # begins the name of a part that is one market's top

encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class StateNow:
    """Where the machine is."""

    state: State
    since_us: int
    context: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the picture is read from; callables are asked anew each time. `steady_s` is the clock of the latencies."""

    environment: str
    uptime_s: Callable[[], float]  # by a clock that nobody sets
    wall_us: Callable[[], int]
    steady_s: Callable[[], float]
    feed: Feed
    state: Callable[[], StateNow]
    health: Callable[[], Health]
    numbers: Callable[[], Numbers]
    tree: Callable[[], NodeReport]
    subscribers: Callable[[], Mapping[str, SubscriberStats]]
    connection_events: Sequence[messages.ConnectionEvent]
    rest: Callable[[], messages.RestReport | None]
    cross_check: Callable[[], messages.CrossCheckReport | None]
    latencies: Mapping[str, Latency]
    risk: Callable[[], messages.Risk]
    trading: Callable[[], messages.Trading]
    dropped: Callable[[], int]
    warnings: Callable[[], Sequence[str]]


@dataclass(slots=True)
class _Top:
    """One market's top, encoded, with the facts that it was made of and the name of the part that it is."""

    part: str
    encoded: bytes = b""
    updates: int = -1
    state: BookState = BookState.SYNCING
    received_us: int | None = None
    status: str | None = None


class _Kept:
    """Encoded pictures of markets, each with the facts it was made of."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[tuple[object, ...], bytes]] = {}

    def get(self, ticker: str, facts: tuple[object, ...], make: Callable[[], messages.Message]) -> bytes:
        """What was made of these facts, made now if need be."""
        held = self._made.get(ticker)
        if held is not None and held[0] == facts:
            return held[1]
        encoded = encode(make())
        self._made[ticker] = (facts, encoded)
        return encoded

    def forget_all_but(self, tickers: Iterable[str]) -> None:
        """Keep no market that is not among these."""
        for ticker in self._made.keys() - set(tickers):
            del self._made[ticker]


class Picture:
    """Builds every message that describes the trader as it is now."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._tops: dict[str, _Top] = {}
        self._books = _Kept()

    def metrics(self, health: Health | None = None) -> messages.Metrics:
        """The numbers of this moment, with the health judged for the message they are part of."""
        s = self.sources
        feed, counters, numbers = s.feed, s.feed.counters, s.numbers()
        up_us = 0 if feed.connected_us is None else s.wall_us() - feed.connected_us
        return messages.Metrics(
            markets_connected=feed.live,
            snapshots_received=counters.snapshots,
            deltas_received=counters.deltas,
            connection_uptime=round(max(0, up_us) / 1e6, 3),
            ws_connection_status=feed.link.value,
            last_message_time=rfc3339_or_none(feed.last_message_us),
            connection_established=rfc3339_or_none(feed.connected_us),
            first_snapshot_received=rfc3339_or_none(feed.first_snapshot_us),
            health=(health or s.health()).level.value,
            messages_per_second=numbers.messages_per_second,
            gaps_detected=counters.gaps,
            duplicates=counters.duplicates,
            rollbacks=counters.rollbacks,
            resets=counters.resets,
            clock_backwards=counters.clock_backwards,
            resyncs=counters.resyncs,
            reconnects=counters.reconnects,
            protocol_errors=counters.protocol_errors,
            unknown_types=counters.unknown_types + feed.channel_counters.unknown_types,
            unknown_fields=counters.unknown_fields + feed.channel_counters.unknown_fields,
            dropped_events=s.dropped(),
            loop_lag_ms=numbers.loop_lag_ms,
            rss_mb=numbers.rss_mb,
        )

    @staticmethod
    def reasons(health: Health) -> list[messages.HealthReason]:
        """Why health is not `healthy`."""
        return [
            messages.HealthReason(component=r.component, since=rfc3339(r.since_us), message=r.message)
            for r in health.reasons
        ]

    @property
    def uptime_s(self) -> float:
        """Seconds since the process started."""
        return round(self.sources.uptime_s(), 3)

    def trader_status(self) -> messages.TraderStatus:
        """What goes out every second and on change."""
        s, now, health = self.sources, self.sources.state(), self.sources.health()
        return messages.TraderStatus(
            state=now.state.value,
            state_since=rfc3339(now.since_us),
            state_context=now.context,
            uptime=self.uptime_s,
            metrics=self.metrics(health),
            health=health.level.value,
            reasons=self.reasons(health),
            environment=s.environment,
            timestamp=rfc3339(s.wall_us()),
        )

    def supervision(self) -> messages.SupervisionNode:
        """The tree."""
        return reports.supervision_node(self.sources.tree())

    def latency(self) -> messages.Latency:
        """How long each stage took lately."""
        s = self.sources
        stages = {name: reports.latency_stage(stage.read(now_s=s.steady_s())) for name, stage in s.latencies.items()}
        return messages.Latency(stages=stages)

    def feed(self) -> messages.FeedReport:
        """How good the market data is."""
        s, now_us = self.sources, self.sources.wall_us()
        return messages.FeedReport(
            connections=[reports.connection(name, line, s.feed, now_us) for name, line in s.feed.lines.items()],
            connection_events=list(s.connection_events),
            gaps=[reports.gap(entry) for entry in s.feed.gaps],
            rest=s.rest(),
            cross_check=s.cross_check(),
            exchange=reports.exchange(s.feed.hours, now_us),
        )

    def status(self, transitions: Sequence[messages.StateTransition]) -> messages.Status:
        """The whole picture."""
        s, now, tree, health, feed = (
            self.sources,
            self.sources.state(),
            self.supervision(),
            self.sources.health(),
            self.feed(),
        )
        return messages.Status(
            timestamp=rfc3339(s.wall_us()),
            running=now.state is not State.SHUTDOWN,
            uptime=self.uptime_s,
            state=now.state.value,
            state_since=rfc3339(now.since_us),
            state_context=now.context,
            health=health.level.value,
            reasons=self.reasons(health),
            environment=s.environment,
            markets=list(s.feed.books),
            metrics=self.metrics(health),
            components={worker.name: worker for worker in reports.workers(tree)},
            supervision=tree,
            subscribers={name: reports.subscriber(stats) for name, stats in s.subscribers().items()},
            connections=feed.connections,
            connection_events=feed.connection_events,
            rest=feed.rest,
            cross_check=feed.cross_check,
            gaps=feed.gaps,
            exchange=feed.exchange,
            latency=self.latency(),
            risk=s.risk(),
            trading=s.trading(),
            transitions=list(transitions),
            warnings=list(s.warnings()),
        )

    # -- markets, encoded ----------------------------------------------------------------------------------------------

    def top(self, book: Book) -> bytes:
        """The best of one market's book, a `MarketTop`. The same object as long as it says the same."""
        return self._top(book).encoded

    def _top(self, book: Book) -> _Top:
        ticker = book.ticker
        status = self.sources.feed.statuses.get(ticker)
        top = self._tops.get(ticker)
        if top is None:
            top = self._tops[ticker] = _Top(TOP + ticker)
        elif (
            top.updates == book.updates
            and top.state is book.state
            and top.received_us == book.received_us
            and top.status == status
        ):
            return top
        top.updates, top.state, top.received_us, top.status = book.updates, book.state, book.received_us, status
        top.encoded = encode(reports.market_top(book, status))
        return top

    def book(self, book: Book) -> bytes:
        """One market's whole book, a `MarketBook`. The same object as long as it says the same."""
        feed, ticker = self.sources.feed, book.ticker
        status, trade = feed.statuses.get(ticker), feed.last_trades.get(ticker)
        listing = feed.listings.get(ticker, UNLISTED)
        facts = (book.updates, book.state, book.received_us, status, trade, listing)
        return self._books.get(ticker, facts, lambda: reports.market_book(book, status, listing, trade))

    def tops(self) -> dict[str, bytes]:
        """Every market's top by the name of its part, in the order they were chosen."""
        books = self.sources.feed.books
        for ticker in self._tops.keys() - books.keys():
            del self._tops[ticker]
        tops = map(self._top, books.values())
        return {top.part: top.encoded for top in tops}

    def books(self, tickers: Iterable[str]) -> dict[str, bytes]:
        """The whole books of those markets that are held, by ticker. No other is kept."""
        held = self.sources.feed.books
        found = {ticker: self.book(held[ticker]) for ticker in sorted(tickers) if ticker in held}
        self._books.forget_all_but(found)
        return found

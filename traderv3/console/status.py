"""The one builder of the picture: what `/v3/status`, `trader_status`, `snapshot` and each transition say comes from here.

Everything is read from facts at the moment of the call; nothing is cached, so no two places can disagree.
Units: as `console.messages`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from traderv3.console import messages
from traderv3.core.event_bus import SubscriberStats
from traderv3.core.mailbox import MailboxStats
from traderv3.core.supervision import NodeReport
from traderv3.domain.book import NONE, Book, BookState
from traderv3.domain.feed import Feed, GapEntry
from traderv3.domain.health import Health, Numbers
from traderv3.domain.states import State
from traderv3.domain.timestamps import rfc3339, rfc3339_or_none
from traderv3.domain.units import DOLLAR, format_price, format_qty


@dataclass(frozen=True, slots=True)
class StateNow:
    """Where the machine is."""

    state: State
    since_us: int
    context: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the picture is read from; callables are asked anew each time."""

    environment: str
    started_us: int
    wall_us: Callable[[], int]
    feed: Feed
    state: Callable[[], StateNow]
    health: Callable[[], Health]
    numbers: Callable[[], Numbers]
    tree: Callable[[], NodeReport]
    subscribers: Callable[[], Mapping[str, SubscriberStats]]
    connection_events: Sequence[messages.ConnectionEvent]
    rest: Callable[[], messages.RestReport | None]
    cross_check: Callable[[], messages.CrossCheckReport | None]
    dropped: Callable[[], int]
    warnings: Callable[[], Sequence[str]]


def mailbox_report(stats: MailboxStats) -> messages.MailboxReport:
    """A mailbox's account as the browser reads it."""
    return messages.MailboxReport(
        depth=stats.depth,
        capacity=stats.capacity,
        policy=stats.policy.value,
        accepted=stats.accepted,
        dropped=stats.dropped,
        conflated=stats.conflated,
        high_water=stats.high_water,
        oldest_ms=int(stats.oldest_s * 1000),
    )


def supervision_node(node: NodeReport) -> messages.SupervisionNode:
    """A node with everything below it."""
    return messages.SupervisionNode(
        name=node.name,
        kind="worker" if node.strategy is None else "supervisor",
        strategy=node.strategy.value if node.strategy else None,
        status=node.status.value,
        since=rfc3339(node.since_us),
        restarts=node.restarts,
        last_error=node.last_error,
        mailbox=mailbox_report(node.mailbox) if node.mailbox else None,
        children=[supervision_node(child) for child in node.children],
    )


def workers(node: messages.SupervisionNode) -> Iterable[messages.Component]:
    """Every worker below `node`, without children."""
    for child in node.children:
        if child.kind == "worker":
            yield messages.Component(
                name=child.name,
                kind=child.kind,
                status=child.status,
                state=child.status,
                since=child.since,
                restarts=child.restarts,
                last_error=child.last_error,
                mailbox=child.mailbox,
            )
        yield from workers(child)


def market_top(book: Book, status: str | None = None) -> messages.MarketTop:
    """The best of one book; a side's ask is a dollar less the other side's best bid. `status`: the venue's word."""

    def bid(price: int) -> str | None:
        return None if price == NONE else format_price(price)

    def ask(opposite: int) -> str | None:
        return None if opposite == NONE else format_price(DOLLAR - opposite)

    def size(levels: Mapping[int, int], price: int) -> str | None:
        return None if price == NONE else format_qty(levels[price])

    yes_size, no_size = size(book.yes, book.best_yes), size(book.no, book.best_no)
    return messages.MarketTop(
        ticker=book.ticker,
        book_state=book.state.value,
        stale_reason=book.stale_reason,
        market_status=status,
        yes_bid=bid(book.best_yes),
        yes_bid_size=yes_size,
        yes_ask=ask(book.best_no),
        yes_ask_size=no_size,
        no_bid=bid(book.best_no),
        no_bid_size=no_size,
        no_ask=ask(book.best_yes),
        no_ask_size=yes_size,
        levels_yes=len(book.yes),
        levels_no=len(book.no),
        last_update=rfc3339_or_none(book.received_us),
        updates=book.updates,
    )


def book_levels(book: Book, depth: int) -> dict[str, object]:
    """The body of `/v3/markets/{ticker}/book`: levels as the venue prints them, ascending, best last."""
    return {
        "market_ticker": book.ticker,
        "book_state": book.state.value,
        "stale_reason": book.stale_reason,
        "seq": book.seq,
        "clock": book.clock,
        "yes": [[format_price(price), format_qty(size)] for price, size in book.levels(is_yes=True, depth=depth)],
        "no": [[format_price(price), format_qty(size)] for price, size in book.levels(is_yes=False, depth=depth)],
    }


class Picture:
    """Builds every message that describes the trader as it is now."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources

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
        return round(max(0, self.sources.wall_us() - self.sources.started_us) / 1e6, 3)

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
        return supervision_node(self.sources.tree())

    def market_tops(self) -> list[messages.MarketTop]:
        """Every market's top, in the order they were chosen."""
        feed = self.sources.feed
        return [market_top(book, feed.statuses.get(ticker)) for ticker, book in feed.books.items()]

    def connections(self) -> list[messages.ConnectionReport]:
        """How each market-data connection stands."""
        s = self.sources
        now_us, books = s.wall_us(), s.feed.books
        return [
            messages.ConnectionReport(
                name=name,
                link=line.link.value,
                reason=line.reason,
                connected_since=rfc3339_or_none(line.connected_us),
                last_message_age_ms=None if line.last_message_us is None else (now_us - line.last_message_us) // 1000,
                markets=len(line.tickers),
                live=sum(books[ticker].state is BookState.LIVE for ticker in line.tickers),
            )
            for name, line in s.feed.lines.items()
        ]

    def exchange(self) -> messages.ExchangeReport:
        """What the exchange says of its hours."""
        hours = self.sources.feed.hours
        return messages.ExchangeReport(
            exchange_active=hours.is_exchange_active,
            trading_active=hours.is_trading_active,
            sentence=hours.sentence(self.sources.wall_us()),
            pause_start=rfc3339(hours.pause.starts_us) if hours.pause else None,
            pause_end=rfc3339(hours.pause.ends_us) if hours.pause else None,
        )

    def status(self, transitions: Sequence[messages.StateTransition]) -> messages.Status:
        """The whole picture."""
        s, now, tree, health = self.sources, self.sources.state(), self.supervision(), self.sources.health()
        return messages.Status(
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
            components={worker.name: worker for worker in workers(tree)},
            supervision=tree,
            subscribers={name: _subscriber(stats) for name, stats in s.subscribers().items()},
            connections=self.connections(),
            connection_events=list(s.connection_events),
            rest=s.rest(),
            cross_check=s.cross_check(),
            gaps=[_gap(entry) for entry in s.feed.gaps],
            exchange=self.exchange(),
            transitions=list(transitions),
            warnings=list(s.warnings()),
        )


def _gap(entry: GapEntry) -> messages.GapReport:
    return messages.GapReport(
        connection=entry.connection,
        timestamp=rfc3339(entry.at_us),
        what=entry.what,
        missing=entry.missing,
        books=entry.books,
        how=entry.how,
        stale_ms=entry.stale_ms,
    )


def _subscriber(stats: SubscriberStats) -> messages.SubscriberReport:
    return messages.SubscriberReport(
        mailbox=mailbox_report(stats.mailbox),
        handled=stats.handled,
        failed=stats.failed,
        timed_out=stats.timed_out,
        skipped=stats.skipped,
        breaker=stats.breaker.value,
        last_error=stats.last_error,
    )

"""Facts of the trader as the browser reads them: one pure function for each struct of `messages`.

Units: as `messages`; what comes in has the domain's integers, what goes out the venue's own decimal strings.
"""

from collections.abc import Iterable, Mapping

import msgspec

from traderv3.console import messages
from traderv3.core.event_bus import SubscriberStats
from traderv3.core.mailbox import MailboxStats
from traderv3.core.supervision import NodeReport
from traderv3.domain.book import NONE, Book, BookState
from traderv3.domain.feed import Feed, GapEntry, Line, Listing
from traderv3.domain.hours import Hours
from traderv3.domain.latency import BOUNDS_US, WINDOW_S, LatencyReading
from traderv3.domain.market_facts import Trade
from traderv3.domain.price_grid import PriceGrid
from traderv3.domain.timestamps import rfc3339, rfc3339_or_none
from traderv3.domain.units import DOLLAR, format_price, format_qty


def mailbox_report(stats: MailboxStats) -> messages.MailboxReport:
    """A mailbox's account."""
    return messages.MailboxReport(
        depth=stats.depth,
        capacity=stats.capacity,
        policy=str(stats.policy),
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
        budget=msgspec.convert(node.budget, messages.RestartBudget, from_attributes=True) if node.budget else None,
        backoff_until=rfc3339_or_none(node.backoff_until_us),
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
                backoff_until=child.backoff_until,
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


def levels(book: Book, *, is_yes: bool, depth: int = 0) -> list[tuple[str, str]]:
    """One side as the venue prints it, `(price, size)` ascending, best last; the `depth` best, or all with 0."""
    return [(format_price(price), format_qty(size)) for price, size in book.levels(is_yes=is_yes, depth=depth)]


def market_book(book: Book, status: str | None, listing: Listing, trade: Trade | None) -> messages.MarketBook:
    """One market's whole book, with what is known of its market."""
    return messages.MarketBook(
        ticker=book.ticker,
        book_state=book.state.value,
        stale_reason=book.stale_reason,
        market_status=status,
        title=listing.title,
        close_time=rfc3339_or_none(listing.close_us),
        price_ranges=None if listing.grid is None else price_ranges(listing.grid),
        yes=levels(book, is_yes=True),
        no=levels(book, is_yes=False),
        last_trade=None if trade is None else last_trade(trade),
        last_update=rfc3339_or_none(book.received_us),
        updates=book.updates,
    )


def price_ranges(grid: PriceGrid) -> list[messages.PriceRange]:
    """The bands of a grid."""
    return [
        messages.PriceRange(start=format_price(start), end=format_price(end), step=format_price(step))
        for start, end, step in grid.bands
    ]


def last_trade(trade: Trade) -> messages.LastTrade:
    """A public trade; its price is that of YES."""
    return messages.LastTrade(
        price=format_price(trade.yes_price),
        size=format_qty(trade.count),
        taker_side="yes" if trade.is_taker_yes else "no",
        timestamp=rfc3339(trade.at_us),
    )


def book_levels(book: Book, depth: int) -> dict[str, object]:
    """The body of `/v3/markets/{ticker}/book`: levels as the venue prints them, ascending, best last."""
    return {
        "market_ticker": book.ticker,
        "book_state": book.state.value,
        "stale_reason": book.stale_reason,
        "seq": book.seq,
        "clock": book.clock,
        "yes": levels(book, is_yes=True, depth=depth),
        "no": levels(book, is_yes=False, depth=depth),
    }


def connection(name: str, line: Line, feed: Feed, now_us: int) -> messages.ConnectionReport:
    """How one connection stands; one without books carries 0 markets."""
    books = feed.books
    return messages.ConnectionReport(
        name=name,
        link=line.link.value,
        reason=line.reason,
        connected_since=rfc3339_or_none(line.connected_us),
        last_message_age_ms=None if line.last_message_us is None else (now_us - line.last_message_us) // 1000,
        markets=len(line.tickers),
        live=sum(ticker in books and books[ticker].state is BookState.LIVE for ticker in line.tickers),
    )


def exchange(hours: Hours, now_us: int) -> messages.ExchangeReport:
    """What the exchange says of its hours."""
    return messages.ExchangeReport(
        exchange_active=hours.is_exchange_active,
        trading_active=hours.is_trading_active,
        sentence=hours.sentence(now_us),
        pause_start=rfc3339(hours.pause.starts_us) if hours.pause else None,
        pause_end=rfc3339(hours.pause.ends_us) if hours.pause else None,
    )


def gap(entry: GapEntry) -> messages.GapReport:
    """One line of the gap journal."""
    return messages.GapReport(
        connection=entry.connection,
        timestamp=rfc3339(entry.at_us),
        what=entry.what,
        missing=entry.missing,
        books=entry.books,
        how=entry.how,
        stale_ms=entry.stale_ms,
    )


def subscriber(stats: SubscriberStats) -> messages.SubscriberReport:
    """One subscriber of the event bus."""
    return messages.SubscriberReport(
        mailbox=mailbox_report(stats.mailbox),
        handled=stats.handled,
        failed=stats.failed,
        timed_out=stats.timed_out,
        skipped=stats.skipped,
        breaker=stats.breaker.value,
        last_error=stats.last_error,
    )


def latency_stage(reading: LatencyReading) -> messages.LatencyStage:
    """One stage's account."""
    return messages.LatencyStage(
        window_s=WINDOW_S,
        count=reading.count,
        bounds_us=list(BOUNDS_US),
        counts=list(reading.counts),
        p50_us=reading.percentile_us(0.50),
        p99_us=reading.percentile_us(0.99),
        max_us=reading.longest_us,
    )

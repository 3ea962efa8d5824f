"""The same numbers for Prometheus, as text; names follow its conventions (base units, `_total` for counters)."""

from collections.abc import Iterable, Iterator
from dataclasses import fields

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from traderv3.core.supervision import NodeReport, Status
from traderv3.domain.book import BookState
from traderv3.domain.feed import Feed, Link
from traderv3.domain.health import Health, Level, Numbers
from traderv3.domain.permission import Mode
from traderv3.domain.states import State
from traderv3.domain.trading_report import TradingReport

_MONEY = {  # by the field of the report; what is not known is not there
    "balance": "What may be spent",
    "realized": "Realised profit and loss",
    "unrealized": "Profit and loss of what is held, by live books",
    "fees": "Fees paid",
    "worst_case": "What can be lost at most",
}


class _Once(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def render(
    feed: Feed,
    numbers: Numbers,
    health: Health,
    state: State,
    tree: NodeReport,
    trading: TradingReport,
    *,
    uptime_s: float,
    dropped: int,
) -> bytes:
    """The exposition text of this moment."""
    registry = CollectorRegistry()
    market_side = _metrics(feed, numbers, health, state, tree, uptime_s, dropped)
    registry.register(_Once([*market_side, *_trading_metrics(trading)]))
    return generate_latest(registry)


def _metrics(
    feed: Feed, numbers: Numbers, health: Health, state: State, tree: NodeReport, uptime_s: float, dropped: int
) -> Iterator[Metric]:
    yield _gauge("traderv3_uptime_seconds", "Since the process started", uptime_s)
    yield _gauge("traderv3_resident_memory_bytes", "Resident memory", numbers.rss_mb * 2**20)
    yield _gauge("traderv3_loop_lag_seconds", "How late the event loop runs", numbers.loop_lag_ms / 1000)
    yield _gauge("traderv3_messages_per_second", "Frames from the venue", numbers.messages_per_second)
    yield _gauge("traderv3_venue_connected", "1 while the venue is connected", float(feed.link is Link.CONNECTED))
    yield CounterMetricFamily("traderv3_dropped_events", "Events that somebody did not get", value=dropped)
    for where, counters in (("feed", feed.counters), ("channels", feed.channel_counters)):
        for field in fields(counters):
            value = getattr(counters, field.name)
            yield CounterMetricFamily(f"traderv3_{where}_{field.name}", f"{field.name} of {where}", value=value)
    yield _one_hot("traderv3_state", "The trader's state", "state", State, state)
    yield _one_hot("traderv3_health", "The trader's health", "level", Level, health.level)
    books = GaugeMetricFamily("traderv3_books", "Books by state", labels=["book_state"])
    for book_state in BookState:
        books.add_metric([book_state.value], sum(book.state is book_state for book in feed.books.values()))
    yield books
    restarts = CounterMetricFamily("traderv3_actor_restarts", "Restarts by actor", labels=["actor"])
    running = GaugeMetricFamily("traderv3_actor_running", "1 while the actor runs", labels=["actor"])
    for node in _workers(tree):
        restarts.add_metric([node.name], node.restarts)
        running.add_metric([node.name], float(node.status is Status.RUNNING))
    yield restarts
    yield running


def _trading_metrics(trading: TradingReport) -> Iterator[Metric]:
    yield _one_hot("traderv3_trading_mode", "What trading may do", "mode", Mode, trading.mode)
    orders = GaugeMetricFamily("traderv3_orders", "Open orders by what is known of them", labels=["order_state"])
    for word, count in (("resting", trading.resting), ("unknown", trading.unknown)):
        if count is not None:
            orders.add_metric([word], count)
    yield orders
    for field, text in _MONEY.items():
        if (money := getattr(trading, field)) is not None:
            yield _gauge(f"traderv3_{field}_dollars", text, money / 1e6)
    held = GaugeMetricFamily("traderv3_position_contracts", "What is held; below 0 is NO", labels=["ticker"])
    for line in trading.positions or ():
        held.add_metric([line.ticker], line.position / 100)
    yield held
    is_agreed = float(trading.is_read and trading.stale_reason is None)
    yield _gauge("traderv3_account_agreed", "1 while the account is heard and agrees with the venue's", is_agreed)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _one_hot(name: str, text: str, label: str, values: Iterable[str], current: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value in values:
        family.add_metric([str(value)], float(value == current))
    return family


def _workers(node: NodeReport) -> Iterator[NodeReport]:
    for child in node.children:
        if child.strategy is None:
            yield child
        yield from _workers(child)

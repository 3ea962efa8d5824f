"""A hub over a small made-up trader, for tests of the console's parts without sockets."""

from collections.abc import Callable
from dataclasses import dataclass, field

from traderv3.console.hub import Hub
from traderv3.console.messages import Alert, ConnectionEvent, ConsoleLine, RestReport, Risk
from traderv3.console.status import Picture, Sources, StateNow
from traderv3.console.trading import trading
from traderv3.core.event_bus import SubscriberStats
from traderv3.core.supervision import NodeReport, Status, Strategy
from traderv3.domain.feed import Feed
from traderv3.domain.health import Health, Numbers
from traderv3.domain.latency import Latency
from traderv3.domain.states import State
from traderv3.domain.trading_report import TradingReport, off_report

NOW_US = 1_795_360_000_123_456
NOW = "2026-11-22T15:06:40.123Z"
RISK = Risk(mode="active", since=NOW, by="start", reason="nobody has said otherwise", resting_orders=0)

ROOT = NodeReport("root", Strategy.ONE_FOR_ONE, Status.RUNNING, NOW_US, 0, None, None, ())


@dataclass
class Made:
    """What the picture is read from; change it as the test needs."""

    feed: Feed = field(default_factory=Feed)
    health: Health = field(default_factory=Health)
    numbers: Numbers = field(default_factory=Numbers)
    risk: Risk = RISK
    tree: NodeReport = ROOT
    steady_s: Callable[[], float] = lambda: 0.0
    wall_us: Callable[[], int] = lambda: NOW_US
    connection_events: list[ConnectionEvent] = field(default_factory=list)
    subscribers: dict[str, SubscriberStats] = field(default_factory=dict)
    rest: RestReport | None = None
    trading: TradingReport = field(default_factory=lambda: off_report("active", "trading is off"))
    state: StateNow = field(default_factory=lambda: StateNow(State.READY, NOW_US, "2 of 2 markets live"))

    def sources(self) -> Sources:
        return Sources(
            environment="sim",
            uptime_s=lambda: 0.0,
            wall_us=self.wall_us,
            steady_s=self.steady_s,
            feed=self.feed,
            state=lambda: self.state,
            health=lambda: self.health,
            numbers=lambda: self.numbers,
            tree=lambda: self.tree,
            subscribers=lambda: self.subscribers,
            connection_events=self.connection_events,
            rest=lambda: self.rest,
            cross_check=lambda: None,
            latencies={"receive_to_book": self.feed.receive_to_book},
            risk=lambda: self.risk,
            trading=lambda: trading(self.trading),
            dropped=lambda: 0,
            warnings=list,
        )

    def hub(self) -> Hub:
        return Hub(
            Picture(self.sources()),
            epoch="e",
            version="0",
            wall_us=self.wall_us,
            event_to_socket=Latency(),
        )


def line(text: str) -> ConsoleLine:
    return ConsoleLine(level="info", timestamp=NOW, source="test", message=text, context="", seq=None)


def alert(key: str, *, is_active: bool = True) -> Alert:
    return Alert(
        id=key, kind="health", count=1, level="warning", component="c", message="m", since=NOW, is_active=is_active
    )

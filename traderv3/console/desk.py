"""The console of one trader, assembled: picture, hub, broadcaster, gate, and what was there before the last start.

The coordinator hands in where everything is read from and what a person may act on; nothing here knows another room, so
what comes out of one (`rest`, `cross_check`) is read by the names of its fields.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import trio

from traderv3.config.limits import LIMITS
from traderv3.console import messages
from traderv3.console.broadcaster import Broadcaster
from traderv3.console.commands import Args, Audited, CommandGate
from traderv3.console.hub import Hub
from traderv3.console.log_tap import LogTap
from traderv3.console.status import Picture, Sources, StateNow
from traderv3.console.trading import fill_report, order_report, trading
from traderv3.console.verbs import Powers, make_commands
from traderv3.core.event_bus import EventBus, handles
from traderv3.core.sockets import cut_connections
from traderv3.core.supervision import NodeReport
from traderv3.domain.events import ConnectionLost, ConnectionUp
from traderv3.domain.feed import Feed
from traderv3.domain.health import Health, Numbers
from traderv3.domain.latency import Latency
from traderv3.domain.permission import Latch, Stand
from traderv3.domain.timestamps import rfc3339
from traderv3.domain.trading_report import FillLine, OrderLine, TradingReport

M = TypeVar("M", bound=messages.Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the console reads of the trader around it; callables are asked anew each time.

    `rest` and `cross_check` answer with the fields of `messages.RestReport` and `CrossCheckReport`, or None. `epoch` is new
    for each process. `kill` ends an actor as if it had crashed, False if none of that name runs; None where nothing may be
    acted on. `open_orders`: how many orders of ours rest or may rest; None where nobody carries orders. `unsure`: what a halt
    still waits for at the venue. `withdraw_all`, `kill_file`: as in `verbs.Powers`.
    """

    environment: str
    version: str
    epoch: str
    feed: Feed
    bus: EventBus
    tap: LogTap
    latch: Latch
    state: Callable[[], StateNow]
    health: Callable[[], Health]
    numbers: Callable[[], Numbers]
    tree: Callable[[], NodeReport]
    rest: Callable[[], object]
    cross_check: Callable[[], object]
    trading: Callable[[], TradingReport]
    warnings: Callable[[], Sequence[str]]
    kill: Callable[[str], bool] | None
    open_orders: Callable[[], int | None]
    unsure: Callable[[], str | None] = lambda: None
    withdraw_all: Callable[[str], Callable[[], int] | None] = lambda _: None
    kill_file: Callable[[], str | None] = lambda: None
    token: str
    audit: Callable[[Audited], None]
    mask: Callable[[Args], Args]
    port: Callable[[], int]
    wall_us: Callable[[], int]


class Desk:
    """Everything of the console but its web server."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._shown_trading: tuple[int, messages.Trading] | None = None
        self._connections: deque[messages.ConnectionEvent] = deque(maxlen=LIMITS.events_kept)
        loop_lag, event_to_socket = Latency(), Latency()
        latencies = {
            "receive_to_book": around.feed.receive_to_book,
            "loop_lag": loop_lag,
            "event_to_socket": event_to_socket,
        }
        self.picture = Picture(self._sources(latencies))
        self.hub = Hub(
            self.picture,
            epoch=around.epoch,
            version=around.version,
            wall_us=around.wall_us,
            event_to_socket=event_to_socket,
        )
        powers = Powers(
            around.environment,
            around.feed,
            around.latch,
            around.kill,
            around.open_orders,
            around.unsure,
            around.withdraw_all,
            around.kill_file,
        )
        self.gate = CommandGate(
            make_commands(powers),
            around.token,
            wall_us=around.wall_us,
            tell=lambda result: self.hub.log("command_result", result),
            audit=around.audit,
            mask=around.mask,
        )
        self.hub.commands = tuple(self.gate.commands)
        self.broadcaster = Broadcaster(self.hub, around.bus, around.tap, loop_lag=loop_lag, cut=self._cut)
        around.bus.subscribe("connection_events", (ConnectionUp, ConnectionLost), handles(self._on_connection))

    def status(self) -> messages.Status:
        """What `/v3/status` answers."""
        return self.picture.status(list(self.hub.slices.transitions))

    def on_latch(self, stand: Stand) -> None:
        """The trading latch moved."""
        self.hub.log("risk", _risk(stand, self._around.open_orders()))

    def on_trading_line(self, line: OrderLine | FillLine) -> None:
        """An order of ours changed, or was filled; each goes out at once and none is conflated."""
        if isinstance(line, OrderLine):
            self.hub.log("order", order_report(line))
        else:
            self.hub.log("fill", fill_report(line))

    def recall_transition(self, source: str, target: str, context: str, at_us: int) -> None:
        """Show a transition of an earlier run; before anything happens in this one."""
        self.hub.slices.take(
            messages.StateTransition(
                from_state=source, to_state=target, context=context, timestamp=rfc3339(at_us), metrics=None, seq=None
            )
        )

    def recall_connection(self, connection: str, reason: str | None, at_us: int) -> None:
        """Show a connection made, or with a `reason` lost, in this run or an earlier one."""
        event = messages.ConnectionEvent(
            connection=connection, is_up=reason is None, reason=reason, timestamp=rfc3339(at_us)
        )
        self._connections.append(event)

    def _on_connection(self, event: ConnectionUp | ConnectionLost) -> None:
        reason = event.reason if isinstance(event, ConnectionLost) else None
        self.recall_connection(event.connection, reason, event.at_us)

    def _sources(self, latencies: dict[str, Latency]) -> Sources:
        around, began_at = self._around, trio.current_time()
        return Sources(
            environment=around.environment,
            uptime_s=lambda: trio.current_time() - began_at,
            wall_us=around.wall_us,
            steady_s=trio.current_time,
            feed=around.feed,
            state=around.state,
            health=around.health,
            numbers=around.numbers,
            tree=around.tree,
            subscribers=around.bus.stats,
            connection_events=self._connections,
            rest=lambda: _read(around.rest(), messages.RestReport),
            cross_check=lambda: _read(around.cross_check(), messages.CrossCheckReport),
            latencies=latencies,
            risk=lambda: _risk(around.latch.stand, around.open_orders()),
            trading=self._trading,
            dropped=lambda: around.bus.dropped + self.hub.dropped + around.tap.dropped,
            warnings=around.warnings,
        )

    def _trading(self) -> messages.Trading:
        """Trading as it stands; made anew when it changed."""
        report = self._around.trading()
        if self._shown_trading is None or self._shown_trading[0] != report.version:
            self._shown_trading = (report.version, trading(report))
        return self._shown_trading[1]

    def _cut(self, peer: tuple[str, int]) -> None:
        cut_connections(self._around.port(), peer)


def _risk(stand: Stand, open_orders: int | None) -> messages.Risk:
    return messages.Risk(
        mode=stand.mode.value,
        since=rfc3339(stand.since_us),
        by=stand.by,
        reason=stand.reason,
        resting_orders=open_orders or 0,
    )


def _read(stats: Any, kind: type[M]) -> M | None:
    return None if stats is None else msgspec.convert(stats, kind, from_attributes=True)

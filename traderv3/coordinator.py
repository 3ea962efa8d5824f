"""The map of the running system: builds the channels, declares who supervises whom, starts it, stops it.

    root (one_for_one: a full disk or a broken page never touches the feed)
    |- storage      journal, write queue, recorder, run record
    |- control      event bus, state machine, loop watchdog
    |- observation  metrics aggregator, broadcaster, web server
    |- exchange     the embedded one as a child process          (`sim` without URLs only)
    `- venue        (rest_for_one: what trades on books goes down with them)
       `- market    discovery, exchange hours, order-book connectors (as many as the selection has shares),
                    channel connector, cross-check               (one_for_one)

Data:  venue socket -> orderbook_connector -> Feed (books, read in place)
       channel_connector -> discovery -> Selection -> orderbook_connector
       REST -> discovery, exchange_hours, cross_check -> Feed
Kept:  connectors, pilot -> journal (byte for byte); bus, feed -> recorder -> write_queue -> database
Facts: every actor -> event_bus -> fact_log, broadcaster (console)
State: Feed -> state_machine (pilot) -> broadcaster's log at once, event_bus for everybody else
"""

import random
import socket
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
import trio

from traderv3 import __version__
from traderv3.clients.channel_connector import ChannelConnector
from traderv3.clients.cross_check import CrossCheck
from traderv3.clients.discovery import MarketDiscovery
from traderv3.clients.door import Door
from traderv3.clients.doors import embedded_signer, open_door
from traderv3.clients.exchange_hours import ExchangeHours
from traderv3.clients.orderbook_connector import OrderBookConnector, connector_name
from traderv3.clients.replay import Replay
from traderv3.clients.selection import Selection
from traderv3.config.endpoints import parse_endpoint
from traderv3.config.environment import Environment
from traderv3.config.limits import LIMITS
from traderv3.config.settings import Settings
from traderv3.console import messages
from traderv3.console.broadcaster import Broadcaster, LogTap
from traderv3.console.conversation import Command, CommandRefused
from traderv3.console.hub import Hub
from traderv3.console.status import Picture, Sources, StateNow
from traderv3.console.web_server import WebServer
from traderv3.core.breaker import BreakerState
from traderv3.core.clock import WallClock
from traderv3.core.event_bus import BusLimits, EventBus, handles
from traderv3.core.lifeline import Lifeline
from traderv3.core.sockets import cut_connections
from traderv3.core.supervision import Backoff, ChildSpec, NodeReport, Restart, Status, Strategy, SupervisorSpec
from traderv3.core.supervisor import Supervisor, supervise
from traderv3.core.watchdog import LoopWatchdog, end_process
from traderv3.domain.errors import VenueRefused
from traderv3.domain.events import ConnectionLost, ConnectionUp, StateChanged
from traderv3.domain.feed import Feed
from traderv3.domain.market_facts import MarketFact, MarketLifecycle
from traderv3.domain.state_hash import StateHash
from traderv3.domain.states import State
from traderv3.domain.tape import NO_TAPE, Tape
from traderv3.domain.timestamps import rfc3339
from traderv3.exchange.process import Announcement, ExchangeProcess
from traderv3.protocol.session import SessionLimits
from traderv3.storage.archive import Archive
from traderv3.storage.rows import command_row
from traderv3.telemetry import prometheus
from traderv3.telemetry.fact_log import FactLog
from traderv3.telemetry.metrics_aggregator import MetricsAggregator
from traderv3.trading.pilot import Pilot

FAREWELL_S: Final = 0.1  # for the last transition to reach the consoles

log = structlog.get_logger(component="coordinator")

CreateApp = Callable[["Trader"], Any]


class Trader:
    """One assembled trader. Building it opens nothing but what is passed in; `run` lives until it is asked to stop."""

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        create_app: CreateApp,
        *,
        wall_us: WallClock,
        rng: random.Random,
        tap: LogTap,
        token: str,
        door: Door | None = None,
        replay: Callable[[Replay], Awaitable[None]] | None = None,
        log_lost: Callable[[], int] = lambda: 0,
        record_to: Path | None = None,
    ) -> None:
        self.settings = settings
        self.wall_us = wall_us
        self.rng = rng
        self.token = token
        self.stopping = trio.Event()
        self.refusal: VenueRefused | None = None  # why we stopped by ourselves
        self.feed = Feed()
        self.selection = Selection(
            connections=settings.connections,
            per_connection=LIMITS.markets_per_connection,
            on_grow=self._open_connections,
        )
        self.bus = EventBus(BusLimits(capacity=LIMITS.bus_capacity, handler_s=LIMITS.handler_s))
        self.connection_events: deque[messages.ConnectionEvent] = deque(maxlen=LIMITS.events_kept)
        self.bus.subscribe("connection_events", (ConnectionUp, ConnectionLost), handles(self._note_connection))
        self.state_hash = StateHash(self.feed)
        self._replay = replay
        self.archive = None if replay else self._make_archive(record_to)
        self.watchdog = LoopWatchdog(stall_s=LIMITS.stall_s)
        self.pilot = Pilot(
            self.feed,
            self.bus,
            is_served=lambda: self.web_server.is_serving,
            wall_us=wall_us,
            rng=rng,
            backoff=Backoff(1e-6, 1e-6) if replay else Backoff(LIMITS.error_first_s, LIMITS.error_most_s),
            record=self._record,
        )
        self.fact_log = FactLog(self.bus)
        self.aggregator = MetricsAggregator(
            self.feed,
            wall_us=wall_us,
            lag_s=lambda: self.watchdog.lag_s,
            state=lambda: (self.pilot.machine.state, self.pilot.machine.context, self.pilot.machine.held_s),
            tree=lambda: self.node().children,
            log_lost=log_lost,
            rest_trouble=self._rest_trouble,
            storage_troubles=self.archive.troubles if self.archive else list,
        )
        self.picture = Picture(self._sources(tap))
        self.hub = Hub(self.picture, epoch=uuid.uuid4().hex, version=__version__, wall_us=wall_us)
        self.commands = {"restart_actor": Command(self._restart_actor, confirmation=lambda args: str(args.get("name")))}
        self.hub.commands = tuple(self.commands)
        self.broadcaster = Broadcaster(self.hub, self.bus, tap, cut=self._cut)
        self.web_server = WebServer(create_app(self), listener, self.hub)
        self._door = door
        self._discovery: MarketDiscovery | None = None
        self._cross_check: CrossCheck | None = None
        self._root: Supervisor | None = None

    def _make_archive(self, record_to: Path | None) -> Archive:
        settings = self.settings
        return Archive(
            self.feed,
            self.bus,
            data_dir=settings.data_dir,
            record_to=record_to,
            environment=settings.environment.value,
            database_url=settings.database_url.reveal(),
            run_id=uuid.uuid4().hex,
            trader=f"{socket.gethostname()}:{settings.data_dir.resolve()}",
            version=__version__,
            state_hash=self.state_hash.value,
            wall_us=self.wall_us,
            rng=self.rng,
        )

    # -- the tree ------------------------------------------------------------------------------------------------------

    def tree(self) -> SupervisorSpec:
        """Who supervises whom, in start order. A replay has neither venue nor storage, and asks the machine itself."""
        beat_s = LIMITS.heartbeat_s
        control = SupervisorSpec(
            name="control",
            strategy=Strategy.ONE_FOR_ONE,
            children=(
                ChildSpec(name="event_bus", run=self.bus.run),
                ChildSpec(name="state_machine", run=self.pilot.run, heartbeat_s=beat_s),
                ChildSpec(name="loop_watchdog", run=self.watchdog.run),
            ),
        )
        observation = SupervisorSpec(
            name="observation",
            strategy=Strategy.ONE_FOR_ONE,
            children=(
                ChildSpec(
                    name="metrics_aggregator",
                    run=self.aggregator.run,
                    heartbeat_s=beat_s,
                    mailbox=self.bus.mailbox_of("fact_log"),
                ),
                ChildSpec(
                    name="broadcaster",
                    run=self.broadcaster.run,
                    heartbeat_s=beat_s,
                    mailbox=self.bus.mailbox_of("console_actors"),
                ),
                ChildSpec(name="web_server", run=self.web_server.run, grace_s=2.0),
            ),
        )
        market = SupervisorSpec(
            name="market",
            strategy=Strategy.ONE_FOR_ONE,
            children=(
                ChildSpec(name="discovery", run=self._discover, heartbeat_s=2 * beat_s),
                ChildSpec(name="exchange_hours", run=self._watch_hours, heartbeat_s=4 * beat_s),
                self._connector_spec(0),
                ChildSpec(name="channel_connector", run=self._hear_channels, heartbeat_s=2 * beat_s),
                ChildSpec(name="cross_check", run=self._check_books, heartbeat_s=8 * beat_s),
            ),
        )
        if self._replay is not None:
            bus = ChildSpec(name="event_bus", run=self.bus.run)
            player = ChildSpec(name="replay", run=self._play, restart=Restart.TEMPORARY)
            return SupervisorSpec(name="root", strategy=Strategy.ONE_FOR_ONE, children=(bus, observation, player))
        venue = SupervisorSpec(name="venue", strategy=Strategy.REST_FOR_ONE, children=(market,))
        storage = (self.archive.room(heartbeat_s=beat_s),) if self.archive else ()
        own_exchange = (self._exchange_spec(),) if self.settings.is_own_exchange else ()
        return SupervisorSpec(
            name="root",
            strategy=Strategy.ONE_FOR_ONE,
            children=(*storage, control, observation, *own_exchange, venue),
            restarts_max=LIMITS.room_restarts_max,
            backoff=Backoff(LIMITS.room_first_s, LIMITS.room_most_s, jitter=0.25),
        )

    def _exchange_spec(self) -> ChildSpec:
        return ChildSpec(name="exchange", run=ExchangeProcess(self.settings.data_dir, self._on_exchange).run)

    def _connector_spec(self, index: int) -> ChildSpec:
        """One market-data connection; the first is there from the start, the others come with the markets."""

        async def run(lifeline: Lifeline) -> None:
            connector = OrderBookConnector(
                self.door,
                self.selection,
                self.feed,
                self.bus,
                index=index,
                wall_us=self.wall_us,
                rng=self.rng,
                give_up=self._give_up,
                backoff=self._reconnect_backoff,
                limits=SessionLimits(chunk=LIMITS.subscribe_chunk, answer_s=LIMITS.answer_s),
                tape=self._tape,
            )
            await connector.run(lifeline)

        return ChildSpec(name=connector_name(index), run=run, heartbeat_s=2 * LIMITS.heartbeat_s)

    @property
    def _tape(self) -> Tape:
        return self.archive.journal if self.archive else NO_TAPE

    def _open_connections(self, count: int) -> None:
        """Have so many connectors; those that are there already stay as they are."""
        for index in range(1, count):
            if self._root is not None:
                self._root.add("market", self._connector_spec(index))

    async def _discover(self, lifeline: Lifeline) -> None:
        self._discovery = MarketDiscovery(
            self.door.rest,
            self.settings.markets,
            self.selection,
            self.feed,
            self.bus,
            wall_us=self.wall_us,
            rng=self.rng,
            backoff=self._reconnect_backoff,
        )
        await self._discovery.run(lifeline)

    async def _watch_hours(self, lifeline: Lifeline) -> None:
        await ExchangeHours(self.door.rest, self.feed, wall_us=self.wall_us).run(lifeline)

    async def _hear_channels(self, lifeline: Lifeline) -> None:
        connector = ChannelConnector(
            "channel_connector",
            lambda: {"market_lifecycle_v2": None, "trade": self.selection.tickers},
            lambda: self.selection.version,
            self.door,
            self.feed,
            self.bus,
            deliver=self._on_channel_fact,
            missed=self._on_lifecycle_missed,
            wall_us=self.wall_us,
            rng=self.rng,
            backoff=self._reconnect_backoff,
            tape=self._tape,
        )
        await connector.run(lifeline)

    def _on_channel_fact(self, fact: MarketFact) -> None:
        if self.archive:
            self.archive.recorder.record_fact(fact)
        if isinstance(fact, MarketLifecycle) and self._discovery is not None:
            self._discovery.heed(fact)

    def _on_lifecycle_missed(self) -> None:
        if self._discovery is not None:
            self._discovery.look_soon()

    async def _check_books(self, lifeline: Lifeline) -> None:
        books, lines = self.feed.books, self.feed.lines
        self._cross_check = CrossCheck(
            self.door.rest,
            lambda: {
                name: [books[ticker] for ticker in line.tickers if ticker in books] for name, line in lines.items()
            },
            self.feed.suspect,
            self.bus,
            wall_us=self.wall_us,
            rng=self.rng,
        )
        await self._cross_check.run(lifeline)

    async def _play(self, lifeline: Lifeline) -> None:
        assert self._replay is not None
        lifeline.started()
        machine = self.pilot.machine

        async def follow(target: State, context: str) -> None:
            if machine.may(target):
                await machine.to(target, context)

        replay = Replay(
            self.feed,
            self.bus,
            limits=SessionLimits(chunk=LIMITS.subscribe_chunk, answer_s=LIMITS.answer_s),
            look=self.pilot.look,
            follow=follow,
            state=lambda: machine.state,
        )
        await self._replay(replay)
        await lifeline.stopping.wait()

    # -- the venue's door ----------------------------------------------------------------------------------------------

    @property
    def door(self) -> Door:
        """The way to the venue. In `sim` it is known once the exchange listens, which is before `venue` starts."""
        assert self._door is not None, "venue starts after the exchange has said where it listens"
        return self._door

    def _on_exchange(self, found: Announcement) -> None:
        """The embedded exchange listens; it keeps address and key over its restarts, so the first word is enough."""
        if self._door is None:
            api = parse_endpoint(found.api_url, Environment.SIM, "api")
            ws = parse_endpoint(found.ws_url, Environment.SIM, "ws")
            self._door = open_door(
                api, ws, embedded_signer(Path(found.private_key_path)), wall_us=self.wall_us, rng=self.rng
            )

    @property
    def _reconnect_backoff(self) -> Backoff:
        return Backoff(LIMITS.reconnect_first_s, LIMITS.reconnect_most_s)

    # -- what others read ----------------------------------------------------------------------------------------------

    def _sources(self, tap: LogTap) -> Sources:
        machine = self.pilot.machine
        return Sources(
            environment=self.settings.environment.value,
            started_us=self.wall_us(),
            wall_us=self.wall_us,
            feed=self.feed,
            state=lambda: StateNow(machine.state, self.pilot.since_us, machine.context),
            health=self.aggregator.assess,
            numbers=lambda: self.aggregator.numbers,
            tree=self.node,
            subscribers=self.bus.stats,
            dropped=lambda: self.bus.dropped + self.hub.dropped + tap.dropped,
            connection_events=self.connection_events,
            rest=self._rest_report,
            cross_check=self._cross_check_report,
            warnings=self._warnings,
        )

    def node(self) -> NodeReport:
        """The supervision tree as it is; a bare root before it was started."""
        if self._root is None:
            return NodeReport("root", Strategy.ONE_FOR_ONE, Status.STARTING, self.wall_us(), 0, None, None, ())
        return self._root.node()

    def _rest_trouble(self) -> str | None:
        stats = self._door.rest.stats() if self._door is not None else None
        return (stats.last_error or "no answer") if stats and stats.breaker is not BreakerState.CLOSED else None

    def _rest_report(self) -> messages.RestReport | None:
        if self._door is None:
            return None
        return msgspec.convert(self._door.rest.stats(), messages.RestReport, from_attributes=True)

    def _cross_check_report(self) -> messages.CrossCheckReport | None:
        if self._cross_check is None:
            return None
        return msgspec.convert(self._cross_check.stats(), messages.CrossCheckReport, from_attributes=True)

    def _warnings(self) -> list[str]:
        said = [f"{problem.variable}: {problem.what}. {problem.how}" for problem in self.settings.warnings]
        return said + [f"{ticker}: {reason}" for ticker, reason in self.feed.absent.items()]

    def status(self) -> messages.Status:
        """What `/v3/status` answers."""
        return self.picture.status(list(self.hub.transitions))

    def prometheus_text(self) -> bytes:
        """What `/v3/metrics` answers."""
        return prometheus.render(
            self.feed,
            self.aggregator.numbers,
            self.aggregator.assess(),
            self.pilot.machine.state,
            self.node(),
            uptime_s=self.picture.uptime_s,
            dropped=self.picture.sources.dropped(),
        )

    # -- life ----------------------------------------------------------------------------------------------------------

    def _note_connection(self, event: ConnectionUp | ConnectionLost) -> None:
        reason = event.reason if isinstance(event, ConnectionLost) else None
        self._keep_connection(event.connection, event.at_us, reason)

    def _keep_connection(self, connection: str, at_us: int, reason: str | None) -> None:
        self.connection_events.append(
            messages.ConnectionEvent(
                connection=connection, is_up=reason is None, reason=reason, timestamp=rfc3339(at_us)
            )
        )

    async def _read_history(self, archive: Archive) -> None:
        """Show what an earlier run of this trader did, as far as the database tells."""
        history = await archive.history()
        if history.trouble is not None:
            log.warning("history not read", why=history.trouble)
        self.feed.gaps.extend(history.gaps)
        for row in history.connections:
            self._keep_connection(row.connection, row.at_us, None if row.kind == "up" else row.reason or "lost")
        for transition in history.transitions:
            self.hub.transitions.append(
                messages.StateTransition(
                    from_state=transition.source,
                    to_state=transition.target,
                    context=transition.context,
                    timestamp=rfc3339(transition.at_us),
                    metrics=None,
                )
            )

    async def run(self) -> None:
        """Live until `stop` or escalation. Raises what the root supervisor escalates with."""
        if self.archive is not None:
            await self._read_history(self.archive)
        try:
            await supervise(
                self.tree(),
                self.stopping,
                wall_us=self.wall_us,
                rng=self.rng,
                report=self.bus.publish,
                abort=end_process,
                on_made=lambda root: setattr(self, "_root", root),
            )
        finally:
            if self._door is not None:
                with trio.move_on_after(1.0, shield=True):
                    await self._door.rest.aclose()

    async def stop(self, reason: str) -> None:
        """Say `shutdown`, let the consoles hear it, then stop the tree in reverse order."""
        machine = self.pilot.machine
        if machine.may(State.SHUTDOWN):
            await machine.to(State.SHUTDOWN, reason)
            await trio.sleep(FAREWELL_S)
        self.stopping.set()

    async def _give_up(self, refusal: VenueRefused) -> None:
        log.error("the venue refuses our key; nothing to do but to stop", error=str(refusal))
        self.refusal = refusal
        await self.stop(f"the venue refuses our key: {refusal}")

    def _record(self, event: StateChanged) -> None:
        self.state_hash.take(event)
        if self.archive:
            self.archive.record_transition(event, self.feed.problem)
        self.broadcaster.record(event)

    def _restart_actor(self, args: Any) -> str:
        name = str(args.get("name"))
        if self._root is None or not self._root.kill(name):
            msg = f"no actor {name[:60]!r} is running"
            raise CommandRefused(msg)
        result = f"{name} was ended; its supervisor starts it again"
        if self.archive is not None:
            audit = command_row(
                self.wall_us(), "console", "restart_actor", {"name": name}, result, is_done=True, mask=dict
            )
            self.archive.queue.put(audit)
        return result

    def _cut(self, peer: tuple[str, int]) -> None:
        cut_connections(self.web_server.port, peer)

"""The map of the running system: builds the rooms, declares who supervises whom, starts it, stops it.

    root (one_for_one: a full disk or a broken page never touches the feed)
    |- storage      journal, write queue, recorder, run record              (`storage.archive`)
    |- control      event bus, state machine, loop watchdog, kill switch
    |- observation  metrics aggregator, broadcaster, web server             (`console.desk`)
    |- exchange     the embedded one as a child process                     (`sim` without URLs only)
    `- venue        (rest_for_one: what trades on books goes down with them)
       |- market    discovery, exchange hours, order-book connectors (as many as the selection has shares),
       |            channel connector, cross-check  (one_for_one)           (`clients.market_room`)
       `- execution account connector, order gateway, engine, state sync    (`execution_room`; absent while trading is off)

Data:  venue socket -> orderbook_connector -> Feed (books, read in place)
       channel_connector -> discovery -> Selection -> orderbook_connector
       REST -> discovery, exchange_hours, cross_check -> Feed
Trade: Feed -> engine -> risk -> order_gateway -> intent log, then venue; account_connector, state_sync -> engine
Kept:  connectors, pilot -> journal (byte for byte); bus, feed -> recorder -> write_queue -> database
Facts: every actor -> event_bus -> fact_log, broadcaster (console)
State: Feed -> state_machine (pilot) -> broadcaster's log at once, event_bus for everybody else
Words: a person -> web server -> the desk's gate -> trading latch, supervisor, Feed; each is audited by the archive
Halt:  console, command line, kill switch (file, signal) -> latch -> order gateway; no engine is needed
Near:  `outside` what all this stands on, `doorway` the way to the venue, `player` the one actor of a replay,
       `trading_side` what the others know of the execution room, or of trading that is off
"""

import random
import socket
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import structlog
import trio

from traderv3 import __version__
from traderv3.clients.door import Door
from traderv3.clients.market_room import MarketRoom
from traderv3.clients.replay import Replay
from traderv3.config.limits import LIMITS
from traderv3.config.settings import Settings
from traderv3.console.commands import Audited
from traderv3.console.desk import Desk, Surroundings
from traderv3.console.log_tap import LogTap
from traderv3.console.status import StateNow
from traderv3.core.clock import WallClock
from traderv3.core.event_bus import BusLimits, EventBus
from traderv3.core.supervision import Backoff, ChildSpec, NodeReport, Restart, Status, Strategy, SupervisorSpec
from traderv3.core.supervisor import Supervisor, describe, supervise
from traderv3.domain.errors import VenueRefused
from traderv3.domain.events import StateChanged
from traderv3.domain.feed import Feed
from traderv3.domain.market_facts import MarketFact
from traderv3.domain.permission import Stand
from traderv3.domain.state_hash import StateHash
from traderv3.domain.states import State
from traderv3.domain.tape import NO_TAPE, Tape
from traderv3.domain.trading_report import TradingReport
from traderv3.doorway import Doorway
from traderv3.execution_room import ExecutionRoom
from traderv3.outside import REAL, ConsoleServer, Outside
from traderv3.player import Player
from traderv3.storage.archive import Archive
from traderv3.storage.rows import command_row
from traderv3.telemetry.fact_log import FactLog
from traderv3.telemetry.log_redaction import Redactor
from traderv3.telemetry.metrics_aggregator import MetricsAggregator
from traderv3.trading.kill_switch import KILL_FILE, KillSwitch, read_kill_file
from traderv3.trading.latch import LATCH_FILE, TradingLatch
from traderv3.trading.pilot import Pilot
from traderv3.trading_side import TradingSide

FAREWELL_S: Final = 0.1  # for the last transition to reach the consoles
ERROR_LENGTH_MAX: Final = 500  # characters; the log has the whole of it

log = structlog.get_logger(component="coordinator")


class Trader:
    """One assembled trader. Building it opens nothing but what is passed in; `run` lives until it is asked to stop."""

    def __init__(
        self,
        settings: Settings,
        make_console: Callable[["Trader"], ConsoleServer],
        *,
        wall_us: WallClock,
        rng: random.Random,
        tap: LogTap,
        token: str,
        door: Door | None = None,
        replay: Callable[[Replay], Awaitable[None]] | None = None,
        log_lost: Callable[[], int] = lambda: 0,
        record_to: Path | None = None,
        outside: Outside = REAL,
    ) -> None:
        self.settings = settings
        self._outside = outside
        self.wall_us = wall_us
        self.rng = rng
        self.stopping = trio.Event()
        self.refusal: VenueRefused | None = None  # why we stopped by ourselves
        self.feed = Feed()
        self._redactor = Redactor((token, *settings.secrets))
        self.bus = EventBus(BusLimits(capacity=LIMITS.bus_capacity, handler_s=LIMITS.handler_s), say=self._say)
        self.state_hash = StateHash(self.feed)
        self._doorway = Doorway(door, wires=outside.wires, wall_us=wall_us, rng=rng)
        self._replay = replay
        self._root: Supervisor | None = None
        self.execution: ExecutionRoom | None = None
        self.archive = None if replay else self._make_archive(record_to)
        tape = outside.overhear(self.archive.journal if self.archive else NO_TAPE)
        self.watchdog = outside.watchdog()
        latch_at = settings.folder / LATCH_FILE
        self.latch = TradingLatch(None if replay else latch_at, wall_us=wall_us, blocking=outside.storage.blocking())
        self._kill_file = settings.folder / KILL_FILE
        self._trading = TradingSide(settings, self.latch, is_replay=replay is not None)
        self.pilot = Pilot(
            self.feed,
            self.bus,
            is_served=lambda: self.web_server.is_serving,
            wall_us=wall_us,
            rng=rng,
            backoff=Backoff(1e-6, 1e-6) if replay else Backoff(LIMITS.error_first_s, LIMITS.error_most_s),
            record=self._record,
            trading=self._trading.facts,
        )
        self.fact_log = FactLog(self.bus)
        self.aggregator = MetricsAggregator(
            self.feed,
            wall_us=wall_us,
            lag_s=lambda: self.watchdog.lag_s,
            state=lambda: (self.pilot.machine.state, self.pilot.machine.context, self.pilot.machine.held_s),
            tree=lambda: self.node().children,
            log_lost=log_lost,
            rest_trouble=self._doorway.rest_trouble,
            storage_troubles=self.archive.troubles if self.archive else list,
            trading_troubles=self._trading.troubles,
        )
        self.market = MarketRoom(
            self.feed,
            self.bus,
            door=self._doorway.door,
            wanted=settings.markets,
            connections=settings.connections,
            give_up=self._give_up,
            record_fact=self._on_market_fact,
            add=lambda spec: self._root is not None and self._root.add(MarketRoom.name, outside.dress(spec)),
            tape=tape,
            wall_us=wall_us,
            rng=rng,
        )
        self.desk = Desk(self._surroundings(tap, token))
        self.latch.on_change = self._on_latch
        if self.archive is not None and settings.may_trade:
            self.execution = self._trading.room = self._make_execution(self.archive, tape)
        self.web_server = make_console(self)

    def _make_archive(self, record_to: Path | None) -> Archive:
        return Archive(
            self.feed,
            self.bus,
            data_dir=self.settings.data_dir,
            record_to=record_to,
            environment=self.settings.environment.value,
            database_url=self.settings.database_url.reveal(),
            run_id=uuid.uuid4().hex,
            trader=f"{socket.gethostname()}:{self.settings.data_dir.resolve()}",
            version=__version__,
            state_hash=self.state_hash.value,
            wall_us=self.wall_us,
            rng=self.rng,
            means=self._outside.storage,
        )

    def _make_execution(self, archive: Archive, tape: Tape) -> ExecutionRoom:
        return ExecutionRoom(
            self.settings,
            self.feed,
            self.bus,
            door=self._doorway.door,
            latch=self.latch,
            blocking=self._outside.storage.blocking,
            record=archive.recorder.record_fact,
            tape=tape,
            cross_check=self._cross_check_score,
            clock_offset_us=self._doorway.clock_offset_us,
            tell=self.desk.on_trading_line,
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
                *self._kill_switch(),
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
                    run=self.desk.broadcaster.run,
                    heartbeat_s=beat_s,
                    mailbox=self.bus.mailbox_of("console_actors"),
                ),
                ChildSpec(name="web_server", run=self.web_server.run, grace_s=2.0),
            ),
        )
        if self._replay is not None:
            bus = ChildSpec(name="event_bus", run=self.bus.run)
            player = Player(self.feed, self.bus, self.pilot, self._replay)
            playing = ChildSpec(name=player.name, run=player.run, restart=Restart.TEMPORARY)
            return SupervisorSpec(name="root", strategy=Strategy.ONE_FOR_ONE, children=(bus, observation, playing))
        execution = (self.execution.spec(heartbeat_s=beat_s),) if self.execution is not None else ()
        venue = SupervisorSpec(
            name="venue", strategy=Strategy.REST_FOR_ONE, children=(self.market.spec(heartbeat_s=beat_s), *execution)
        )
        storage = (self.archive.room(heartbeat_s=beat_s),) if self.archive else ()
        own_exchange = (self._exchange_spec(),) if self.settings.is_own_exchange else ()
        return SupervisorSpec(
            name="root",
            strategy=Strategy.ONE_FOR_ONE,
            children=(*storage, control, observation, *own_exchange, venue),
            restarts_max=LIMITS.room_restarts_max,
            backoff=Backoff(LIMITS.room_first_s, LIMITS.room_most_s, jitter=0.25),
        )

    def _kill_switch(self) -> tuple[ChildSpec, ...]:
        if self.execution is None:
            return ()
        switch = KillSwitch(self.latch, self._kill_file, hear=self._outside.kill_signals)
        return (ChildSpec(name=switch.name, run=switch.run, heartbeat_s=LIMITS.heartbeat_s),)

    def _exchange_spec(self) -> ChildSpec:
        exchange = self._outside.exchange(self.settings.data_dir, self._doorway.on_exchange)
        return ChildSpec(name="exchange", run=exchange.run)

    # -- what others read ----------------------------------------------------------------------------------------------

    def _surroundings(self, tap: LogTap, token: str) -> Surroundings:
        """What the console reads, and what a person may act on through it."""
        machine = self.pilot.machine
        return Surroundings(
            environment=self.settings.environment.value,
            version=__version__,
            epoch=uuid.uuid4().hex,
            feed=self.feed,
            bus=self.bus,
            tap=tap,
            latch=self.latch,
            state=lambda: StateNow(machine.state, self.pilot.since_us, machine.context),
            health=self.aggregator.assess,
            numbers=lambda: self.aggregator.numbers,
            tree=self.node,
            rest=self._doorway.rest_stats,
            cross_check=self.market.cross_check_stats,
            trading=self._trading.report,
            warnings=self._warnings,
            kill=None if self._replay else lambda name: self._root is not None and self._root.kill(name),
            open_orders=self._trading.open_orders,
            unsure=self._trading.unsure,
            withdraw_all=self._trading.withdraw_all,
            kill_file=lambda: read_kill_file(self._kill_file),
            token=token,
            audit=self._audit,
            mask=self._redactor.fields,
            port=lambda: self.web_server.port,
            wall_us=self.wall_us,
        )

    def node(self) -> NodeReport:
        """The supervision tree as it is; a bare root before it was started."""
        if self._root is None:
            return NodeReport("root", Strategy.ONE_FOR_ONE, Status.STARTING, self.wall_us(), 0, None, None, ())
        return self._root.node()

    def trading_report(self) -> TradingReport:
        """What trading shows to people."""
        return self._trading.report()

    def _cross_check_score(self) -> float | None:
        stats = self.market.cross_check_stats()
        return None if stats is None else stats.score

    def _warnings(self) -> list[str]:
        said = [f"{problem.variable}: {problem.what}. {problem.how}" for problem in self.settings.warnings]
        return said + [f"{ticker}: {reason}" for ticker, reason in self.feed.absent.items()]

    # -- life ----------------------------------------------------------------------------------------------------------

    async def _read_history(self, archive: Archive) -> None:
        """Show what an earlier run of this trader did, as far as the database tells."""
        history = await archive.history()
        if history.trouble is not None:
            log.warning("history not read", why=history.trouble)
        self.feed.gaps.extend(history.gaps)
        for row in history.connections:
            reason = None if row.kind == "up" else row.reason or "lost"
            self.desk.recall_connection(row.connection, reason, row.at_us)
        for transition in history.transitions:
            self.desk.recall_transition(transition.source, transition.target, transition.context, transition.at_us)

    async def run(self) -> None:
        """Live until `stop` or escalation. Raises what the root supervisor escalates with."""
        if self.archive is not None:
            await self._read_history(self.archive)
        try:
            await supervise(
                self._outside.dressed(self.tree()),
                self.stopping,
                wall_us=self.wall_us,
                rng=self.rng,
                report=self.bus.publish,
                abort=self._outside.abort,
                say=self._say,
                on_made=lambda root: setattr(self, "_root", root),
            )
        finally:
            with trio.move_on_after(1.0, shield=True):
                await self._trading.aclose()
                await self._doorway.aclose()

    def _say(self, error: BaseException) -> str:
        """An error as the console, the database and health may show it: one line, bounded, without our secrets."""
        return self._redactor.text(describe(error), ERROR_LENGTH_MAX)

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
        self.desk.broadcaster.record(event)

    def _on_market_fact(self, fact: MarketFact) -> None:
        if self.archive is not None:
            self.archive.recorder.record_fact(fact)
        self._trading.on_market_fact(fact)

    def _on_latch(self, stand: Stand) -> None:
        self._trading.on_latch(stand)
        self.desk.on_latch(stand)

    def _audit(self, said: Audited) -> None:
        if self.archive is not None:
            self.archive.queue.put(command_row(**asdict(said), mask=dict))

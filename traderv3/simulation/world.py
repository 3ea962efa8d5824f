"""One seed's whole life: builds trader, exchange and everything between them, strikes, watches, stops, looks back.

The run ends at the first broken invariant, or when all has been well for `CALM_S` after the faults, or when the recovery
is overdue; then the trader is stopped in order, and what it kept is read again.
"""

import random
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
import trio
import trio.testing

from traderv3.clients.door import Wires
from traderv3.config.endpoints import Endpoint
from traderv3.config.environment import Environment
from traderv3.config.limits import LIMITS
from traderv3.config.secret import Secret
from traderv3.config.settings import Settings
from traderv3.config.strategy_file import NOTHING_TO_SET
from traderv3.console.log_tap import LogTap
from traderv3.coordinator import Trader
from traderv3.core.event_bus import handles
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervisor import describe
from traderv3.core.watchdog import LoopWatchdog
from traderv3.domain.errors import TraderError
from traderv3.domain.events import StateChanged
from traderv3.domain.permission import Mode
from traderv3.domain.risk_limits import DEFAULT_LIMITS
from traderv3.exchange.exchange import BALANCE_DEFAULT, Exchange
from traderv3.outside import Outside
from traderv3.simulation import aftermath
from traderv3.simulation.account import SWEPT_S, AccountWitness
from traderv3.simulation.actors import Actors
from traderv3.simulation.consoles import SimulatedConsole, talk_with
from traderv3.simulation.disk import Disk
from traderv3.simulation.growth import Growth
from traderv3.simulation.http import RestWeather, SimulatedHttp
from traderv3.simulation.invariants import Invariants
from traderv3.simulation.network import Network
from traderv3.simulation.plan import CALM_S, RECOVERY_S, Plan
from traderv3.simulation.restless import on_the_list
from traderv3.simulation.scheduler import NobodyWakes, Standstill, run_seeded
from traderv3.simulation.strike import Clock, Striker
from traderv3.simulation.trace import Trace
from traderv3.simulation.venue import SimulatedExchange
from traderv3.simulation.witness import Broken, Witness

EPOCH_US: Final = 1_793_620_800_000_000  # 2026-11-02T12:00:00Z, a Monday: no announced pause is near
HASH_STEPS: Final = 10
TRACE_MOST: Final = 20_000  # lines of a long run
SETTLED_S: Final = 5.0  # from the last trade of others to an account that is equal on both sides
STOP_S: Final = LIMITS.shutdown_s
IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own in it, where there is one: no disk to wait for


@dataclass
class Outcome:
    """What came of a run. `broken` is the first invariant that did not hold, with its time, or None."""

    plan: Plan
    trace: Trace
    broken: str | None = None
    virtual_s: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


class StillWatchdog(LoopWatchdog):
    """The loop does not stall on a virtual clock; the real one has a thread."""

    async def run(self, lifeline: Lifeline) -> None:
        """Do nothing."""
        lifeline.started()
        await trio.sleep_forever()


def simulate(plan: Plan, *, growth: Growth | None = None) -> Outcome:
    """Live through a plan; a long one with an eye on what grows, and the latest of its trace."""
    outcome = Outcome(plan, Trace(None if growth is None else TRACE_MOST))
    folder = Path(tempfile.mkdtemp(prefix="traderv3-sim-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
    try:
        outcome.trace.hidden = str(folder)
        world = World(plan, folder, outcome, growth)
        with heard_log(world.hear_log), on_the_list():
            try:
                run_seeded(world.live, plan.seed)
            except* Broken:
                assert outcome.broken is not None
            except* NobodyWakes:
                outcome.broken = outcome.broken or "in the end: every task waits, and none for a moment in time"
            if outcome.broken is None:
                aftermath.check(world.keepings(), outcome)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


class World:
    """Everything of one run. `live` is its main task."""

    def __init__(self, plan: Plan, folder: Path, outcome: Outcome, growth: Growth | None = None) -> None:
        self._growth = growth
        self.plan = plan
        self.folder = folder
        self.outcome = outcome
        self.trace = outcome.trace
        self.account: AccountWitness | None = None
        self._over = trio.Event()

    async def live(self) -> None:
        """From the start of the trader to its end."""
        plan, trace = self.plan, self.trace
        self.clock = Clock(EPOCH_US)
        self.network = Network(self._rng("network"), trace)
        self.disk = Disk(self._rng("disk"))
        self.actors = Actors()
        self.tap = LogTap()
        self.settings = self._settings()
        self.venue = SimulatedExchange(
            self.folder,
            self.network,
            markets=list(plan.markets),
            seed=plan.seed,
            activity=plan.activity,
            now_us=self.clock.true_us,
            said=lambda: self.witness.said,
            step_s=plan.step_s,
            balance=plan.venture.balance if plan.venture else BALANCE_DEFAULT,
            on_start=self._on_exchange,
        )
        self.weather = RestWeather(self._rng("http"), self._spawn, self._on_wire)
        self.trader = self._make_trader()
        if plan.venture is not None:
            self.account = AccountWitness(self.trader, plan.venture, self.break_off)
        self.witness.feed = self.trader.feed
        self.trader.bus.subscribe("simulation", (object,), handles(self._hear))
        self.trader.bus.subscribe("consumer", (object,), self._consume)
        self.invariants = Invariants(
            plan, self.trader, self.witness, self.network, self.venue, self.disk, self.actors, self.account
        )
        self.striker = Striker(
            plan, self.network, self.weather, self.venue, self.disk, self.clock, self.actors, self.trader.latch, trace
        )
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            trio.lowlevel.add_instrument(Standstill(self._stand_still))
            nursery.start_soon(self.striker.run)
            nursery.start_soon(self._watch)
            if self._growth is not None:
                nursery.start_soon(self._growth.run, self)
            await self._run_trader()
            nursery.cancel_scope.cancel()
        self._look_back()

    async def _run_trader(self) -> None:
        try:
            await self.trader.run()
        except TraderError as exc:
            self.break_off(f"the trader ended: {describe(exc)}")
        if not self._over.is_set():
            self.break_off(f"the trader stopped by itself: {self.trader.refusal}")

    async def _watch(self) -> None:
        well_since_s: float | None = None
        steps = 0
        due_s = self.plan.quiet_s + RECOVERY_S
        while not self._over.is_set():
            await trio.sleep(self.plan.step_s)
            await trio.testing.wait_all_tasks_blocked()
            steps += 1
            if self.account is not None:
                self.account.hindered_until_s = self.striker.hindered_until_s
                self.account.disturbed_until_s = self.striker.disturbed_until_s
            try:
                self.invariants.step()
            except Broken as broken:
                self.break_off(str(broken))
            if steps % HASH_STEPS == 0:
                self.trace.note("hash", self.trader.state_hash.value()[:16])
            now_s = trio.current_time()
            if now_s < self.plan.quiet_s or self._over.is_set():
                continue
            why_not = self.invariants.why_not_well()
            well_since_s = None if why_not else well_since_s or now_s
            if well_since_s is not None and now_s - well_since_s >= CALM_S:
                self._check_quiet()
                if self.account is not None:
                    await self._settle_account(self.account)
                self._over.set()
            elif now_s > due_s:
                self.break_off(f"not well {RECOVERY_S:g} s after the last fault: {why_not}")
        self.outcome.facts["recovered_s"] = round((well_since_s or trio.current_time()) - self.plan.quiet_s, 1)
        asked_s = trio.current_time()
        await self.trader.stop("the simulation is over")
        with trio.move_on_after(STOP_S):
            await trio.sleep_forever()  # until the trader has ended, which cancels us
        self.break_off(f"an ordered stop, asked for at {asked_s:.1f} s, takes longer than {STOP_S:g} s")
        self.network.fall()
        raise Broken(self.outcome.broken)

    async def _settle_account(self, account: AccountWitness) -> None:
        """With nobody else there, halted or not, both sides come to say the same, soon and exactly."""
        self.venue.fall_still()
        self.striker.is_over = True
        if self.plan.seed % 2:
            await self.trader.latch.set(Mode.HALTED, by="simulation", reason="the end")
        for _ in range(round(SETTLED_S / self.plan.step_s)):
            await trio.sleep(self.plan.step_s)
            if account.why_different() is None:
                break
        else:
            self.break_off(f"{SETTLED_S:g} s after the last trade the account differs: {account.why_different()}")
        if self.plan.seed % 2:
            await trio.sleep(SWEPT_S)
            if account.resting:
                self.break_off(f"halted for {SWEPT_S:g} s, and {account.resting} orders rest")

    def _check_quiet(self) -> None:
        try:
            self.witness.check_quiet()
        except Broken as broken:
            self.break_off(str(broken))

    def break_off(self, sentence: str) -> None:
        """An invariant is broken; the first one counts."""
        self.trace.note("broken", sentence)
        if self.outcome.broken is None:
            self.outcome.broken = f"at {trio.current_time():.1f} s: {sentence}"
        self._over.set()

    def _look_back(self) -> None:
        trader, feed = self.trader, self.trader.feed
        self.outcome.virtual_s = trio.current_time()
        left = [name for name, count in self.actors.running.items() if count]
        if left:
            self.break_off(f"these outlived their supervisor: {', '.join(left)}")
        if left_open := [each.number for each in self.network.connections if each.is_left_open]:
            self.break_off(f"the trader has ended and left connections {left_open} open")
        if self.account is not None and self.outcome.broken is None:
            try:
                self.account.check_over()
            except Broken as broken:
                self.break_off(str(broken))
        assert trader.archive is not None
        self.outcome.facts |= {
            "frames": feed.counters.messages,
            "live_books_checked": self.witness.checked,
            "connections": len(self.network.connections),
            "requests": self.weather.requests,
            "transitions": len(self.invariants.transitions),
            "fills": self.account.fills if self.account else 0,
            "refused": dict(self.account.refused) if self.account else {},
            "state_hash": trader.state_hash.value(),
        }

    def keepings(self) -> aftermath.Keepings:
        """What the trader kept, and what it should have."""
        archive = self.trader.archive
        assert archive is not None
        journal, queue = archive.journal.stats(), archive.queue.stats()
        return aftermath.Keepings(
            settings=self.settings,
            transitions=tuple(self.invariants.transitions),
            state_hash=self.trader.state_hash.value(),
            lost_bytes=journal.lost_bytes,
            unwritten=journal.queued_bytes,
            dropped=queue.dropped + queue.refused + queue.depth,
            spilled=queue.spill_bytes,
        )

    # -- building ------------------------------------------------------------------------------------------------------

    def _rng(self, what: str) -> random.Random:
        return random.Random(f"{what}:{self.plan.seed}")

    def _settings(self) -> Settings:
        venture = self.plan.venture
        return Settings(
            environment=Environment.SIM,
            api=None,
            ws=None,
            credentials=None,
            host="127.0.0.1",
            port=8005,
            markets=self.plan.wanted,
            log_level="info",
            data_dir=self.folder,
            database_url=Secret(f"sqlite:///{self.folder / 'sim.db'}"),
            connections=self.plan.connections,
            control_token=None,
            dev_origin=None,
            strategy=venture.strategy if venture else "hold",
            enable_trading=venture is not None,
            arm_production=None,
            strategy_parameters=venture.parameters if venture else NOTHING_TO_SET,
            risk=venture.risk if venture else DEFAULT_LIMITS,
        )

    def _make_trader(self) -> Trader:
        self.witness = Witness(self.network.connections, self.break_off)
        return Trader(
            self.settings,
            self._make_console,
            wall_us=self.clock.wall_us,
            rng=self._rng("trader"),
            tap=self.tap,
            token="token",  # noqa: S106 - of a trader that nobody can reach
            outside=Outside(
                wires=Wires(open_stream=self.network.open_stream, make_http=self._make_http),
                exchange=self.venue.stand_in,
                watchdog=StillWatchdog,
                storage=self.disk.means(),
                overhear=self.witness.overhear,
                dress=self.actors.dress,
                abort=self._abort,
                kill_signals=None,
            ),
        )

    def _make_console(self, trader: Trader) -> SimulatedConsole:
        return SimulatedConsole(
            trader.desk.hub,
            lambda: talk_with(trader),
            self._rng("consoles"),
            browsers=self.plan.browsers,
            stops=self.plan.browsers_stop,
        )

    def _make_http(self, endpoint: Endpoint) -> SimulatedHttp:
        return SimulatedHttp(endpoint, lambda: self.venue.exchange, self.clock.true_us, self.weather, self.trace)

    def _spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        self._nursery.start_soon(task)

    def _on_wire(self, method: str, path: str, body: bytes) -> None:
        if self.account is not None:
            self.account.on_wire(method, path, body)

    def _on_exchange(self, exchange: Exchange, user_id: str) -> None:
        if self.account is not None:
            self.account.meet(exchange, user_id)

    def _abort(self, reason: str) -> None:
        self.break_off(f"the process would have ended: {reason}")
        self.network.fall()  # so that what holds it up lets go

    def _stand_still(self, task: str) -> None:
        self.break_off(f"time stands still: {task} takes turn after turn")
        self._nursery.cancel_scope.cancel()

    # -- hearing -------------------------------------------------------------------------------------------------------

    def _hear(self, fact: object) -> None:
        try:
            self.invariants.hear(fact)
        except Broken as broken:
            self.break_off(str(broken))
        except BaseException as exc:
            self.break_off(f"the simulation itself failed: {exc!r}")
            raise
        self.trace.note("state" if isinstance(fact, StateChanged) else "fact", repr(fact))

    async def _consume(self, _: object) -> None:
        await trio.sleep(max(0.0, self.striker.subscriber_stops_until_s - trio.current_time()))

    def hear_log(self, level: str, component: str, event: str, fields: dict[str, Any]) -> None:
        """A line of the log."""
        said = " ".join(f"{name}={value}" for name, value in fields.items())
        self.trace.note("log", f"{level} {component}: {event} {said}".rstrip())
        self.tap.take_line(level, "", component, event, fields)


@contextmanager
def heard_log(hear: Any) -> Iterator[None]:
    """Let every log line of the block go to `hear` alone."""

    def pass_on(_: object, level: str, fields: MutableMapping[str, Any]) -> Any:
        fields.pop("exc_info", None)
        component, event = str(fields.pop("component", "trader")), str(fields.pop("event", ""))
        if level != "debug":
            hear(level, component, event, dict(fields))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[pass_on],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)

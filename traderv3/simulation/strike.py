"""Carries the faults of a plan out: each kind is one verb over network, REST, exchange, disk, clock or actors.

Never: anything that the plan does not say, or that lasts beyond its quiet time.
"""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import msgspec
import trio

from traderv3.domain.permission import Latch, Mode, NotKept
from traderv3.exchange import control
from traderv3.simulation.actors import Actors
from traderv3.simulation.disk import Disk
from traderv3.simulation.http import RestFault, RestWeather
from traderv3.simulation.network import TO_EXCHANGE, TO_TRADER, Connection, Network
from traderv3.simulation.plan import Fault, Plan, drawn_structure
from traderv3.simulation.trace import Trace
from traderv3.simulation.venue import START_S, SimulatedExchange

_OPERATOR: Final = {"host": "127.0.0.1"}
CALM_LOOK_S: Final = 5.0
# A halt needs REST, the gateway and, for what rests, nothing else. After the others it may take longer by so much: a
# frozen gateway is found by its heartbeat, an ill one by the time that a start may take, REST rests after failures.
HARMLESS_TO_A_HALT: Final = frozenset(
    {
        "cut",
        "end",
        "vanish",
        "silence",
        "cut in",
        "latency",
        "drip",
        "frames",
        "latch",
        "account",
        "subscriber",
        "database away",
    }
)
LATER_S: Final = 12.0
HINDERED_S: Final = {"trader freezes": 45.0, "trader ill": 45.0, "freeze": 75.0, "other freezes": 75.0, "ill": 75.0}


class Clock:
    """The trader's wall clock: true time, and how far it was set off."""

    def __init__(self, epoch_us: int) -> None:
        self.skew_us = 0
        self._epoch_us = epoch_us

    def true_us(self) -> int:
        """The exchange's time."""
        return self._epoch_us + round(trio.current_time() * 1e6)

    def wall_us(self) -> int:
        """The trader's time."""
        return self.true_us() + self.skew_us


class Striker:
    """Does to one world what its plan says."""

    def __init__(
        self,
        plan: Plan,
        network: Network,
        weather: RestWeather,
        venue: SimulatedExchange,
        disk: Disk,
        clock: Clock,
        actors: Actors,
        latch: Latch,
        trace: Trace,
    ) -> None:
        self.subscriber_stops_until_s = 0.0
        self.is_over = False  # nothing is done any more, not even mended
        self.disturbed_until_s = 0.0  # by any fault
        self.hindered_until_s = 0.0  # something may keep a halt from being carried out at once
        self._plan = plan
        self._network = network
        self._weather = weather
        self._venue = venue
        self._disk = disk
        self._clock = clock
        self._actors = actors
        self._latch = latch
        self._trace = trace
        self._rng = random.Random(f"strike:{plan.seed}")
        self._verbs: Final[dict[str, Callable[[Fault], Any]]] = {
            "cut": self._cut,
            "cut in": self._cut_in,
            "end": self._end,
            "silence": self._silence,
            "vanish": self._vanish,
            "latency": self._latency,
            "drip": self._drip,
            "refuse": self._refuse,
            "slow connect": self._slow_connect,
            "lose connect": self._lose_connect,
            "frames": self._misbehave,
            "venue": self._misbehave,
            "maintenance": lambda fault: self._operate("maintenance", {"seconds": fault.for_s}),
            "pause": self._pause,
            "market": self._move_market,
            "exchange dies": lambda _: self._venue.die(),
            "exchange starts slowly": lambda fault: setattr(self._venue, "start_s", fault.amount),
            "rest": self._break_rest,
            "clock": self._set_clock,
            "disk full": lambda fault: setattr(self._disk, "full_until_s", _until(fault)),
            "disk slow": self._slow_disk,
            "database away": lambda fault: setattr(self._disk, "away_until_s", _until(fault)),
            "database forgets": lambda fault: setattr(self._disk, "forgetful_until_s", _until(fault)),
            "raise": lambda fault: self._actors.raises(fault.target),
            "freeze": lambda fault: self._actors.freeze(fault.target),
            "other freezes": lambda fault: self._actors.freeze(fault.target),
            "ill": self._fall_ill,
            "subscriber": lambda fault: setattr(self, "subscriber_stops_until_s", _until(fault)),
            "orders": lambda fault: setattr(
                self._weather, "order_fault", RestFault(fault.target, fault.amount, _until(fault))
            ),
            "answers": self._misbehave,
            "latch": self._halt,
            "order group": self._trigger_group,
            "account": self._lose_account,
            "trader raises": lambda fault: self._actors.raises(fault.target),
            "trader freezes": lambda fault: self._actors.freeze(fault.target),
            "trader ill": self._fall_ill,
        }

    async def run(self) -> None:
        """Strike at each fault's time; return when all are over and the world is well."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for fault in self._plan.faults:
                await trio.sleep_until(fault.at_s)
                self._trace.note("fault", str(fault))
                self._note_hindrance(fault)
                follow_up = self._verbs[fault.kind](fault)
                if callable(follow_up):
                    nursery.start_soon(_later, fault.for_s, follow_up)
        await trio.sleep_until(self._plan.quiet_s)
        self._calm()
        self._trace.note("fault", "none from now on")
        while self._plan.venture is not None and not self.is_over:  # a venue that triggers a group late halts once more
            await self._set_latch(Mode.ACTIVE)
            await trio.sleep(CALM_LOOK_S)

    def _note_hindrance(self, fault: Fault) -> None:
        self.disturbed_until_s = max(self.disturbed_until_s, _until(fault))
        if fault.kind not in HARMLESS_TO_A_HALT:
            until_s = _until(fault) + HINDERED_S.get(fault.kind, LATER_S)
            self.hindered_until_s = max(self.hindered_until_s, until_s)

    def _calm(self) -> None:
        """Take away what would go on by itself."""
        self._network.next_cut = None
        self._venue.start_s = START_S
        for connection in self._network.connections:
            for pipe in connection.pipes.values():
                pipe.cut_in = None
        self._actors.ills.clear()
        self._set_faults("")
        self._operate("pause", {"what": "trading", "on": False})
        self._operate("pause", {"what": "exchange", "on": False})

    # -- the network ---------------------------------------------------------------------------------------------------

    def _meant(self, target: str) -> list[Connection]:
        return [each for each in self._network.standing if target in ("", each.actor)]

    def _cut(self, fault: Fault) -> None:
        for connection in self._meant(fault.target):
            connection.reset("cut")

    def _cut_in(self, fault: Fault) -> None:
        self._network.next_cut = (fault.target, max(1, int(fault.amount)))

    def _end(self, fault: Fault) -> None:
        for connection in self._meant(fault.target):
            connection.pipes[TO_TRADER].end()

    def _silence(self, fault: Fault) -> None:
        directions = (TO_TRADER, TO_EXCHANGE) if fault.target == "both" else (fault.target,)
        for connection in self._network.standing:
            for direction in directions:
                connection.pipes[direction].hold(_until(fault))

    def _vanish(self, fault: Fault) -> None:
        for connection in self._meant(fault.target):
            for pipe in connection.pipes.values():
                pipe.hold(math.inf)

    def _latency(self, fault: Fault) -> Callable[[], None]:
        touched = [pipe for each in self._network.standing for pipe in each.pipes.values()]
        before = [pipe.latency_s for pipe in touched]
        for pipe in touched:
            pipe.latency_s = fault.amount

        def undo() -> None:
            for pipe, latency_s in zip(touched, before, strict=True):
                pipe.latency_s = latency_s

        return undo

    def _drip(self, fault: Fault) -> Callable[[], None]:
        touched = [pipe for each in self._network.standing for pipe in each.pipes.values()]
        for pipe in touched:
            pipe.piece_max = max(1, int(fault.amount))

        def undo() -> None:
            for pipe in touched:
                pipe.piece_max = 1 << 30

        return undo

    def _refuse(self, fault: Fault) -> None:
        self._network.refuses_until_s = _until(fault)

    def _slow_connect(self, fault: Fault) -> None:
        self._network.slow_until_s, self._network.slow_s = _until(fault), fault.amount

    def _lose_connect(self, fault: Fault) -> None:
        self._network.lost_until_s = _until(fault)

    def _break_rest(self, fault: Fault) -> None:
        self._weather.fault = RestFault(fault.target, fault.amount, _until(fault))

    # -- the exchange --------------------------------------------------------------------------------------------------

    def _operate(self, verb: str, body: dict[str, Any]) -> None:
        exchange = self._venue.exchange
        if exchange is not None:
            status, _ = control.handle(exchange, "POST", f"/control/{verb}", _OPERATOR, msgspec.json.encode(body))
            if status != 200:
                self._trace.note("fault", f"{verb} was refused with {status}")

    def _set_faults(self, spec: str) -> None:
        self._operate("faults", {"spec": spec})

    def _misbehave(self, fault: Fault) -> Callable[[], None]:
        self._set_faults(fault.target)
        return lambda: self._set_faults("")

    def _pause(self, fault: Fault) -> Callable[[], None]:
        self._operate("pause", {"what": fault.target, "on": True})
        return lambda: self._operate("pause", {"what": fault.target, "on": False})

    def _move_market(self, fault: Fault) -> Callable[[], None] | None:
        exchange = self._venue.exchange
        if exchange is None:
            return None
        ticker = self._rng.choice(list(exchange.floor.listings))
        market = f"markets/{ticker}"
        self._trace.note("fault", f"{fault.target}: {ticker}")
        match fault.target:
            case "halt":
                self._operate(f"{market}/deactivate", {})
                return lambda: self._operate(f"{market}/activate", {})
            case "close":
                self._operate(f"{market}/close", {})
            case "close soon":
                self._operate(f"{market}/close", {"in_s": fault.for_s})
            case "reopen":
                self._operate(f"{market}/close", {})
                return lambda: self._operate(f"{market}/close", {"in_s": 86_400})
            case "flicker":
                self._operate(f"{market}/close", {})
                self._operate(f"{market}/close", {"in_s": 86_400})
            case "determine":
                self._operate(f"{market}/close", {})
                self._operate(f"{market}/determine", {"result": self._rng.choice(("yes", "no"))})
            case "settle":
                self._operate(f"{market}/close", {})
                self._operate(f"{market}/determine", {"result": "yes"})
                return lambda: self._operate(f"{market}/settle", {})
            case "structure":
                self._operate(f"{market}/structure", {"structure": drawn_structure(self._rng)})
            case "create":
                event = ticker.rpartition("-")[0]
                self._operate(f"markets/{event}-N{self._rng.randrange(1000)}/create", {"event_ticker": event})
            case _:
                raise AssertionError(fault.target)
        return None

    # -- trading -------------------------------------------------------------------------------------------------------

    def _halt(self, fault: Fault) -> Callable[[], None]:
        self._nursery.start_soon(self._set_latch, Mode(fault.target))
        return lambda: self._nursery.start_soon(self._set_latch, Mode.ACTIVE)

    async def _set_latch(self, mode: Mode) -> None:
        if self._latch.stand.mode is mode:
            return
        try:
            await self._latch.set(mode, by="simulation", reason="a fault")
        except NotKept as exc:
            self._trace.note("fault", f"the latch: {exc}")

    def _trigger_group(self, _: Fault) -> None:
        exchange = self._venue.exchange
        if exchange is None:
            return
        user_id, resting = self._venue.user_id, exchange.desk.pit.live.values()
        group_ids = {live.record.group_id for live in resting if live.record.user_id == user_id}
        for group_id in sorted(filter(None, group_ids)):
            exchange.desk.trigger_group(user_id, group_id)

    def _lose_account(self, fault: Fault) -> None:
        verb = {"cut": self._cut, "end": self._end, "vanish": self._vanish}[fault.target]
        verb(replace(fault, target="account_connector"))

    # -- our own -------------------------------------------------------------------------------------------------------

    def _set_clock(self, fault: Fault) -> None:
        self._clock.skew_us += int(fault.amount * 1e6) * (1 if fault.target == "forward" else -1)

    def _slow_disk(self, fault: Fault) -> None:
        self._disk.slow_until_s, self._disk.slow_s = _until(fault), fault.amount

    def _fall_ill(self, fault: Fault) -> None:
        name, _, ill = fault.target.partition("/")
        if self._actors.raises(name):
            self._actors.ills.setdefault(name, []).append(ill)


def _until(fault: Fault) -> float:
    return fault.at_s + fault.for_s


async def _later(delay_s: float, act: Callable[[], None]) -> None:
    await trio.sleep(delay_s)
    act()

"""An engine in a house where everything else is played by the test: port, log, senses, clock."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio

from tests.trading.risking import make_feed
from tests.trading.telling import NOW_US, reading
from traderv3.domain.execution import (
    Accepted,
    Answer,
    Cancel,
    Create,
    EngineItem,
    KeptIntent,
    Outcome,
    Request,
    Written,
)
from traderv3.domain.market_facts import MarketLifecycle
from traderv3.domain.orders import Intent
from traderv3.domain.risk_limits import DEFAULT_LIMITS
from traderv3.domain.units import Qty
from traderv3.trading.day_book import DayBook
from traderv3.trading.decider import Senses
from traderv3.trading.engine import Engine
from traderv3.trading.inbox import Inbox
from traderv3.trading.latch import TradingLatch
from traderv3.trading.picture import Picture
from traderv3.trading.portfolio import Portfolio
from traderv3.trading.strategies.view import Strategy, View


class Scripted:
    """A strategy that says what the test wants, and remembers what it saw."""

    name = "s"

    def __init__(self) -> None:
        self.views: list[View] = []
        self.wants: Callable[[View], Sequence[Intent]] = lambda _: ()

    def decide(self, view: View) -> Sequence[Intent]:
        """As told."""
        self.views.append(view)
        return self.wants(view)


@dataclass
class Port:
    """Takes requests and carries none out."""

    requests: list[Request] = field(default_factory=list)

    def submit(self, requests: Sequence[Request]) -> None:
        self.requests += requests

    def is_clear(self) -> bool:
        return True


@dataclass
class Log:
    """An intent log without a disk. `failures` starts fail first."""

    prefix: str = "o-"
    open: Sequence[KeptIntent] = ()
    failures: int = 0
    over: list[str] = field(default_factory=list)
    _count: int = 0

    async def start(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")

    def next_id(self) -> str:
        self._count += 1
        return f"{self.prefix}{self._count}"

    async def keep(self, requests: Sequence[Request], at_us: int) -> None:
        raise NotImplementedError

    def note(self, client_order_id: str, *, order_id: str | None = None, is_over: bool = False) -> None:
        if is_over:
            self.over.append(client_order_id)


class House:
    """One engine on the virtual clock. Every market is live at 0.40 / 0.60 and stays heard of."""

    def __init__(self, *, log: Log | None = None, strategy: Strategy | None = None) -> None:
        self.feed = make_feed()
        self.port, self.log, self.strategy = Port(), log or Log(), Scripted()
        self.inbox = Inbox[EngineItem | MarketLifecycle]()
        self.portfolio = Portfolio()
        self.latch = TradingLatch(None, wall_us=self.wall_us)
        self.account_trouble: str | None = None
        self.asked: list[str] = []
        self.engine = Engine(
            self.feed,
            self.portfolio,
            self.port,
            self.log,
            self.inbox,
            strategy or self.strategy,
            DEFAULT_LIMITS,
            DayBook(None, DEFAULT_LIMITS.day, wall_us=self.wall_us),
            self.latch,
            Senses(
                account_trouble=lambda: self.account_trouble,
                clock_offset_us=lambda: 0,
                cross_check=lambda: 1.0,
                ask=self.asked.append,
            ),
            wall_us=self.wall_us,
        )
        self.picture = Picture(self.engine)
        self.feed.wake = self.inbox.wake

    @staticmethod
    def wall_us() -> int:
        """The wall clock goes with Trio's."""
        return NOW_US + int(trio.current_time() * 1e6)

    def step(self) -> None:
        """One step of the engine, every book just heard of."""
        self.feed.lines["orderbook_connector"].heard_us = self.wall_us()
        self.engine.step()

    async def wait(self, for_s: float, *, read: bool = True) -> None:
        """Let time pass in steps, the account read every second."""
        ends_at = trio.current_time() + for_s
        while trio.current_time() < ends_at:
            if read:
                self.read()
            self.step()
            await trio.sleep(0.25)

    def read(self, **more: object) -> None:
        """A reading that shows what we hold."""
        self.inbox.put(reading(self.wall_us(), **more))  # type: ignore[arg-type]

    def calibrate(self) -> None:
        """Two readings that agree: trading may begin."""
        for _ in range(2):
            self.read()
            self.step()
        assert self.engine.reconciliation.is_clean
        self.strategy.views.clear()

    def answer(self, request: Request, *outcomes: Outcome) -> None:
        """What became of a request, one after another."""
        for outcome in outcomes:
            self.inbox.put(Answer(request, outcome, self.wall_us()))
        self.step()

    def rest(self, create: Create, order_id: str = "") -> str:
        """An order came to rest; its id at the venue."""
        order_id = order_id or f"venue-{create.client_order_id}"
        rests = Accepted(order_id, Qty(0), create.order.wanted.count, self.wall_us())
        self.answer(create, Written(), rests)
        return order_id

    def state_of(self, client_order_id: str) -> str:
        """An order's state."""
        return self.portfolio.orders[client_order_id].state.value

    @property
    def creates(self) -> list[Create]:
        return [request for request in self.port.requests if isinstance(request, Create)]

    @property
    def cancels(self) -> list[str]:
        return [request.client_order_id for request in self.port.requests if isinstance(request, Cancel)]

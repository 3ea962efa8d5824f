"""The actor that trades: the one writer of orders and positions, between feed, strategy, risk and account.

    books, answers, fills, readings ──► step: take, look after, decide ──► port.submit, which never waits

In:    one inbox (`trading.inbox`); the feed's books, read in place after each batch (`Feed.wake`).
Out:   requests, handed to an `OrderPort`; what it knows, to whoever asks (`trading.picture`).
Dies:  only when an invariant breaks, a strategy's bug included. What it knows outlives it.
Never: a wait on anything but its inbox and, told by the venue to halt, the latch; a halt needs no engine.
"""

import math
from collections.abc import Callable
from typing import Final, Protocol

import structlog
import trio

from traderv3.config.limits import LIMITS
from traderv3.core.lifeline import Lifeline
from traderv3.domain.execution import (
    Accepted,
    AccountFact,
    Amend,
    Answer,
    Cancel,
    Create,
    EngineItem,
    IntentLog,
    Missed,
    OrderPort,
    Rejected,
    Request,
    Snapshot,
    Unknown,
    Written,
)
from traderv3.domain.feed import Feed
from traderv3.domain.market_facts import Fill, MarketLifecycle, MarketPosition, OrderGroupUpdate, UserOrder
from traderv3.domain.orders import Order, OrderState
from traderv3.domain.permission import Latch, Mode, NotKept
from traderv3.domain.positions import Settlement
from traderv3.domain.risk_limits import RiskLimits
from traderv3.trading.caretaker import BLIND_S, Caretaker
from traderv3.trading.day_book import DayBook
from traderv3.trading.decider import Decider, Senses
from traderv3.trading.inbox import Inbox
from traderv3.trading.portfolio import Portfolio
from traderv3.trading.reconciliation import Reconciliation
from traderv3.trading.refusals import Refusals
from traderv3.trading.stops import stopped_orders
from traderv3.trading.strategies.view import Strategy
from traderv3.trading.valuation import Valuation

log = structlog.get_logger(component="engine")

TICK_S: Final = 0.1  # how often time limits are looked at when nothing happens
PAUSE_S: Final = 0.005  # between two steps: a burst of books is one decision
PAUSE_S_PER_MARKET: Final = 1e-5  # each step looks at every book
LOOK_US: Final = 1_000_000  # how often the day book sees the money
UNREAD_US: Final = 60_000_000  # without a reading that agrees for so long, nothing is sent
STALE_US: Final = 20_000_000  # and after so long people are told: somewhat more than from one reading to the next
FAREWELL_S: Final = 2.5  # for the last cancels, at an ordered stop
LOG_RETRY_S: Final = 1.0
GROUP_TRIGGERED: Final = "order group is triggered"  # the venue has no code of its own for it
CUT_OFF_US: Final = 999_999  # the venue tells of settlements in whole seconds


class OpenableLog(IntentLog, Protocol):
    """The intent log as the engine needs it: read once before anything else."""

    async def start(self) -> None:
        """Read it; raises `OSError`, and may be called again."""


class Engine:
    """Made once; `run` may be run again and again. `is_in_book`: the books show our own orders, too (not in `local`)."""

    name = "engine"

    def __init__(
        self,
        feed: Feed,
        portfolio: Portfolio,
        port: OrderPort,
        intent_log: OpenableLog,
        inbox: Inbox[EngineItem | MarketLifecycle],
        strategy: Strategy,
        limits: RiskLimits,
        day: DayBook,
        latch: Latch,
        senses: Senses,
        *,
        wall_us: Callable[[], int],
        is_in_book: bool = True,
    ) -> None:
        self.feed = feed
        self.portfolio = portfolio
        self.strategy = strategy
        self.limits = limits
        self.day = day
        self.latch = latch
        self.senses = senses
        self.reconciliation = Reconciliation()
        self.refusals = Refusals()
        self.obstacle: str | None = "the engine has not started"  # why nothing is sent but cancels
        self.caretaker = Caretaker(feed, portfolio, strategy.name, ask=senses.ask)
        self.decider = Decider(
            feed,
            portfolio,
            strategy,
            limits,
            day,
            latch,
            senses,
            self.caretaker,
            self.refusals,
            next_id=intent_log.next_id,
            is_in_book=is_in_book,
        )
        self._port = port
        self._log = intent_log
        self._inbox = inbox
        self._wall_us = wall_us
        self._valuation = Valuation(feed)
        self._determined: dict[str, MarketLifecycle] = {}  # markets that are not settled yet
        self._looked_us = 0
        self._stepped_us = 0
        self.stepped_at = -math.inf  # on Trio's clock: whether anybody looks after what is open
        self._well_at = trio.current_time()  # when the account was last heard and agreed upon
        self.heard_us: int | None = None  # when `account_doubt` last had nothing to say; None: never yet
        self._to_halt: str | None = None
        self._has_recalled = False
        self._recalled: set[str] = set()  # what an earlier run left open, and nothing is known of yet

    # -- life ----------------------------------------------------------------------------------------------------------

    async def run(self, lifeline: Lifeline) -> None:
        """Step at every piece of news until told to stop; then cancel what is ours, as long as `FAREWELL_S` allows."""
        await self._recall(lifeline)
        lifeline.started()
        self._doubt("the engine starts", self._wall_us())
        self._well_at = trio.current_time()
        while not lifeline.stopping.is_set():
            lifeline.beat()
            with trio.move_on_after(TICK_S):
                await self._inbox.wait()
            self.step()
            if self._to_halt is not None:
                await self._halt(self._to_halt)
            await trio.sleep(max(PAUSE_S, PAUSE_S_PER_MARKET * len(self.feed.books)))
        self.obstacle = "the trader stops"
        with trio.move_on_after(FAREWELL_S):
            while self.portfolio.open:
                self._take_all(self._wall_us())
                self.caretaker.renounce(self.portfolio.open.values(), self.obstacle)
                self._send(self.caretaker.cancels(self._wall_us()))
                await trio.sleep(PAUSE_S)

    async def _recall(self, lifeline: Lifeline) -> None:
        """Take up what an earlier run left open. Whoever sent it is gone, and so is what was on its way from there."""
        while not self._has_recalled:
            try:
                await self._log.start()
            except OSError as exc:
                self.obstacle = f"the intent log cannot be read: {exc.strerror or exc}"
                log.error("intent log", error=self.obstacle)
                lifeline.beat()
                await trio.sleep(LOG_RETRY_S)
                continue
            latest_us = self._wall_us() - int(LIMITS.order_s * 1e6)
            for kept in self._log.open:
                self.portfolio.recall(kept, min(kept.at_us, latest_us))
                self._recalled.add(kept.client_order_id)
            self._has_recalled = True

    async def _halt(self, reason: str) -> None:
        """The venue's dead man's switch was pulled: only a person lets trading go on."""
        self._to_halt = None
        try:
            await self.latch.set(Mode.HALTED, by="venue", reason=reason)
        except NotKept as exc:
            log.error("halt not kept", error=str(exc))

    def step(self) -> None:
        """Take what came, look after what is open, decide, send. Never waits."""
        at_us, now = self._wall_us(), trio.current_time()
        if at_us < self._stepped_us:
            self.portfolio.redate(at_us)
        self.stepped_at, self._stepped_us = now, at_us
        self._take_all(at_us)
        self.obstacle = self._find_obstacle(at_us)
        if self.reconciliation.is_clean and self.senses.account_trouble() is None:
            self._well_at = now
        if self.account_doubt(at_us) is None:
            self.heard_us = at_us
        self.caretaker.watch(at_us, is_blind=now - self._well_at >= BLIND_S)
        if not 0 <= at_us - self._looked_us < LOOK_US:
            self._looked_us = at_us
            self._judge_the_day(at_us)
        requests = [] if self.obstacle else self.decider.decide(at_us)
        if requests:
            self.reconciliation.note_move(at_us)
        self._send([*self.caretaker.cancels(at_us), *requests])

    def withdraw_all(self, why: str) -> Callable[[], int]:
        """Nobody wants what is open now; the strategy goes on. Returns what tells, whenever asked, how many of it are open."""
        keys = tuple(self.portfolio.open)
        self.caretaker.renounce(self.portfolio.open.values(), why)
        self._inbox.wake()
        return lambda: sum(key in self.portfolio.open for key in keys)

    def account_doubt(self, at_us: int) -> str | None:
        """Why the account may be another by now, in a sentence; None while it is heard, read and agreed upon."""
        known = self.reconciliation
        if (trouble := self.senses.account_trouble()) is not None:
            return trouble
        if not known.is_clean:
            return known.why
        if known.calibrated_us is not None and at_us - known.calibrated_us > STALE_US:
            return f"no reading of the account has agreed for more than {STALE_US // 1_000_000} s"
        return None

    def _send(self, requests: list[Request] | list[Cancel]) -> None:
        if requests:
            self._port.submit(requests)

    def _find_obstacle(self, at_us: int) -> str | None:
        """Why nothing is sent but cancels, in a sentence; None while trading may go on."""
        stand, known = self.latch.stand, self.reconciliation
        if known.is_clean and known.calibrated_us is not None and abs(at_us - known.calibrated_us) > UNREAD_US:
            known.doubt(f"no reading of the account has agreed for {UNREAD_US // 1_000_000} s")
        if stand.mode is Mode.HALTED:
            return f"trading is halted by {stand.by}: {stand.reason}"
        trouble = self.senses.account_trouble()
        if trouble is None and not known.is_clean:
            trouble = known.why
        return trouble or self.feed.hours.sentence(at_us)

    def _judge_the_day(self, at_us: int) -> None:
        """Show the day book what all of it comes to now; what a stop wants back is cancelled."""
        portfolio, name = self.portfolio, self.strategy.name
        own = {name: portfolio.of_strategy(name)}
        if self.reconciliation.as_of_us:  # what an earlier run bought is no turnover of now
            self.day.look(self._valuation.standing(portfolio.cash, portfolio.positions, own, portfolio.turnover), at_us)
        facts = self.decider.risk_facts(at_us)
        if facts.day.locks:
            for order, why in stopped_orders(facts):
                self.caretaker.renounce([order], why)

    # -- what came -----------------------------------------------------------------------------------------------------

    def _doubt(self, why: str, at_us: int) -> None:
        self.reconciliation.doubt(f"{why}: the account is read", missed_us=at_us)
        self.senses.ask(why)

    def _take_all(self, at_us: int) -> None:
        for item in self._inbox.take():
            match item:
                case Missed(why):
                    self._doubt(why, at_us)
                case Snapshot():
                    self._take_reading(item, at_us)
                case MarketLifecycle():
                    self._take_life(item, at_us)
                case Answer():
                    self._apply(item, at_us)
                    self._learn(item, at_us)
                case OrderGroupUpdate(event_type="triggered") if self.latch.stand.mode is not Mode.HALTED:
                    self._to_halt = f"order group {item.order_group_id} was triggered at the venue"
                case Fill() | UserOrder() | MarketPosition() | OrderGroupUpdate():
                    self._apply(item, at_us)

    def _apply(self, item: Answer | AccountFact, at_us: int, as_of_us: int | None = None) -> None:
        """Let the portfolio take it, and remember what that touches."""
        is_new_fill = isinstance(item, Fill) and item.trade_id not in self.portfolio.fills
        if not self.portfolio.apply(item, at_us, as_of_us):
            return
        self.reconciliation.note_move(at_us)
        if isinstance(item, Fill) and is_new_fill:
            self.reconciliation.note_fill(item)
            held = self.portfolio.position(item.ticker)
            if item.position is not None and item.position != held:  # one fill may overtake another; a reading tells
                self.senses.ask(f"{item.ticker}: we hold {held}, the venue says {item.position} after a fill")
        order = self._order_of(item)
        if order is not None:
            self.decider.touch(order.ticker)
            if not order.is_open and order.state is not OrderState.VOID:  # a void one may yet turn up
                self._log.note(order.client_order_id, is_over=True)

    def _order_of(self, item: Answer | AccountFact) -> Order | None:
        """The order of ours that this is about."""
        about = item.request if isinstance(item, Answer) else item
        key = getattr(about, "client_order_id", None)
        if key is not None and key in self.portfolio.orders:
            return self.portfolio.orders[key]
        order_id = getattr(about, "order_id", None)
        return None if order_id is None else self.portfolio.by_order_id(order_id)

    def _learn(self, answer: Answer, at_us: int) -> None:
        """What an answer means for what is asked next."""
        is_new_risk = isinstance(answer.request, Create | Amend)
        order = self._order_of(answer)
        match answer.outcome:
            case Unknown(why):
                self.senses.ask(f"nobody can say what became of a request: {why}")
            case Rejected(code, why) if order is not None and is_new_risk:
                self.refusals.by_venue(code, why, order.ticker, order.strategy, at_us)
                if GROUP_TRIGGERED in why:  # and nobody told us, while we were away
                    self._to_halt = f"the venue refuses orders: {why}"
            case Written(is_dropped=True, why=why) if order is not None and is_new_risk:
                self.refusals.by_gateway(why or "", order.ticker, order.strategy, at_us)
            case Accepted() if order is not None and is_new_risk:
                self.refusals.taken(order.ticker)

    def _take_reading(self, reading: Snapshot, at_us: int) -> None:
        for fill in sorted(reading.fills, key=lambda fill: (fill.at_us, fill.trade_id)):
            self._apply(fill, at_us, reading.as_of_us)
        for settlement in reading.settlements:
            if self.portfolio.settle(settlement):
                self.reconciliation.note_move(at_us)
        for told in reading.orders:
            self._apply(told, at_us, reading.as_of_us)
        self.portfolio.keep_foreign(
            {each.order_id for each in reading.orders if each.status == "resting"}, reading.as_of_us
        )
        offset_us = self.senses.clock_offset_us() or 0
        for key in self.reconciliation.take(reading, self.portfolio, at_us=at_us, offset_us=offset_us):
            self.portfolio.absent(key, at_us)
            if key in self._recalled:  # whoever sent it is long gone; of this run's own, a void one may yet turn up
                self._log.note(key, is_over=True)
        unknown = [order for order in self.portfolio.open.values() if order.state is OrderState.UNKNOWN]
        if unknown or self.reconciliation.is_in_doubt:
            self.senses.ask("the account is not agreed upon yet")
        for ticker in self.portfolio.positions:
            self.decider.touch(ticker)

    def _take_life(self, fact: MarketLifecycle, at_us: int) -> None:
        """A market that is settled pays what it was determined at."""
        if fact.settlement_value is not None:
            self._determined[fact.ticker] = fact
        if fact.event_type != "settled":
            return
        determined = self._determined.pop(fact.ticker, None)
        value = None if determined is None else determined.settlement_value
        if value is not None:  # also where nothing is held: a strategy's share may be, against a person's
            settled_us = at_us if fact.at_us is None else fact.at_us + CUT_OFF_US
            if self.portfolio.settle(Settlement(fact.ticker, value, settled_us)):
                self.reconciliation.note_move(at_us)
        self.senses.ask(f"{fact.ticker} is settled")

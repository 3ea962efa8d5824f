"""An account at the embedded exchange's desk, and a portfolio that hears of it badly: late, twice, in part, out of order.

Every message goes through the venue's own wire and our own reading of it. What is done is drawn from a seed.
"""

import random
from dataclasses import dataclass, replace
from fractions import Fraction

import msgspec

from tests.exchange.house import House, market
from traderv3.domain.execution import (
    Accepted,
    Amend,
    Answer,
    Cancel,
    Create,
    Decrease,
    HeldPosition,
    KeptIntent,
    Outcome,
    Rejected,
    Request,
    Unknown,
    Written,
)
from traderv3.domain.fees import FeeSchedule, FeeType
from traderv3.domain.market_facts import Fill, MarketPosition, UserOrder
from traderv3.domain.matching import SelfTrade
from traderv3.domain.orders import Approved, Change, Draft, Order, OrderState, TimeInForce
from traderv3.domain.positions import Settlement
from traderv3.domain.units import Money, Price, Qty
from traderv3.exchange import records
from traderv3.exchange.accounts import Account
from traderv3.exchange.accounts import Position as VenuePosition
from traderv3.exchange.lifecycle import MarketStatus
from traderv3.exchange.member_wire import private_message
from traderv3.protocol import channel_wire
from traderv3.protocol.channel_facts import to_fact
from traderv3.trading.portfolio import Portfolio

US, THEM = "us", "them"
TICKERS = ("KXDEMO-99-A", "KXDEMO-99-B")
FEES = FeeSchedule(FeeType.QUADRATIC_WITH_MAKER_FEES, Fraction(1))
DEPOSIT = Money(1_000_000_000)
MS_US = 1_000
WORDS = {
    "user_orders": "user_order",
    "fill": "fill",
    "market_positions": "market_position",
}
Word = Fill | UserOrder | MarketPosition | Answer


@dataclass(frozen=True)
class Hearing:
    """Probabilities; `disorder` is how many words may overtake one."""

    lost: float = 0.0
    doubled: float = 0.0
    unanswered: float = 0.0
    disorder: int = 0

    @classmethod
    def drawn(cls, rng: random.Random) -> "Hearing":
        return cls(
            lost=rng.choice([0, 0, 0.05, 0.3]),
            doubled=rng.choice([0, 0.2]),
            unanswered=rng.choice([0, 0.2]),
            disorder=rng.choice([0, 3, 20]),
        )


class AccountAtExchange:
    """Both sides of one account, in two markets with fees for makers and takers."""

    def __init__(self, rng: random.Random, hearing: Hearing) -> None:
        self.rng = rng
        self.hearing = hearing
        self.house = House(*(market(ticker, fees=FEES, settlement_timer_s=1) for ticker in TICKERS))
        self.house.open(US, THEM, balance=DEPOSIT)
        self.desk = self.house.desk
        self.portfolio = Portfolio(fees=lambda _: FEES)
        self.portfolio.adopt_cash(DEPOSIT)
        self._waiting: list[tuple[float, int, Word]] = []
        self._words = 0
        self._facts_heard = 0
        self._drafts: dict[str, Draft] = {}

    @property
    def account(self) -> Account:
        """The exchange's side."""
        return self.desk.pit.ledger.account(US, 0)

    def act(self) -> None:
        """Something happens, time passes, and some of what was said arrives."""
        rng = self.rng
        verbs = [self._create, self._withdraw, self._change, self._participate, self._end]
        (verb,) = rng.choices(verbs, [30, 10, 10, 40, 0.2])
        verb()
        self._listen()
        self.house.pass_time(rng.choice([0, 0.001, 0.020, 0.3]))
        self._listen()
        self._hear(self._words - self.hearing.disorder)

    def read_everything(self) -> None:
        """Silence, and then a complete read; the portfolio takes it as reconciliation would."""
        self.house.pass_time(100)
        self._listen()
        self._hear(self._words + 1)
        for key in list(self.portfolio.open):
            self.portfolio.lose_one(key, "it was waited for long enough", self.house.at_us)
        self._read()
        self.portfolio.check()

    def restart(self) -> None:
        """The process is killed: nothing is known but the intents; the account is read, and adopted as it is."""
        self.house.pass_time(0.002)
        self._listen()
        self._waiting.clear()
        before, self.portfolio = self.portfolio, Portfolio(fees=lambda _: FEES)
        for key, order in before.open.items():
            named = order.order_id if self.rng.random() < 0.5 else None
            self.portfolio.recall(KeptIntent(key, self._drafts[key], order.created_us, named), self.house.at_us)
        self._read()
        for ticker, position in self.account.positions.items():
            self.portfolio.adopt_position(_held(ticker, position), self.house.at_us)
        self.portfolio.adopt_cash(Money(self.account.free))
        self.house.pass_time(0.002)
        self.portfolio.check()

    def check(self) -> None:
        """Both sides agree to the last 1e-6 dollar."""
        portfolio, account = self.portfolio, self.account
        assert portfolio.cash == account.cash
        assert portfolio.held == account.held
        assert portfolio.free == account.free
        for ticker in TICKERS:
            ours, theirs = portfolio.positions.get(ticker), account.positions.get(ticker)
            if ours is None or theirs is None:
                assert not ours
                assert not theirs
                continue
            assert (ours.count, ours.fees) == (theirs.count, theirs.fees_paid)
            assert ours.realized - ours.cost == theirs.realized_pnl - theirs.cost
        resting = {
            live.record.client_order_id: (live.record.price, live.record.filled, live.record.remaining)
            for live in self.desk.pit.live.values()
            if live.record.user_id == US
        }
        assert resting == {
            order.client_order_id: (order.price, order.filled, order.remaining) for order in portfolio.open.values()
        }

    def _read(self) -> None:
        """Fills first, then orders, as of now; then what is not there."""
        now_us = self.house.at_us
        orders: dict[str, records.OrderRecord] = {}
        for fact in filter(_is_ours, self.house.floor.facts):
            match fact:
                case records.OrderChanged(order, _):
                    orders[order.order_id] = order
                case records.Filled():
                    fill = _read_back(fact)
                    assert isinstance(fill, Fill)
                    self._apply(replace(fill, position=None, client_order_id=None), as_of_us=now_us)
                case records.Settled(paid):
                    self.portfolio.settle(Settlement(paid.ticker, Price(paid.value), paid.at_us))
        for record in orders.values():
            self._apply(_read_back(records.OrderChanged(record, None)), as_of_us=now_us)
        known = {record.client_order_id for record in orders.values()}
        for ours in list(self.portfolio.open.values()):
            if ours.state is OrderState.UNKNOWN and ours.client_order_id not in known:
                self.portfolio.absent(ours.client_order_id, now_us)

    def check_bounds(self) -> None:
        """Whatever was not heard: the position lies, and can come to lie, only where the portfolio reckons with it."""
        for ticker, exposure in self.portfolio.exposures().items():
            if self.house.floor.listings[ticker].status is MarketStatus.FINALIZED:
                continue  # it paid, and a read tells
            theirs = self.account.count_of(ticker)
            live = [live.record for live in self.desk.pit.live.values() if live.record.user_id == US]
            rest = {
                is_bid: sum(each.remaining for each in live if (each.ticker, each.is_bid) == (ticker, is_bid))
                for is_bid in (True, False)
            }
            assert theirs + rest[True] <= exposure.position + sum(count for _, count in exposure.bids)
            assert theirs - rest[False] >= exposure.position - sum(count for _, count in exposure.asks)

    # -- what is done ----------------------------------------------------------------------------------------------

    def _create(self) -> None:
        rng = self.rng
        tif = rng.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
        draft = Draft(
            strategy=rng.choice(["a", "b"]),
            ticker=rng.choice(TICKERS),
            is_bid=rng.random() < 0.5,
            price=_price(rng),
            count=_count(rng),
            time_in_force=tif,
        )
        key = f"v-{len(self._drafts)}"
        self._drafts[key] = draft
        request = Create(key, Approved(draft, self.house.at_us))
        self.portfolio.intend(draft, key, self.house.at_us)
        self._apply(Answer(request, Written(), self.house.at_us))
        if rng.random() < self.hearing.lost:
            self._say(Answer(request, Unknown("the connection broke on the way"), self.house.at_us))
            return
        try:
            record = self.desk.create(US, _new(draft, key))
        except records.Rejected as refusal:
            self._answer(request, Rejected(refusal.code, refusal.message))
        else:
            self._answer(request, _accepted(record, record.created_us))

    def _withdraw(self) -> None:
        order = self._an_order()
        if order is None or order.order_id is None:
            return
        self.portfolio.withdraw(order.client_order_id, self.house.at_us)
        request = Cancel(order.client_order_id, order.order_id, order.ticker)
        try:
            record, reduced_by = self.desk.cancel(US, order.order_id)
        except records.Rejected as refusal:
            self._answer(request, Unknown(refusal.code))
        else:
            told_us = record.updated_us // MS_US * MS_US
            self._answer(request, Accepted(record.order_id, None, Qty(0), told_us, Qty(reduced_by)))

    def _change(self) -> None:
        order = self._an_order()
        if order is None or order.in_flight is not None or order.order_id is None:
            return
        now_us, rng = self.house.at_us, self.rng
        price, count = rng.choice([order.price, _price(rng)]), _count(rng)
        self.portfolio.change(order.client_order_id, price, count, now_us)
        whole = Qty(order.filled + count)
        change = Change(client_order_id=order.client_order_id, price=price, count=count)
        request: Amend | Decrease = Amend(order.order_id, order.ticker, order.is_bid, whole, Approved(change, now_us))
        if price == order.price and count < order.remaining:
            request = Decrease(order.client_order_id, order.order_id, order.ticker, count)
        try:
            if isinstance(request, Decrease):
                record = self.desk.decrease(US, order.order_id, to=count)
            else:
                record = self.desk.amend(US, order.order_id, _amendment(order, price, whole))
        except records.Rejected as refusal:
            self._answer(request, Rejected(refusal.code, refusal.message))
        else:
            self._answer(request, _accepted(record, record.updated_us))

    def _participate(self) -> None:
        """Others trade."""
        rng = self.rng
        listing = self.house.floor.listings[rng.choice(TICKERS)]
        if rng.random() < 0.2:
            draft = Draft(
                strategy="", ticker=listing.ticker, is_bid=rng.random() < 0.5, price=_price(rng), count=_count(rng)
            )
            try:
                self.desk.create(THEM, _new(draft, None))
            except records.Rejected:
                return
        elif self.desk.is_open(listing):
            self.desk.pit.submit_anonymous(
                listing, 0, rng.random() < 0.5, _price(rng), _count(rng), at_us=self.house.at_us, rng=rng
            )

    def _end(self) -> None:
        """A market is over, and pays."""
        ticker, result = self.rng.choice(TICKERS), self.rng.choice(["yes", "no", "scalar"])
        try:
            self.desk.determine(ticker, result, self.rng.randint(0, 10_000))
        except records.Rejected:
            return

    def _an_order(self) -> Order | None:
        resting = [order for order in self.portfolio.open.values() if order.state is OrderState.RESTING]
        return self.rng.choice(resting) if resting else None

    # -- what is heard ---------------------------------------------------------------------------------------------

    def _answer(self, request: Request, outcome: Outcome) -> None:
        if self.rng.random() < self.hearing.unanswered:
            outcome = Unknown("time-out")
        self._say(Answer(request, outcome, self.house.at_us))

    def _listen(self) -> None:
        """Everything that the exchange told since goes on its way, as far as it is not lost."""
        facts = self.house.floor.facts
        for fact in facts[self._facts_heard :]:
            is_told = isinstance(fact, records.OrderChanged | records.Filled | records.PositionChanged) and _is_ours(
                fact
            )
            if is_told and self.rng.random() >= self.hearing.lost:
                self._say(_read_back(fact))
        self._facts_heard = len(facts)

    def _say(self, word: Word) -> None:
        for _ in range(1 + (not isinstance(word, Answer) and self.rng.random() < self.hearing.doubled)):
            self._words += 1
            place = self._words + self.rng.uniform(0, self.hearing.disorder)
            self._waiting.append((place, self._words, word))

    def _hear(self, until: float) -> None:
        self._waiting.sort(key=lambda each: each[:2])
        while self._waiting and self._waiting[0][1] <= until:
            self._apply(self._waiting.pop(0)[2])

    def _apply(self, word: Word, as_of_us: int | None = None) -> None:
        self.portfolio.apply(word, self.house.at_us, as_of_us)


def _is_ours(fact: records.MemberFact) -> bool:
    match fact:
        case records.OrderChanged(order, _):
            return order.user_id == US
        case records.Filled(fill):
            return fill.user_id == US
        case records.PositionChanged(position):
            return position.user_id == US
        case records.Settled(settlement):
            return settlement.user_id == US
        case _:
            return False


def _read_back(fact: records.MemberFact) -> Fill | UserOrder | MarketPosition:
    """A fact as our side reads it off the socket."""
    sent = private_message(fact)
    assert sent is not None
    channel, _, _, message = sent
    frame = msgspec.json.encode({"type": WORDS[channel], "sid": 1, "msg": message})
    word = to_fact(channel_wire.FRAME.decode(frame), 0)
    assert isinstance(word, Fill | UserOrder | MarketPosition)
    return word


def _held(ticker: str, position: VenuePosition) -> HeldPosition:
    return HeldPosition(
        ticker=ticker,
        position=Qty(position.count),
        exposure=Money(position.cost),
        realized_pnl=Money(position.realized_pnl),
        fees_paid=Money(position.fees_paid),
        updated_us=position.updated_us,
    )


def _new(draft: Draft, client_order_id: str | None) -> records.NewOrder:
    return records.NewOrder(
        ticker=draft.ticker,
        is_bid=draft.is_bid,
        price=draft.price,
        count=draft.count,
        time_in_force=draft.time_in_force,
        self_trade=SelfTrade.TAKER,
        client_order_id=client_order_id,
    )


def _amendment(order: Order, price: Price, count: Qty) -> records.Amendment:
    return records.Amendment(ticker=order.ticker, is_bid=order.is_bid, price=price, count=count)


def _accepted(record: records.OrderRecord, at_us: int) -> Accepted:
    """As V2 answers: times in milliseconds."""
    return Accepted(record.order_id, Qty(record.filled), Qty(record.remaining), at_us // MS_US * MS_US)


def _price(rng: random.Random) -> Price:
    return Price(rng.randint(45, 55) * 100)


def _count(rng: random.Random) -> Qty:
    return Qty(rng.choice([rng.randint(1, 500), 100 * rng.randint(1, 5)]))

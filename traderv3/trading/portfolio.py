"""What we hold and what we have in the market: orders by their own id, fills by trade id, positions, cash.

One writer, the engine, one step at a time; it outlives the engine's starts. Facts may come twice, late and in any order:
the orders move by their table, the positions are folds of fills (`domain.positions`), so both come out the same.
Cash is the account's money with what resting orders hold; the venue's `balance` is without (`free`).
Units: prices 1e-4 dollar on the YES scale, counts 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
Never: a wait, a clock, a decision; a number of the venue's adopted without being asked to.
"""

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from traderv3.domain.claims import Claim, collateral, own_price
from traderv3.domain.execution import Accepted, AccountFact, Answer, HeldPosition, KeptIntent
from traderv3.domain.feed import Feed
from traderv3.domain.fees import ORDINARY_FEES, ROUNDING, FeeSchedule
from traderv3.domain.market_facts import Fill, MarketPosition, OrderGroupUpdate, UserOrder
from traderv3.domain.orders import Cancelling, Changing, Draft, Order, OrderEvent, OrderState
from traderv3.domain.positions import Position, Settlement
from traderv3.domain.trading_report import FillLine, OrderLine, PositionLine
from traderv3.domain.units import Money, Price, Qty
from traderv3.domain.worst_case import Exposure
from traderv3.trading.foreign_orders import ForeignOrders
from traderv3.trading.holdings import Holdings
from traderv3.trading.order_life import client_order_id_of, step, take_fill, take_outcome, take_user_order
from traderv3.trading.own_orders import OwnOrders
from traderv3.trading.portfolio_lines import Totals, fill_line, order_line, position_line, sum_up

FILLS_KEPT: Final = 4_096
LINES_MAX: Final = 200  # of orders that are over, and of fills, in a report
RECALLED: Final = "the trader started anew"

Tell = Callable[[OrderLine | FillLine], None]


class Portfolio:
    """`tell` hears of every change of an order and of every new fill, in the step in which it happens."""

    def __init__(
        self,
        *,
        tell: Tell = lambda _: None,
        fees: Callable[[str], FeeSchedule | None] = lambda _: None,
        ahead: Callable[[str], Qty | None] = lambda _: None,
    ) -> None:
        """`fees` of a ticker say what its orders hold at the venue; unknown ones count as the ordinary.

        `ahead` of an order id: how much stands before it, for the lines; None where nobody knows.
        """
        self._tell = tell
        self._fees = fees
        self._ahead = ahead
        self._own = OwnOrders()
        self._foreign = ForeignOrders()
        self._fills: dict[str, Fill] = {}
        self._fills_of: dict[str, dict[str, Fill]] = {}  # by client order id, then trade id, while the order is kept
        self._unclaimed: dict[str, dict[str, Fill]] = {}  # by order id, then trade id: whose order is not known (yet)
        self._holdings = Holdings()
        self.turnover = Money(0)  # what the fills of this process cost, a NO by its own price
        self.version = 0

    # -- what we do ------------------------------------------------------------------------------------------------

    def intend(self, draft: Draft, client_order_id: str, at_us: int) -> Order:
        """A new order, before its request is handed over."""
        order = self._add(draft, client_order_id, at_us)
        self._changed(order)
        return order

    def recall(self, kept: KeptIntent, at_us: int) -> Order:
        """An order of an earlier run, of which only evidence can tell; one that is known already stays as it is."""
        known = self._own.all.get(kept.client_order_id)
        if known is not None:
            return known
        order = self._add(kept.draft, kept.client_order_id, kept.at_us)
        step(order, OrderEvent.LOST, at_us, RECALLED)
        if kept.order_id is not None:
            self._name(order, kept.order_id)
        self._changed(order)
        return order

    def withdraw(self, client_order_id: str, at_us: int) -> None:
        """A cancel goes out; a change that is on its way may still be made."""
        order = self._own.all[client_order_id]
        if isinstance(order.in_flight, Changing):
            order.doubt = order.in_flight
        order.in_flight = Cancelling(at_us)
        self._changed(order)

    def change(self, client_order_id: str, price: Price, count: Qty, at_us: int) -> None:
        """Another price or size goes out; `count` is what is to rest. One at a time."""
        order = self._own.all[client_order_id]
        assert order.in_flight is None, f"{client_order_id}: {order.in_flight} is on its way already"
        order.in_flight = Changing(at_us, price, count)
        self._changed(order)

    # -- what we hear ----------------------------------------------------------------------------------------------

    def apply(self, item: Answer | AccountFact, at_us: int, as_of_us: int | None = None) -> bool:
        """Take one thing in; True if anything is different for it.

        `as_of_us`: a read said it, and shows the account as it was then by the venue's clock.
        """
        version = self.version
        match item:
            case Answer(request, outcome, _):
                order = self._own.all.get(client_order_id_of(request) or "")
                if order is not None:
                    before = _stamp(order)
                    if isinstance(outcome, Accepted) and outcome.order_id:
                        self._name(order, outcome.order_id)
                    take_outcome(order, request, outcome, at_us)
                    self._compare(order, before)
            case UserOrder():
                self._take_user_order(item, at_us, as_of_us)
            case Fill():
                self._take_fill(item)
            case MarketPosition(ticker=ticker, position=position):
                self._take_told(ticker, position)
            case OrderGroupUpdate():
                pass
        return self.version != version

    def lose_one(self, client_order_id: str, why: str, at_us: int) -> None:
        """An answer was lost, or is not waited for any more: what was on its way is unknown from now on."""
        order = self._own.all[client_order_id]
        if isinstance(order.in_flight, Changing):
            order.doubt = order.in_flight
        order.in_flight = None
        if order.state in (OrderState.INTENDED, OrderState.SENT):
            step(order, OrderEvent.LOST, at_us, why)
        self._changed(order)

    def absent(self, client_order_id: str, at_us: int) -> None:
        """A complete read that is young enough does not hold an order: void if it was unknown, unknown if it rested."""
        order = self._own.all[client_order_id]
        step(order, OrderEvent.SEEN_ABSENT, at_us, "a later read of the account does not hold it")
        self._changed(order)

    def redate(self, at_us: int) -> None:
        """Our clock was set back to this: nothing of what is open happened later."""
        for order in self._own.open.values():
            order.created_us, order.since_us = min(order.created_us, at_us), min(order.since_us, at_us)
            if order.doubt is not None:
                order.doubt = replace(order.doubt, since_us=min(order.doubt.since_us, at_us))
        self.version += 1

    # -- the venue's word on what it comes to ------------------------------------------------------------------------

    def keep_foreign(self, listed: Collection[str], as_of_us: int) -> None:
        """A complete read lists these order ids as resting: others' orders that it knew of and does not list are over."""
        self.version += self._foreign.keep(listed, as_of_us)

    def adopt_position(self, held: HeldPosition, as_of_us: int) -> None:
        """Take the venue's stake in a market as it was then; younger fills stay on top of it."""
        self._holdings.adopt_position(held, as_of_us)
        self.version += 1

    def adopt_nothing(self, ticker: str, as_of_us: int) -> None:
        """The venue listed no stake in a market then; what it had brought and cost stays as we knew it."""
        self._holdings.adopt_nothing(ticker, as_of_us)
        self.version += 1

    def adopt_cash(self, free: Money) -> None:
        """Take the venue's `balance`, as of now: what resting orders hold comes on top."""
        self._holdings.adopt_cash(Money(free + self.held))
        self.version += 1

    def settle(self, settlement: Settlement) -> bool:
        """A market paid out; False if that is known."""
        is_new = self._holdings.settle(settlement)
        self.version += is_new
        return is_new

    # -- reads -------------------------------------------------------------------------------------------------------

    @property
    def orders(self) -> Mapping[str, Order]:
        """Every order that is kept, by its `client_order_id`, in the order of their making."""
        return self._own.all

    @property
    def open(self) -> Mapping[str, Order]:
        """Those that rest or may come to rest."""
        return self._own.open

    @property
    def at_risk(self) -> Mapping[str, Order]:
        """Those that may yet do something to a position: the open ones, and those whose fills were not all told yet."""
        return self._own.at_risk

    @property
    def foreign(self) -> Mapping[str, UserOrder]:
        """Orders of the account that rest and that we did not make, by order id."""
        return self._foreign.resting

    @property
    def fills(self) -> Mapping[str, Fill]:
        """The latest fills by trade id, in the order in which they were told."""
        return MappingProxyType(self._fills)

    @property
    def positions(self) -> Mapping[str, Position]:
        """Every market in which something was ever held, by ticker."""
        return self._holdings.positions

    def by_order_id(self, order_id: str) -> Order | None:
        """Our order that the venue knows by that id."""
        return self._own.by_order_id(order_id)

    def position(self, ticker: str) -> Qty:
        """What is held in a market; below 0 is NO."""
        return self._holdings.position(ticker).count

    @property
    def told_positions(self) -> Mapping[str, Qty]:
        """What the venue's socket said last, by ticker; a reading tells if it is right."""
        return MappingProxyType(self._holdings.told)

    def of_strategy(self, strategy: str) -> Mapping[str, Position]:
        """What a strategy's own fills in this process come to, by ticker; what was held before is nobody's."""
        return self._holdings.of_strategy(strategy)

    @property
    def cash(self) -> Money | None:
        """All money of the account; None until the venue told it once."""
        return self._holdings.cash

    @property
    def free(self) -> Money | None:
        """What the venue's `balance` should say."""
        cash = self.cash
        return None if cash is None else Money(cash - self.held)

    @property
    def held(self) -> Money:
        """What the venue sets aside for all orders that are known to rest; of one price, in the order of their ids."""
        claims = self._foreign.claims()
        for order in self._own.open.values():
            if order.state is OrderState.RESTING and order.order_id is not None:
                claims += [(order.ticker, order.order_id, Claim(order.is_bid, order.price, order.remaining))]
        claims.sort()
        total = 0
        for ticker, of_market in itertools.groupby(claims, key=lambda each: each[0]):
            rate = (self._fees(ticker) or ORDINARY_FEES).rate(is_taker=True)
            total += collateral(self.position(ticker), (claim for *_, claim in of_market), rate, ROUNDING.quantum)
        return Money(total)

    def exposures(self) -> dict[str, Exposure]:
        """Every market, with everything that rests there, may rest, or is on its way, foreign orders too."""
        sides: dict[tuple[str, bool], list[tuple[Price, Qty]]] = {}
        for order in self._own.at_risk.values():
            sides.setdefault((order.ticker, order.is_bid), []).append(order.at_worst)
        for word in self._foreign.resting.values():
            sides.setdefault((word.ticker, word.is_yes), []).append((word.yes_price, word.remaining))
        found: dict[str, Exposure] = {}
        for ticker in {*self._holdings.positions, *(ticker for ticker, _ in sides)}:
            held = self._holdings.position(ticker)
            bids, asks = sides.get((ticker, True), ()), sides.get((ticker, False), ())
            found[ticker] = Exposure(held.count, held.cost, bids, asks)
        return found

    def order_lines(self) -> tuple[OrderLine, ...]:
        """The open ones, then the latest that are over; each newest first."""
        live = (
            replace(order_line(order), ahead=self._ahead(order.order_id or "")) for order in self._own.open.values()
        )
        return (*reversed(tuple(live)), *map(order_line, self._own.over(LINES_MAX)))

    def fill_lines(self) -> tuple[FillLine, ...]:
        """The latest, newest first."""
        latest = itertools.islice(reversed(self._fills.values()), LINES_MAX)
        return tuple(fill_line(fill, self._order_of(fill)) for fill in latest)

    def position_lines(self, feed: Feed) -> tuple[PositionLine, ...]:
        """Every market in which something is held, rests, or was ever held, by ticker."""
        told = self.told_positions
        return tuple(
            position_line(ticker, self._holdings.position(ticker), told.get(ticker), exposure, feed)
            for ticker, exposure in sorted(self.exposures().items())
        )

    def totals(self, feed: Feed) -> Totals:
        """What it all comes to."""
        return sum_up(self.positions, self.exposures(), self._own.open.values(), feed)

    def check(self) -> None:
        """Assert every invariant; for tests and simulations."""
        for order in self._own.all.values():
            assert (order.remaining == 0) or order.is_open
            assert order.is_open or (order.in_flight is None and order.doubt is None)
            assert order.filled >= sum(fill.count for fill in self._fills_of[order.client_order_id].values())
        self._own.check()
        self._holdings.check()

    # -- parts -------------------------------------------------------------------------------------------------------

    def _add(self, draft: Draft, client_order_id: str, at_us: int) -> Order:
        order = self._own.add(draft, client_order_id, at_us)
        self._fills_of[client_order_id] = {}
        return order

    def _name(self, order: Order, order_id: str) -> None:
        """The venue's id of an order is known: fills that nobody claimed may be its own."""
        if order.order_id == order_id:
            return
        self._own.name(order, order_id)
        self._foreign.disown(order_id)
        for fill in self._unclaimed.pop(order_id, {}).values():
            self._book(order, fill)

    def _take_user_order(self, word: UserOrder, at_us: int, as_of_us: int | None) -> None:
        order = self._own.all.get(word.client_order_id) or self.by_order_id(word.order_id)
        if order is None:
            self.version += self._foreign.heed(word)
            return
        before = _stamp(order)
        self._name(order, word.order_id)
        take_user_order(order, word, at_us, as_of_us)
        self._compare(order, before)

    def _take_fill(self, fill: Fill) -> None:
        order = self._order_of(fill)
        is_new = self._holdings.add(fill)
        if fill.position is not None and is_new:  # one that is told again tells of an old position
            self._take_told(fill.ticker, fill.position)
        if order is None:
            self._unclaimed.setdefault(fill.order_id, {})[fill.trade_id] = fill
            if len(self._unclaimed) > FILLS_KEPT:
                del self._unclaimed[next(iter(self._unclaimed))]
        else:
            before = _stamp(order)
            self._name(order, fill.order_id)
            is_new = self._book(order, fill) or is_new
            self._compare(order, before)
        if is_new and fill.trade_id not in self._fills:
            self._fills[fill.trade_id] = fill
            if len(self._fills) > FILLS_KEPT:
                del self._fills[next(iter(self._fills))]
            self.turnover = Money(self.turnover + own_price(fill.is_yes, fill.yes_price) * fill.count)
            self.version += 1
            self._tell(fill_line(fill, order))

    def _book(self, order: Order, fill: Fill) -> bool:
        """A fill is this order's, and its strategy's; False if that is known."""
        fills = self._fills_of[order.client_order_id]
        if fill.trade_id in fills:
            return False
        fills[fill.trade_id] = fill
        take_fill(order, Qty(sum(each.count for each in fills.values())))
        self._holdings.share(order.strategy, fill)
        return True

    def _take_told(self, ticker: str, position: Qty) -> None:
        if self._holdings.told.get(ticker) != position:
            self._holdings.told[ticker] = position
            self.version += 1

    def _order_of(self, fill: Fill) -> Order | None:
        return self._own.all.get(fill.client_order_id or "") or self.by_order_id(fill.order_id)

    def _compare(self, order: Order, before: tuple[object, ...]) -> None:
        if _stamp(order) != before:
            self._changed(order)

    def _changed(self, order: Order) -> None:
        """Keep the tables in step with an order, forget the oldest that is over, and say what it is now."""
        forgotten = self._own.changed(order)
        if forgotten is not None:
            del self._fills_of[forgotten.client_order_id]
        self.version += 1
        self._tell(order_line(order))


def _stamp(order: Order) -> tuple[object, ...]:
    """What anybody may have an interest in."""
    return order_line(order), order.at_worst

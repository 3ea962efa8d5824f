"""The judge of limits: what the exchange holds and is sent, against every limit that the trader promises to keep.

    each step       size, notional, worst case and open orders of each market, event, series, strategy and the account, out of
                    the exchange's own positions and resting orders; no step may make a figure larger that is beyond its limit
    on the wire     size and notional of each order; orders and changes of a second and of a minute, by the same scopes;
                    orders that must close: while the latch lets trading only reduce, a stop has locked it, or the day has
                    brought as many orders, as much turnover or as sure a loss as it may
A figure that is beyond its limit may stay, and may fall: closing is never refused for want of room. Whether an order closes
is judged as the trader promises it: with all that rests on its side filled, the position comes no further than 0.
Left to the trader, and judged by its own tests: fees that are set aside for what has not filled; when a loss is one that
prices make; what its own data must look like before any order.
Units: counts 0.01 contract, prices 1e-4 dollar, money 1e-6 dollar, virtual seconds.
Never: a look into the trader's own figures. One strategy trades, so that its limits are judged by the whole account.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import trio

from traderv3.domain.risk_limits import SCOPES, RiskLimits, ScopeLimits
from traderv3.domain.units import DOLLAR, parse_price, parse_qty
from traderv3.exchange.accounts import Account, Position
from traderv3.exchange.exchange import Exchange
from traderv3.exchange.market import Market
from traderv3.exchange.records import OrderRecord

DAY_US: Final = 86_400_000_000
MINUTE_S: Final = 60.0
HELD_S: Final = 3.0  # the longest from an approval to the wire: the gateway drops what is older than 2 s
SHORT_S: Final = 0.5  # the span in which a second's orders are counted, as they may be approved that much apart
HEARD_S: Final = 15.0  # until the trader has surely heard what happened, or is no longer allowed to trade
NOTHING: Final = Position()


class Figures(NamedTuple):
    """Of one member of a scope, each under the name of its limit."""

    size: int
    notional: int
    worst_case: int
    open_orders: int


@dataclass(frozen=True, slots=True)
class Stake:
    """One market: what is held, and what it comes to if orders fill. `if_no`, `if_yes`: what is left over its cost."""

    size: int
    notional: int
    if_no: int
    if_yes: int
    open_orders: int


def stake_of(position: Position, orders: Sequence[OrderRecord]) -> Stake:
    """One market as the exchange holds it; in either outcome exactly the orders that lose by it fill."""
    held = position.count
    bids, asks = ([order for order in orders if order.is_bid is is_bid] for is_bid in (True, False))
    bought, sold = (sum(order.remaining for order in side) for side in (bids, asks))
    return Stake(
        size=max(abs(held + bought), abs(held - sold)) if orders else abs(held),
        notional=max(_cost_after(position, side) for side in (bids, asks)),
        if_no=max(0, -held) * DOLLAR - position.cost - sum(order.price * order.remaining for order in bids),
        if_yes=max(0, held) * DOLLAR - position.cost - sum((DOLLAR - order.price) * order.remaining for order in asks),
        open_orders=len(orders),
    )


def _cost_after(position: Position, side: Sequence[OrderRecord]) -> int:
    """What is held costs once one side has filled, the best price first: that closes what there is to close."""
    if not side:
        return position.cost
    is_bid = side[0].is_bid
    left = closable = max(0, -position.count if is_bid else position.count)
    opened = 0
    for order in sorted(side, key=lambda order: own_price(is_bid, order.price), reverse=True):
        closed = min(left, order.remaining)
        left -= closed
        opened += (order.remaining - closed) * own_price(is_bid, order.price)
    return opened + (position.cost * left // closable if closable else position.cost)


def own_price(is_bid: bool, price: int) -> int:
    """What one contract costs whoever buys it on that side."""
    return price if is_bid else DOLLAR - price


def figures_of(stakes: Mapping[str, Stake], markets: Mapping[str, Market]) -> Figures:
    """Of some markets together. Of an exclusive event's markets one ends YES, or none: every outcome is tried."""
    events: dict[str, list[Stake]] = {}
    exclusive: set[str] = set()
    for ticker, stake in stakes.items():
        event = markets[ticker].event
        events.setdefault(event.ticker, []).append(stake)
        if event.is_mutually_exclusive:
            exclusive.add(event.ticker)
    return Figures(
        size=sum(stake.size for stake in stakes.values()),
        notional=sum(stake.notional for stake in stakes.values()),
        worst_case=sum(_worst(members, is_exclusive=event in exclusive) for event, members in events.items()),
        open_orders=sum(stake.open_orders for stake in stakes.values()),
    )


def _worst(members: Sequence[Stake], *, is_exclusive: bool) -> int:
    if not is_exclusive:
        return max(0, -sum(min(each.if_no, each.if_yes) for each in members))
    ends = [sum(each.if_yes if each is winner else each.if_no for each in members) for winner in (None, *members)]
    return max(0, -min(ends))


def member_of(scope: str, market: Market) -> str:
    """What of a scope a market belongs to."""
    names = {"market": market.ticker, "event": market.event.ticker, "series": market.event.series_ticker}
    return names.get(scope, "")


class LimitsWitness:
    """Of one run that trades. `report` hears what a request breaks; `step` raises through `broken`.

    `must_close` says why the trader itself has promised to close only, None while it has not.
    """

    def __init__(
        self,
        risk: RiskLimits,
        report: Callable[[str], None],
        *,
        wall_us: Callable[[], int],
        must_close: Callable[[], str | None],
    ) -> None:
        self._risk = risk
        self._report = report
        self._wall_us = wall_us
        self._must_close = must_close
        self._exchange: Exchange | None = None
        self._user_id = ""
        self._starts = 0
        self._before: dict[tuple[str, str], Figures] = {}
        self._realized = 0  # of all markets, at the last step
        self._gains: deque[tuple[float, int]] = deque()  # of late: closing takes a profit out of the worst case
        self._asked: deque[tuple[float, Market]] = deque()  # creates and amends of the last minute
        self._skew_us: int | None = None
        self._day = 0
        self._asked_today = 0
        self._traded_before = 0  # by midnight
        self._deposit: int | None = None  # below which a loss counts
        self._due: dict[str, float] = {}  # from when on every order has to close, by the reason
        self._said: set[str] = set()  # of those, what the trader says itself
        self._were_locked = False

    def meet(self, exchange: Exchange, user_id: str) -> None:
        """Another exchange stands from now on, and every account on it is new."""
        self._exchange, self._user_id = exchange, user_id
        self._starts += 1
        self._before.clear()
        self._gains.clear()
        self._due.clear()
        self._realized = self._traded_before = 0

    # -- each step -----------------------------------------------------------------------------------------------------

    def why_broken(self) -> str | None:
        """What passes its limit since the last look, in a sentence."""
        assert self._exchange is not None
        self._note_gains()
        self._note_day()
        gained = sum(gain for _, gain in self._gains)
        found: str | None = None
        for scope, member, figures in self._all_figures():
            limits: ScopeLimits = getattr(self._risk, scope)
            before = self._before.get((scope, member), Figures(0, 0, 0, 0))
            for name, value, earlier in zip(Figures._fields, figures, before, strict=True):
                most: int = getattr(limits, name)
                excused = gained if name == "worst_case" else 0
                if value - excused > most and value > earlier and found is None:
                    found = f"{scope} {member}: {name} is {value} instead of {earlier}, and {most} is the limit"
            self._before[scope, member] = figures
        return found

    def _all_figures(self) -> Iterator[tuple[str, str, Figures]]:
        orders = self._resting()
        held = {ticker: each for ticker, each in self._account().positions.items() if each.count}
        markets = {ticker: self._market(ticker) for ticker in (*held, *(order.ticker for order in orders))}
        stakes = {
            ticker: stake_of(held.get(ticker, NOTHING), [order for order in orders if order.ticker == ticker])
            for ticker in markets
        }
        for scope in SCOPES:
            members: dict[str, dict[str, Stake]] = {member: {} for at, member in self._before if at == scope}
            for ticker, stake in stakes.items():
                members.setdefault(member_of(scope, markets[ticker]), {})[ticker] = stake
            for member, of_it in members.items():
                yield scope, member, figures_of(of_it, markets)

    def _note_gains(self) -> None:
        now_s = trio.current_time()
        realized = sum(position.realized_pnl for position in self._account().positions.values())
        if realized > self._realized:
            self._gains.append((now_s, realized - self._realized))
        self._realized = realized
        while self._gains and self._gains[0][0] < now_s - HEARD_S:
            self._gains.popleft()

    def _note_day(self) -> None:
        """Since when orders have had to close, whatever the trader thinks of it."""
        self._turn_day()
        account, now_s, why = self._account(), trio.current_time(), self._must_close()
        traded, is_locked = self._traded(), why is not None
        if self._deposit is None or (self._were_locked and not is_locked):  # a person forgave what was lost until now
            self._forgive()
        assert self._deposit is not None
        self._were_locked = is_locked
        most = account.cash + sum(abs(position.count) * DOLLAR for position in account.positions.values())
        reasons = {
            why or "": (is_locked, HELD_S),
            "the day's turnover is reached": (traded - self._traded_before > self._risk.day.turnover, HEARD_S),
            "the day's loss is sure": (self._deposit - most > self._risk.day.loss, HEARD_S),
        }
        self._said = {why} if why is not None else set()
        self._due = {why: self._due.get(why, now_s + lag_s) for why, (is_so, lag_s) in reasons.items() if is_so}

    def _turn_day(self) -> None:
        day = self._wall_us() // DAY_US
        if day > self._day:
            self._day, self._asked_today, self._traded_before = day, 0, self._traded()
            self._forgive()

    def _forgive(self) -> None:
        cash = self._account().cash
        self._deposit = cash if self._deposit is None else min(self._deposit, cash)

    def _traded(self) -> int:
        return sum(position.traded for position in self._account().positions.values())

    # -- on the wire ---------------------------------------------------------------------------------------------------

    def on_create(self, order: Mapping[str, Any], *, is_undisturbed: bool) -> None:
        """A new order goes on the wire. Its market may be unknown to the exchange, which then refuses it."""
        ticker, is_bid, count = order["ticker"], order["side"] == "bid", parse_qty(order["count"])
        name = order["client_order_id"]
        self._on_asking(ticker, is_undisturbed=is_undisturbed)
        closes = self._closes(ticker, is_bid, count)
        self._check_order(name, is_bid, parse_price(order["price"]), count, closes=closes)
        if not closes and (why := self._why_closing_only()) is not None:
            self._report(f"{name} opens, and only closing is allowed: {why}")

    def on_amend(self, order_id: str, order: Mapping[str, Any], *, is_undisturbed: bool) -> None:
        """A change goes on the wire; its count is what has filled and what is to rest."""
        self._on_asking(order["ticker"], is_undisturbed=is_undisturbed)
        record = next((each for each in self._resting() if each.order_id == order_id), None)
        if record is not None and (count := parse_qty(order["count"]) - record.filled) > 0:
            closes = self._closes(record.ticker, record.is_bid, count, instead_of=order_id)
            self._check_order(record.client_order_id, record.is_bid, parse_price(order["price"]), count, closes=closes)

    def _check_order(self, name: str, is_bid: bool, price: int, count: int, *, closes: bool) -> None:
        most, cost = self._risk.order, count * own_price(is_bid, price)
        if count > most.size:
            self._report(f"{name} is for {count}, and {most.size} is the limit")
        if cost > most.notional and not closes:
            self._report(f"{name} costs {cost}, and {most.notional} is the limit")

    def _on_asking(self, ticker: str, *, is_undisturbed: bool) -> None:
        """A new order, or a change of one, goes on the wire."""
        now_s, skew_us = trio.current_time(), self._wall_us() - round(trio.current_time() * 1e6)
        if skew_us != self._skew_us:  # the trader counts by its own clock, which was set
            self._asked.clear()
            self._skew_us = skew_us
        if self._exchange is None or ticker not in self._exchange.floor.listings:
            return
        self._turn_day()
        self._asked_today += 1
        market = self._market(ticker)
        self._asked.append((now_s, market))
        while self._asked[0][0] < now_s - (MINUTE_S - HELD_S):
            self._asked.popleft()
        burst = sum(at_s > now_s - SHORT_S for at_s, _ in self._asked)
        if is_undisturbed and burst > self._risk.gate.orders_per_s:
            self._report(
                f"{burst} orders within {SHORT_S:g} s, and {self._risk.gate.orders_per_s} a second is the limit"
            )
        for scope in SCOPES:
            most, member = getattr(self._risk, scope).orders_per_minute, member_of(scope, market)
            count = sum(member_of(scope, other) == member for _, other in self._asked)
            if count > most:
                self._report(f"{scope} {member}: {count} orders in less than a minute, and {most} is the limit")

    def _why_closing_only(self) -> str | None:
        if self._asked_today > self._risk.day.orders:
            return f"{self._asked_today} orders today, and {self._risk.day.orders} is the limit"
        now_why = self._must_close()  # the trader's own reason may have ended since the last step
        due = (why for why, due_s in self._due.items() if trio.current_time() > due_s)
        return next((why for why in due if why == now_why or why not in self._said), None)

    def _closes(self, ticker: str, is_bid: bool, count: int, *, instead_of: str = "") -> bool:
        """An exchange that forgot everything, and one that is not there, judge nothing."""
        if self._exchange is None or self._starts > 1:
            return True
        side = [each for each in self._resting() if each.ticker == ticker and each.is_bid is is_bid]
        whole = count + sum(each.remaining for each in side if each.order_id != instead_of)
        held = self._account().count_of(ticker)
        return held + whole <= 0 if is_bid else held - whole >= 0

    # -- the exchange's listings ---------------------------------------------------------------------------------------

    def _market(self, ticker: str) -> Market:
        assert self._exchange is not None
        return self._exchange.floor.listings[ticker].market

    def _account(self) -> Account:
        assert self._exchange is not None
        return self._exchange.desk.pit.ledger.account(self._user_id, 0)

    def _resting(self) -> list[OrderRecord]:
        return [] if self._exchange is None else list(resting_orders(self._exchange, self._user_id))


def resting_orders(exchange: Exchange, user_id: str) -> Iterable[OrderRecord]:
    """What rests of one member's."""
    return (live.record for live in exchange.desk.pit.live.values() if live.record.user_id == user_id)
